package door_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/functions/door"
	"binnacle/functions/functionstest"
)

func TestClientsThatLeaveAreCountedAndToldOnce(t *testing.T) {
	var log bytes.Buffer
	var count atomic.Int64
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		n.Front.Left = func() { count.Add(1) }
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Stop() // nobody decides: each write waits
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/p",
			strings.NewReader(functionstest.Patient("p", "1"))).WithContext(ctx)
		r.Header.Set("Content-Type", "application/fhir+json")
		cancel()
		n.Door.ServeHTTP(httptest.NewRecorder(), r)
	}
	if lines := strings.Count(log.String(), "clients left before"); lines != 1 || count.Load() != 50 ||
		strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%d are counted and the log has %d lines, want 50 and 1:\n%.2000s", count.Load(), lines, log.String())
	}
	log.Reset()
	n.Send("PUT", "/Patient/p", functionstest.Patient("other", "1"), "X-Request-Id: r-7")
	if line := log.String(); !strings.Contains(line, "level=DEBUG") || !strings.Contains(line, "request=r-7") ||
		!strings.Contains(line, "the id in the resource") {
		t.Errorf("a refused write: the log has %q", line)
	}
}

// TestWritesThatAreRefusedForNowAreNoErrors: what a server is over its limits for is told once a minute for each
// reason, as a warning.
func TestWritesThatAreRefusedForNowAreNoErrors(t *testing.T) {
	var log bytes.Buffer
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Front.Logger = slog.New(slog.NewTextHandler(&log, nil))
		n.Front.Limits = door.Limits{BodyBytes: 4 << 20, BodiesBytes: 12 << 20, BudgetWait: time.Millisecond}
		n.Write.Limits.LagRecords = 3
	})
	rest, answered := upload(n, "10.0.0.1:1", 4<<20, strings.Repeat(" ", 2<<20+2)) // as much as one address may have
	for range 5 {
		r := httptest.NewRequest("PUT", functionstest.Base+"/Patient/large",
			strings.NewReader(strings.Repeat(" ", 3<<20)))
		r.RemoteAddr = "10.0.0.1:2"
		if got := n.Do(r); got.Status != 503 || got.Header.Get("Retry-After") == "" {
			t.Errorf("a body beyond the budget: got %d %s", got.Status, got.Body)
		}
	}
	_ = rest.CloseWithError(io.ErrUnexpectedEOF)
	<-answered
	n.Stop() // nothing is projected
	for range 20 {
		n.Send("PUT", "/Patient/p", functionstest.Patient("p", "1"), "Binnacle-Acknowledge: log")
	}
	text := log.String()
	if lines := strings.Count(text, "level=WARN"); lines != 2 || strings.Contains(text, "level=ERROR") ||
		!strings.Contains(text, "large bodies") || !strings.Contains(text, "wait for the projector") &&
		!strings.Contains(text, "events behind") {
		t.Errorf("the log has %d warnings, want one for each of two reasons and no error:\n%s", lines, text)
	}
}
