package rest

import (
	"context"
	"net/http"
	"time"

	"binnacle/events"
)

// Entry is a read that stands in a bundle.
type Entry struct {
	Ask            // but for the Place, which the Path tells
	Method  string // GET or HEAD
	Path    string // below the root, unescaped
	Request string // the id of the bundle's request, for the operator
	At      string // the place of its URL in the bundle, for what is refused: "Bundle.entry[3].request.url"
}

// Reads answers a read that stands in a bundle: the version that it is about, where it is about one, and a resource
// or an OperationOutcome, or neither. It is safe for concurrent use.
type Reads func(ctx context.Context, entry Entry) (status int, etag string, modified time.Time, body []byte)

// inMemory is an answer that is kept.
type inMemory struct {
	Answer
	status int
	body   []byte
}

// ask reads what an entry asks for, and of which row. The row is told with the error that the format of the answer is
// not offered, too.
func (t *Table) ask(entry *Entry) (*Row, *Ask, error) {
	row, at, err := t.Find(entry.Method, entry.Path)
	if err != nil {
		return nil, nil, err
	}
	if row.Read == nil {
		return row, nil, events.Errorf(events.Unsupported, opTable,
			"what is at %.200q is no resource, so it can't stand in a bundle; ask for it alone", entry.Path)
	}
	if entry.Query != "" {
		if format, _, _ := Param(entry.Query, "_format"); format != "" && FormatOf(format) == "" {
			return row, nil, NotAcceptable()
		}
	}
	if row.Read == nil {
		return row, nil, Refused(http.StatusMethodNotAllowed, events.Unsupported, "rest.Table",
			"%.200q can't be asked for in a bundle; send it as a request of its own", entry.Path)
	}
	entry.Place = at
	return row, &entry.Ask, nil
}

// Check refuses an entry that is wrong by its form, as [Table.Read] would: nothing that is stored can make it right.
// It reads nothing.
func (t *Table) Check(entry *Entry) error {
	row, ask, err := t.ask(entry)
	if err != nil || row.Check == nil {
		return err
	}
	return row.Check(ask)
}

// Read answers an entry from the table, with the content in FHIR's JSON. An error is that of [Table.Find] or of the
// row. What is told of the version is told with an error, too.
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

// head does nothing: what is told beside the body stands in the answer.
func (m *inMemory) head() {}

func (m *inMemory) Write(data []byte) (int, error) {
	m.body = append(m.body, data...)
	return len(data), nil
}
