package readapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"binnacle/events"
	"binnacle/readapi"
)

func healthy(context.Context) (map[string]any, error) { return nil, nil }

func TestLiveIsRedWhenOnlyANewStartHelps(t *testing.T) {
	var lost atomic.Bool
	server := newStore(t).server(func(config *readapi.Config) {
		config.Lost = func() error {
			if lost.Load() {
				return events.Wrap(events.Transient, "x", errors.New("secret"), "start the program again")
			}
			return nil
		}
	})
	if w := get(server, "/health/live"); w.Code != http.StatusOK {
		t.Errorf("live says %d, want 200", w.Code)
	}
	lost.Store(true)
	w := get(server, "/health/live")
	if !json.Valid(w.Body.Bytes()) || w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(w.Body.String(), "start the program again") || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("live says %d %s, want 503 and the reason", w.Code, w.Body)
	}
}

func TestReadyTellsEveryPart(t *testing.T) {
	type answer struct {
		Status string
		Parts  map[string]struct {
			State, Reason string
			Detail        map[string]any
		}
	}
	projector := readapi.Part{Name: "projector", Check: func(context.Context) (map[string]any, error) {
		return map[string]any{"lagEvents": 3, "lagSeconds": 0.5}, nil
	}}
	cases := []struct {
		name   string
		parts  []readapi.Part
		status int
		text   string
		states map[string]string
		reason string
	}{
		{"all are ready", []readapi.Part{{Name: "log", Check: healthy}, projector}, 200, "OK",
			map[string]string{"log": "ready", "projector": "ready"}, ""},
		{"none is there", nil, 200, "OK", nil, ""},
		{"one is away", []readapi.Part{projector, {Name: "index", Check: func(context.Context) (map[string]any, error) {
			return nil, events.Wrap(events.Transient, "x", errors.New("secret"), "the database does not answer")
		}}}, 503, "NOT READY", map[string]string{"index": "not ready", "projector": "ready"}, "the database does not answer"},
		{"one fails without a text", []readapi.Part{{Name: "index",
			Check: func(context.Context) (map[string]any, error) {
				return nil, errors.New("secret")
			}}}, 503, "NOT READY", map[string]string{"index": "not ready"}, "log tells why"},
		{"one hangs", []readapi.Part{{Name: "log", Check: healthy},
			{Name: "blobs", Check: func(ctx context.Context) (map[string]any, error) {
				select {} // it does not even look at its context
			}}}, 503, "NOT READY", map[string]string{"log": "ready", "blobs": "not ready"}, "no answer within"},
	}
	for _, c := range cases {
		server := newStore(t).server(func(config *readapi.Config) { config.Health = c.parts })
		w := get(server, "/health/ready")
		var got answer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.status {
			t.Errorf("%s: got %d %s (%v), want %d", c.name, w.Code, w.Body, err, c.status)
			continue
		}
		reasons := ""
		for name, want := range c.states {
			if got.Parts[name].State != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got.Parts[name].State, want)
			}
			reasons += got.Parts[name].Reason
		}
		if !strings.Contains(reasons, c.reason) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: reasons %q, want %q and no secret", c.name, reasons, c.reason)
		}
		if part, there := c.states["projector"]; there && part == "ready" &&
			got.Parts["projector"].Detail["lagEvents"] != 3.0 {
			t.Errorf("%s: detail %v, want lagEvents 3", c.name, got.Parts["projector"].Detail)
		}
		if w := get(server, "/health"); w.Code != c.status || w.Body.String() != c.text {
			t.Errorf("%s: /health says %d %q, want %d %q", c.name, w.Code, w.Body, c.status, c.text)
		}
		if w := (request{method: http.MethodHead, target: "/health"}).do(server); w.Code != c.status {
			t.Errorf("%s: HEAD /health says %d, want %d", c.name, w.Code, c.status)
		}
		if w := get(server, "/health/live"); w.Code != http.StatusOK {
			t.Errorf("%s: live says %d, want 200", c.name, w.Code)
		}
	}
}

func TestManyProbesAreOneCheck(t *testing.T) {
	var checks atomic.Int32
	server := newStore(t).server(func(c *readapi.Config) {
		c.Health = []readapi.Part{{Name: "log", Check: func(context.Context) (map[string]any, error) {
			checks.Add(1)
			return nil, nil
		}}}
	})
	for range 50 {
		get(server, "/health")
	}
	if got := checks.Load(); got > 3 {
		t.Errorf("%d checks for 50 probes, want about one a second", got)
	}
}
