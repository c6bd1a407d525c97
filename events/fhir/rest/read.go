package rest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"binnacle/events"
)

// Ask is what a read asks: it came by HTTP, or stands in an entry of a bundle.
type Ask struct {
	Place
	Query  string // the parameters as they came
	Tenant string // "": that of requests that name none
	Root   string // the FHIR root as the client sees it, without a slash at its end
	Copy   Copy
	Prefer Preferences
	Reach  *events.Position // that the answer must have reached; nil: it need not
}

// Read answers a read: it begins the answer, or returns an error and has set fields of the answer at the most.
type Read func(ctx context.Context, ask *Ask, answer *Answer) error

// Answer is where a [Read] puts what it answers. Fields that are set before the answer begins, or an error is returned, are told.
type Answer struct {
	ETag     string
	Modified time.Time // of the version that the answer is about; zero: it is about none
	Reached  events.Position
	Known    bool     // Reached counts
	Links    []string // as a Link header has them (RFC 8288)
	out      sink
}

// sink takes an answer.
type sink interface {
	io.Writer
	begin(status, length int)
}

// Begin begins the answer; what is written then is its body. length is that of the body in bytes; negative: not known, or there is none.
func (a *Answer) Begin(status, length int) io.Writer {
	a.out.begin(status, length)
	return a.out
}

// Whole is an answer with status 200 and a body that is at hand, which may be used again afterwards.
func (a *Answer) Whole(body []byte) {
	_, _ = a.Begin(http.StatusOK, len(body)).Write(body) // the client has gone: there is nobody left to tell
}

// NotModified is the answer that the client's copy is good.
func (a *Answer) NotModified() { a.Begin(http.StatusNotModified, -1) }

// overHTTP is a read by HTTP.
type overHTTP struct {
	ask    Ask
	answer Answer
	w      http.ResponseWriter
}

// Reading makes the function of a [Row] of a read, under a base path.
func Reading(base string, read Read) func(w http.ResponseWriter, r *http.Request, at Place) error {
	return func(w http.ResponseWriter, r *http.Request, at Place) error {
		return ReadHTTP(w, r, at, base, read)
	}
}

// ReadHTTP answers a request by a read.
func ReadHTTP(w http.ResponseWriter, r *http.Request, at Place, base string, read Read) error {
	h := &overHTTP{w: w, ask: Ask{Place: at, Query: r.URL.RawQuery, Root: Root(r, base), Copy: CopyOf(r.Header), Prefer: PreferencesOf(r.Header)}}
	h.answer.out = h
	if tenancy, named := TenancyOf(r.Context()); named {
		h.ask.Tenant = tenancy.Tenant
	}
	var err error
	if h.ask.Reach, err = MinPosition(r.Header); err != nil {
		return err
	}
	if err = read(r.Context(), &h.ask, &h.answer); err != nil {
		h.head()
	}
	return err
}

// head writes what is told beside the body.
func (h *overHTTP) head() {
	header := h.w.Header()
	if h.answer.ETag != "" {
		header["Etag"] = []string{h.answer.ETag}
	}
	if !h.answer.Modified.IsZero() {
		header["Last-Modified"] = []string{h.answer.Modified.UTC().Format(http.TimeFormat)}
	}
	if h.answer.Known {
		SetPosition(header, h.answer.Reached)
	}
	if len(h.answer.Links) > 0 {
		header["Link"] = h.answer.Links
	}
}

func (h *overHTTP) begin(status, length int) {
	h.head()
	header := h.w.Header()
	Revalidate(header)
	if length >= 0 {
		header["Content-Length"] = []string{strconv.Itoa(length)}
	}
	if status == http.StatusNotModified {
		delete(header, "Content-Type")
	} else {
		SetContentType(header)
	}
	h.w.WriteHeader(status)
}

func (h *overHTTP) Write(data []byte) (int, error) { return h.w.Write(data) }

// Entry is a read that stands in a bundle.
type Entry struct {
	Method string // GET or HEAD
	Path   string // below the root, unescaped
	Query  string
	Tenant string
	Root   string
	Copy   Copy
	Prefer Preferences
	Reach  *events.Position // of the bundle's writes; nil: there are none

	Request string // the id of the bundle's request, for the operator
}

// Reads answers a read that stands in a bundle: the version that it is about, where it is about one, and a resource or an OperationOutcome, or
// neither. It is safe for concurrent use.
type Reads func(ctx context.Context, entry Entry) (status int, etag string, modified time.Time, body []byte)

// inMemory is an answer that is kept.
type inMemory struct {
	Answer
	status int
	body   []byte
}

// ask reads what an entry asks for, and of which row. The row is told with the error that the format of the answer is not offered, too.
func (t *Table) ask(entry *Entry) (*Row, *Ask, error) {
	row, at, err := t.Find(entry.Method, entry.Path)
	if err != nil {
		return nil, nil, err
	}
	if format, _, _ := Param(entry.Query, "_format"); format != "" {
		if _, acceptable := FormatOf(format); !acceptable {
			return row, nil, NotAcceptable()
		}
	}
	return row, &Ask{Place: at, Query: entry.Query, Tenant: entry.Tenant, Root: entry.Root, Copy: entry.Copy, Prefer: entry.Prefer, Reach: entry.Reach}, nil
}

// Check refuses an entry that is wrong by its form, as [Table.Read] would: nothing that is stored can make it right. It reads nothing.
func (t *Table) Check(entry *Entry) error {
	row, ask, err := t.ask(entry)
	if err != nil || row.Check == nil {
		return err
	}
	return row.Check(ask)
}

// Read answers an entry from the table, with the content in FHIR's JSON. An error is that of [Table.Find] or of the row. What is told of the version
// is told with an error, too.
func (t *Table) Read(ctx context.Context, entry *Entry) (row *Row, status int, answer *Answer, body []byte, err error) {
	kept := &inMemory{}
	kept.out = kept
	row, ask, err := t.ask(entry)
	if err != nil {
		return row, 0, &kept.Answer, nil, err
	}
	err = row.Read(ctx, ask, &kept.Answer)
	if entry.Method == http.MethodHead {
		kept.body = nil
	}
	return row, kept.status, &kept.Answer, kept.body, err
}

func (m *inMemory) begin(status, length int) {
	if m.status = status; length > 0 {
		m.body = make([]byte, 0, length)
	}
}

func (m *inMemory) Write(data []byte) (int, error) {
	m.body = append(m.body, data...)
	return len(data), nil
}
