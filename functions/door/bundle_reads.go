package door

import (
	"net/http"
	"net/url"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// checkReads refuses a reading entry that could not be answered whatever is stored: then a transaction must not take
// effect either (FHIR R4, http.html#transaction).
func (d *door) checkReads(r *http.Request, parts []*part) error {
	for _, p := range parts {
		if !p.reads() {
			continue
		}
		entry, err := d.reading(r, p)
		if err != nil {
			return err
		}
		if err := d.table.Check(&entry); err != nil {
			return p.at(err, "request.url")
		}
	}
	return nil
}

// reading is what a reading entry asks for.
func (d *door) reading(r *http.Request, p *part) (rest.Entry, error) {
	target, err := url.Parse("/" + p.url)
	if err != nil {
		return rest.Entry{}, p.at(invalid("%.200q is no URL below the base", p.url), "request.url")
	}
	return rest.Entry{
		Ask: rest.Ask{Query: target.RawQuery, Tenant: d.tenant, Root: d.ask.Root, Prefer: d.ask.Prefer,
			ContentType: d.ask.ContentType, Later: d.ask.Later,
			Copy: rest.CopyOfEntry(p.Request.IfNoneMatch, p.Request.IfModifiedSince)},
		Method: p.Request.Method, Path: target.Path, Request: r.Header.Get("X-Request-Id"),
		At: p.placeOf("request.url"),
	}, nil
}

// readFlight is how many reading entries of one bundle are answered at once.
const readFlight = 16

// readEntries answers the reading entries by the reading door, at or after a position.
func (d *door) readEntries(r *http.Request, parts []*part, reached *events.Position, room *room) {
	progress := rest.ProgressOf(r.Context())
	var group errgroup.Group
	group.SetLimit(min(readFlight, d.Limits.BatchFlight))
	for _, p := range parts {
		if p.reads() && p.answer.err == nil {
			group.Go(func() error {
				p.answer.err = d.readOne(r, p, reached, room)
				progress.Done()
				return nil
			})
		}
	}
	_ = group.Wait() // errors are the entries' answers
}

func (d *door) readOne(r *http.Request, p *part, reached *events.Position, room *room) error {
	entry, err := d.reading(r, p)
	if err != nil {
		return err
	}
	entry.Reach = reached
	a := &p.answer
	if room.takes(0) {
		a.status, a.etag, a.modified, a.body = d.reads(r.Context(), entry)
		if room.takes(len(a.body)) {
			return nil
		}
	}
	a.body = nil
	return p.at(events.Errorf(events.TooLarge, "door.Door",
		"what the entries of this bundle ask for is more than %d bytes together; ask for this one alone",
		d.Limits.AnswerBytes), "request.url")
}

// room is what the resources in the answer to one bundle may still take, bytes. A small request can ask for the same
// large resource thousands of times.
type room struct{ left atomic.Int64 }

func (d *door) newRoom() *room {
	r := new(room)
	r.left.Store(d.Limits.AnswerBytes)
	return r
}

// takes tells whether there is room for so many bytes, and gives it.
func (r *room) takes(size int) bool { return r.left.Load() > 0 && r.left.Add(-int64(size)) >= 0 }
