package readapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"binnacle/events"
)

// Part is one thing that a node needs in order to work.
type Part struct {
	Name string // "log", "blobs", "index", "projector"
	// Check tells in bounded time whether the part works, and what there is to say of it ("lagEvents": 3). Its error
	// is shown by its text alone; causes go to the operator's log.
	Check func(ctx context.Context) (map[string]any, error)
}

// How checks are bounded, and how long one answer stands for all probes.
const (
	checkBound = 2 * time.Second
	checkFresh = time.Second
)

// health checks the parts, at most once a second and each at most once at a time, however many probes come.
type health struct {
	parts    []*checked
	lost     func() error
	stopping <-chan struct{}
	log      *slog.Logger
	mu       sync.Mutex
	report   report
	written  time.Time
	stopped  bool // the report is from after the node began to stop
}

// checked is a part with its running check. A check that does not keep its bound is left behind, and not started
// again before it has ended.
type checked struct {
	Part
	running chan partReport // nil: none is running
	broken  bool            // the check before failed
}

type report struct {
	Status string                `json:"status"`
	Parts  map[string]partReport `json:"parts"`
}

type partReport struct {
	State   string         `json:"state"` // "ready" or "not ready"
	Reason  string         `json:"reason,omitempty"`
	Detail  map[string]any `json:"detail,omitempty"`
	failure error
}

const (
	ready    = "ready"
	notReady = "not ready"
)

func newHealth(config Config) *health {
	h := &health{log: config.Logger, lost: config.Lost, stopping: config.Stopping,
		parts: make([]*checked, len(config.Health))}
	for i, part := range config.Health {
		h.parts[i] = &checked{Part: part}
	}
	return h
}

// ready returns the state of all parts, not older than a second.
func (h *health) ready() report {
	h.mu.Lock()
	defer h.mu.Unlock()
	stopped := false
	select {
	case <-h.stopping:
		stopped = true
	default:
	}
	if !h.written.IsZero() && time.Since(h.written) < checkFresh && stopped == h.stopped {
		return h.report
	}
	h.stopped = stopped
	// The answer serves all probes, so it must not end with the request that happened to ask first.
	ctx, cancel := context.WithTimeout(context.Background(), checkBound)
	defer cancel()
	for _, part := range h.parts {
		part.start(ctx)
	}
	result := report{Status: ready, Parts: make(map[string]partReport, len(h.parts))}
	for _, part := range h.parts {
		state := part.await(ctx)
		if state.State != ready {
			result.Status = notReady
		}
		h.tell(part, state)
		result.Parts[part.Name] = state
	}
	h.report, h.written = result, time.Now()
	return result
}

// tell writes to the log when a part changes sides, not at every probe.
func (h *health) tell(part *checked, state partReport) {
	broken := state.State != ready
	if broken == part.broken {
		return
	}
	part.broken = broken
	if broken {
		h.log.Warn("a part is not ready", "part", part.Name, "reason", state.Reason, "cause", state.failure)
		return
	}
	h.log.Info("a part is ready again", "part", part.Name)
}

func (c *checked) start(ctx context.Context) {
	if c.running != nil {
		return
	}
	running := make(chan partReport, 1)
	c.running = running
	go func() {
		detail, err := c.Check(ctx)
		state := partReport{State: ready, Detail: detail}
		if err != nil {
			state.State, state.Reason, state.failure = notReady, reasonOf(err), err
		}
		running <- state
	}()
}

func (c *checked) await(ctx context.Context) partReport {
	select {
	case state := <-c.running:
		c.running = nil
		return state
	case <-ctx.Done():
	}
	select { // the bound and the answer may come together
	case state := <-c.running:
		c.running = nil
		return state
	default:
		return partReport{State: notReady, Reason: "no answer within " + checkBound.String()}
	}
}

// reasonOf is what a stranger may read of an error.
func reasonOf(err error) string {
	var e *events.Error
	if errors.As(err, &e) && e.Kind != events.Internal && e.Text != "" {
		return e.Text
	}
	return "the check failed (" + events.KindOf(err).String() + "); the node's log tells why"
}

// serveLive answers 200 as long as the process can, unless it knows that only a new start helps: it asks no server.
func (h *health) serveLive(w http.ResponseWriter) {
	if h.lost != nil {
		if err := h.lost(); err != nil {
			writePlain(w, http.StatusServiceUnavailable, "application/json",
				fmt.Appendf(nil, `{"status":"lost","reason":%q}`, reasonOf(err)))
			return
		}
	}
	writePlain(w, http.StatusOK, "application/json", []byte(`{"status":"live"}`))
}

// serveReady answers 200 or 503 with the state of every part.
func (h *health) serveReady(w http.ResponseWriter) {
	result := h.ready()
	body, err := json.Marshal(result)
	if err != nil { // a detail that is no JSON value: the states matter more
		h.log.Error("a health detail cannot be written", "cause", err)
		body = []byte(`{"status":"` + result.Status + `"}`)
	}
	writePlain(w, result.code(), "application/json", body)
}

// serveText answers simple load balancers: the text OK, or 503.
func (h *health) serveText(w http.ResponseWriter) {
	result := h.ready()
	text := "OK"
	if result.Status != ready {
		text = "NOT READY"
	}
	writePlain(w, result.code(), "text/plain; charset=utf-8", []byte(text))
}

func (r report) code() int {
	if r.Status == ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// plain is a handler that does not look at the request.
func plain(serve func(w http.ResponseWriter)) handler {
	return func(c *request) error {
		serve(c.Writer)
		return nil
	}
}

// writePlain writes a small body that no cache may keep.
func writePlain(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: there is nobody left to tell
}
