package functions_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestClientsThatLeaveAreCountedAndToldOnce(t *testing.T) {
	var log bytes.Buffer
	var count atomic.Int64
	n := newNode(t, func(n *node) {
		n.write.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		n.write.Left = func() { count.Add(1) }
	})
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.stop() // nobody decides: each write waits
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequest("PUT", base+"/Patient/p", strings.NewReader(patient("p", "1"))).WithContext(ctx)
		r.Header.Set("Content-Type", "application/fhir+json")
		cancel()
		n.door.ServeHTTP(httptest.NewRecorder(), r)
	}
	if lines := strings.Count(log.String(), "clients left before"); lines != 1 || count.Load() != 50 || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%d are counted and the log has %d lines, want 50 and 1:\n%.2000s", count.Load(), lines, log.String())
	}
	log.Reset()
	n.send("PUT", "/Patient/p", patient("other", "1"), "X-Request-Id: r-7")
	if line := log.String(); !strings.Contains(line, "level=DEBUG") || !strings.Contains(line, "request=r-7") || !strings.Contains(line, "the id in the resource") {
		t.Errorf("a refused write: the log has %q", line)
	}
}
