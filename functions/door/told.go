package door

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// leftPause is how long one line tells of all clients that have left, or were refused for one reason.
const leftPause = time.Minute

// left counts what happens thousands of times a second, as clients that do not wait for the answers to their writes,
// so that a line tells of it now and then.
type left struct {
	mu    sync.Mutex
	count int64     // since the last line
	said  time.Time // when that was
}

// hasLeft tells whether a request failed because its client did not wait. What happened beside it is told as ever.
func hasLeft(r *http.Request, err error) bool {
	if !errors.Is(r.Context().Err(), context.Canceled) {
		return false
	}
	kind := events.KindOf(err)
	return errors.Is(err, context.Canceled) || kind == events.Transient || kind == events.Unknown
}

// note counts one more. It tells how many there were since the last line, when that is a while ago; else 0.
func (l *left) note(now time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if now.Sub(l.said) < leftPause {
		return 0
	}
	count := l.count
	l.count, l.said = 0, now
	return count
}

// turnedAway counts the writes that could not be taken for now, by their reasons: a server that is over its limits
// refuses thousands a second.
type turnedAway struct {
	mu      sync.Mutex
	reasons map[string]*left
}

// reasonsBound is how many reasons are told apart.
const reasonsBound = 32

// note is [left.note] for the reason of an error.
func (t *turnedAway) note(now time.Time, err error) int64 {
	reason := strings.Map(func(c rune) rune { // numbers change from one refusal to the next
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, events.TextOf(err))
	t.mu.Lock()
	if t.reasons == nil || len(t.reasons) >= reasonsBound {
		t.reasons = make(map[string]*left)
	}
	of := t.reasons[reason]
	if of == nil {
		of = new(left)
		t.reasons[reason] = of
	}
	t.mu.Unlock()
	return of.note(now)
}

// tell tells the operator of an error that is answered with a status: what the client must not see.
func (d *door) tell(r *http.Request, status int, err error) {
	switch {
	case hasLeft(r, err):
		if count := d.left.note(d.Now()); count > 0 {
			d.Logger.Info("clients left before their writes were answered; the last one is told", "since the last line",
				count, "method", r.Method, "path", r.URL.Path,
				"request", r.Header.Get("X-Request-Id"), "error", err)
		}
		if d.Left != nil {
			d.Left()
		}
	case status == http.StatusServiceUnavailable:
		if count := d.turnedAway.note(d.Now(), err); count > 0 {
			d.Logger.Warn("writes could not be taken now, and were told to come again; the last one is told",
				"since the last line", count, "method", r.Method, "path", r.URL.Path,
				"request", r.Header.Get("X-Request-Id"), "error", err)
		}
	case status >= http.StatusInternalServerError:
		d.Logger.Error("a write failed", "method", r.Method, "path", r.URL.Path, "status", status, "request",
			r.Header.Get("X-Request-Id"), "error", err)
	default:
		d.Logger.Debug("a write was refused", "method", r.Method, "path", r.URL.Path, "status", status, "request",
			r.Header.Get("X-Request-Id"), "reason", err)
	}
}

// fail answers with an error.
func (d *door) fail(rw http.ResponseWriter, r *http.Request, err error) {
	d.tell(r, rest.Refuse(rw, err), err)
}
