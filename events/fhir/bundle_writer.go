package fhir

import (
	"io"
	"strconv"
	"time"
)

// BundleHead is what stands in a bundle before its entries.
type BundleHead struct {
	Type        string    // searchset, history, batch-response, transaction-response, …
	ID          string    // left out when empty
	LastUpdated time.Time // meta.lastUpdated; left out when zero
	Total       *int64    // left out when nil
	Links       []BundleLink
}

// BundleLink is one link of a bundle.
type BundleLink struct {
	Relation string // self, first, previous, next, …
	URL      string
}

// BundleEntry is one entry to write. Parts that are zero are left out.
type BundleEntry struct {
	FullURL    string
	Resource   []byte // JSON, written as it is
	SearchMode string // match, include or outcome
	Request    *BundleRequest
	Response   *BundleResponse
}

// BundleRequest is the request of an entry in a history.
type BundleRequest struct{ Method, URL string }

// BundleResponse is the response of an entry.
type BundleResponse struct {
	Status       int // of HTTP, written as its three digits
	Location     string
	ETag         string    // as in the HTTP header: W/"3"
	LastModified time.Time // left out when zero
	Outcome      []byte    // an OperationOutcome in JSON, written as it is
}

// writeSize is how many bytes a [BundleWriter] gathers before it writes them to its stream.
const writeSize = 32 << 10

// BundleWriter writes a Bundle as JSON to a stream, entry by entry, without looking at the resources and without
// holding more than 32 KiB of them. After the first error of the stream nothing more is written, and every call
// returns that error.
type BundleWriter struct {
	w       io.Writer
	buf     []byte
	comma   bool // the next member follows another one
	entries int
	err     error
}

// NewBundleWriter begins a bundle on w. [BundleWriter.Close] must end it.
func NewBundleWriter(w io.Writer, head BundleHead) *BundleWriter {
	b := &BundleWriter{w: w, buf: make([]byte, 0, 4<<10)}
	b.open()
	b.text("resourceType", "Bundle")
	b.text("id", head.ID)
	if !head.LastUpdated.IsZero() {
		b.key("meta")
		b.open()
		b.instant("lastUpdated", head.LastUpdated)
		b.shut()
	}
	b.text("type", head.Type)
	if head.Total != nil {
		b.key("total")
		b.buf = strconv.AppendInt(b.buf, *head.Total, 10)
	}
	for i, link := range head.Links {
		if i == 0 {
			b.key("link")
			b.buf = append(b.buf, '[')
		} else {
			b.buf = append(b.buf, ',')
		}
		b.open()
		b.text("relation", link.Relation)
		b.text("url", link.URL)
		b.shut()
	}
	if len(head.Links) > 0 {
		b.buf = append(b.buf, ']')
	}
	return b
}

// Entry writes one entry.
func (b *BundleWriter) Entry(e BundleEntry) error {
	if b.entries == 0 { // FHIR allows no empty array, so the first entry begins it
		b.key("entry")
		b.buf = append(b.buf, '[')
	} else {
		b.buf = append(b.buf, ',')
	}
	b.entries++
	b.open()
	b.text("fullUrl", e.FullURL)
	b.json("resource", e.Resource)
	if e.SearchMode != "" {
		b.key("search")
		b.open()
		b.text("mode", e.SearchMode)
		b.shut()
	}
	if e.Request != nil {
		b.key("request")
		b.open()
		b.text("method", e.Request.Method)
		b.text("url", e.Request.URL)
		b.shut()
	}
	if r := e.Response; r != nil {
		b.key("response")
		b.open()
		b.text("status", itoa(r.Status))
		b.text("location", r.Location)
		b.text("etag", r.ETag)
		b.instant("lastModified", r.LastModified)
		b.json("outcome", r.Outcome)
		b.shut()
	}
	b.shut()
	if len(b.buf) >= writeSize {
		b.flush()
	}
	return b.err
}

// Close ends the bundle and writes what is left of it. It does not close the stream.
func (b *BundleWriter) Close() error {
	if b.entries > 0 {
		b.buf = append(b.buf, ']')
	}
	b.shut()
	b.flush()
	return b.err
}

func (b *BundleWriter) open() {
	b.buf = append(b.buf, '{')
	b.comma = false
}

func (b *BundleWriter) shut() {
	b.buf = append(b.buf, '}')
	b.comma = true
}

func (b *BundleWriter) key(key string) {
	if b.comma {
		b.buf = append(b.buf, ',')
	}
	b.comma = true
	b.buf = append(append(append(b.buf, '"'), key...), '"', ':')
}

func (b *BundleWriter) text(key, value string) {
	if value != "" {
		b.key(key)
		b.buf = AppendString(b.buf, value)
	}
}

func (b *BundleWriter) instant(key string, t time.Time) {
	if !t.IsZero() {
		b.key(key)
		b.buf = appendInstant(b.buf, t)
	}
}

// json writes a member whose value is JSON already; a large one goes to the stream without a copy.
func (b *BundleWriter) json(key string, value []byte) {
	if len(value) == 0 {
		return
	}
	b.key(key)
	if len(value) < writeSize {
		b.buf = append(b.buf, value...)
		return
	}
	b.flush()
	if b.err == nil {
		_, b.err = b.w.Write(value)
	}
}

func (b *BundleWriter) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
}
