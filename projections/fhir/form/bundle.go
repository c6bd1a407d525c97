package form

import (
	"io"
	"strconv"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
)

// BundleWriter writes a Bundle to a stream, entry by entry: see [fhir.BundleWriter].
type BundleWriter interface {
	// Entry writes one entry. Its resource, and the outcome in its response, are JSON, or XML where that is wanted.
	// Kind Unsupported: XML is wanted, and cannot hold one of them; nothing of the entry is written, and others may
	// follow.
	Entry(entry fhir.BundleEntry) error
	// Close ends the bundle. It does not close the stream.
	Close() error
}

// NewBundleWriter begins a bundle in the form that is wanted, InJSON or InXML.
func NewBundleWriter(w io.Writer, head fhir.BundleHead, wanted Form) BundleWriter {
	if wanted != InXML {
		return fhir.NewBundleWriter(w, head)
	}
	b := &xmlBundle{w: w, buf: make([]byte, 0, 4<<10)}
	b.buf = append(b.buf, `<Bundle xmlns="`+fhirSpace+`">`...)
	b.element("id", head.ID)
	if !head.LastUpdated.IsZero() {
		b.raw("<meta>")
		b.instant("lastUpdated", head.LastUpdated)
		b.raw("</meta>")
	}
	b.element("type", head.Type)
	if head.Total != nil {
		b.element("total", strconv.FormatInt(*head.Total, 10))
	}
	for _, link := range head.Links {
		b.raw("<link>")
		b.element("relation", link.Relation)
		b.element("url", link.URL)
		b.raw("</link>")
	}
	return b
}

// xmlBundle writes a Bundle as XML. A resource in XML is written as it is, from its root element on.
type xmlBundle struct {
	w   io.Writer
	buf []byte
	err error
}

// writeSize is how many bytes are gathered before they are written.
const writeSize = 32 << 10

func (b *xmlBundle) Entry(e fhir.BundleEntry) error {
	at := len(b.buf)
	b.raw("<entry>")
	b.element("fullUrl", e.FullURL)
	err := b.resource("resource", e.Resource)
	if e.SearchMode != "" {
		b.raw("<search>")
		b.element("mode", e.SearchMode)
		b.raw("</search>")
	}
	if e.Request != nil {
		b.raw("<request>")
		b.element("method", e.Request.Method)
		b.element("url", e.Request.URL)
		b.raw("</request>")
	}
	if r := e.Response; r != nil && err == nil {
		b.raw("<response>")
		b.element("status", strconv.Itoa(r.Status))
		b.element("location", r.Location)
		b.element("etag", r.ETag)
		if !r.LastModified.IsZero() {
			b.instant("lastModified", r.LastModified)
		}
		err = b.resource("outcome", r.Outcome)
		b.raw("</response>")
	}
	b.raw("</entry>")
	if err != nil {
		b.buf = b.buf[:at]
		return err
	}
	if len(b.buf) >= writeSize {
		b.flush()
	}
	return b.err
}

func (b *xmlBundle) Close() error {
	b.raw("</Bundle>")
	b.flush()
	return b.err
}

func (b *xmlBundle) raw(text string) { b.buf = append(b.buf, text...) }

func (b *xmlBundle) element(name, value string) {
	if value != "" {
		b.raw("<" + name + ` value="`)
		b.buf = appendValue(b.buf, []byte(value))
		b.raw(`"/>`)
	}
}

func (b *xmlBundle) instant(name string, t time.Time) {
	b.element(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// resource writes an element with a resource in it.
func (b *xmlBundle) resource(name string, content []byte) error {
	if len(content) == 0 {
		return nil
	}
	b.raw("<" + name + ">")
	switch Of(content) {
	case InXML:
		s := scanner{data: content}
		f := s.prolog()
		if f == nil {
			_, f = s.next()
		}
		if f != nil {
			return events.Errorf(events.Internal, "form.Bundle", "a resource is no XML: %s", f.text)
		}
		b.buf = append(b.buf, content[s.start:]...)
	default:
		written, err := appendXML(b.buf, content)
		if err != nil {
			return err
		}
		b.buf = written
	}
	b.raw("</" + name + ">")
	return nil
}

func (b *xmlBundle) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
}
