package functions

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"binnacle/events"
)

// leftPause is how long one line tells of all clients that have left.
const leftPause = time.Minute

// left counts clients that did not wait for the answers to their writes, and says so now and then: a client may leave thousands of times a second.
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

// note counts one more, and writes a line when the last one is a while ago.
func (l *left) note(now time.Time, logger *slog.Logger, r *http.Request, err error) {
	l.mu.Lock()
	l.count++
	count, say := l.count, now.Sub(l.said) >= leftPause
	if say {
		l.count, l.said = 0, now
	}
	l.mu.Unlock()
	if say {
		logger.Info("clients left before their writes were answered; the last one is told", "since the last line", count, "method", r.Method, "path", r.URL.Path,
			"request", r.Header.Get("X-Request-Id"), "error", err)
	}
}
