package readapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// Reads answers a read that stands in a bundle, as a request of its own would be answered; see [rest.Reads].
func (s *Server) Reads(ctx context.Context, entry rest.Entry) (status int, etag string, modified time.Time,
	body []byte) {
	began, name := time.Now(), unknown
	s.metrics.inFlight.Inc()
	defer func() {
		s.metrics.inFlight.Dec()
		took := time.Since(began)
		s.interactions[name].observe(status, took)
		s.metrics.tenant(s.tenants.label(entry.Tenant), status, took)
	}()
	row, status, answer, body, err := s.readEntry(ctx, &entry)
	if row != nil {
		name = row.Name
	}
	if err != nil {
		s.tell(ctx, entry.Method, s.base+entry.Path, entry.Request, err)
		status, body = rest.OutcomeOf(rest.Relocate(err, func(string) string { return entry.At }))
	}
	return status, answer.ETag, answer.Modified, body
}

// readEntry asks the table. A content that can't be shown, and a panic, is an error.
func (s *Server) readEntry(ctx context.Context, entry *rest.Entry) (row *rest.Row, status int, answer *rest.Answer,
	body []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			// then the door has told why
			if aborted, is := cause.(error); !is || !errors.Is(aborted, http.ErrAbortHandler) {
				s.log.ErrorContext(ctx, "an entry's read has panicked", "method", entry.Method, "path", entry.Path,
					"request", entry.Request, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			}
			answer, err = new(rest.Answer), events.Errorf(events.Internal, "readapi",
				"the answer of an entry was broken off")
		}
	}()
	return s.root.Table.Read(ctx, entry)
}
