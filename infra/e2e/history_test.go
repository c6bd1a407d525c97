package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// What a client may do to one resource.
const (
	opRead   = "read"
	opPut    = "put"    // an update, or the creation, whatever the version
	opMatch  = "match"  // an update with If-Match
	opDelete = "delete" // with no condition
)

// asked is one operation on one resource.
type asked struct {
	Kind    string
	ID      string
	Value   string `json:",omitempty"` // what is written
	Version int64  `json:",omitempty"` // of If-Match
}

// answered is what the server said to it. Unknown: it never said so; the operation may take effect at any later time,
// or never.
type answered struct {
	Unknown bool   `json:",omitempty"`
	Status  int    `json:",omitempty"`
	Version int64  `json:",omitempty"`
	Value   string `json:",omitempty"`
}

// register is a resource as the model has it.
type register struct {
	version int64 // 0: never known
	exists  bool
	value   string
}

// step tells whether a resource in a state may answer so, and what it is afterwards. An unknown operation either takes
// effect here, or, because the checker may put it at the very end, where nobody looks any more.
func step(state register, in asked, out answered) (bool, register) {
	changed := func(exists bool) register {
		return register{version: state.version + 1, exists: exists, value: in.Value}
	}
	switch in.Kind {
	case opRead:
		switch out.Status {
		case 200:
			return state.exists && state.version == out.Version && state.value == out.Value, state
		case 404:
			return state.version == 0, state
		case 410:
			return state.version > 0 && !state.exists, state
		}
		return false, state
	case opPut:
		next := changed(true)
		if out.Unknown {
			return true, next
		}
		want := 200
		if !state.exists {
			want = 201
		}
		return out.Status == want && out.Version == next.version, next
	case opMatch:
		matches := state.exists && state.version == in.Version
		switch {
		case out.Unknown && matches:
			return true, changed(true)
		case out.Unknown:
			return true, state
		case out.Status == 412:
			return !matches, state
		}
		next := changed(true)
		return matches && out.Status == 200 && out.Version == next.version, next
	case opDelete:
		if !state.exists {
			return out.Unknown || out.Status == 204, state
		}
		next := changed(false)
		return out.Unknown || out.Status == 204, next
	}
	return false, state
}

// model is a register for each resource.
func model() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			var parts [][]porcupine.Operation
			places := map[string]int{}
			for _, o := range history {
				id := o.Input.(asked).ID
				place, have := places[id]
				if !have {
					place = len(parts)
					places[id] = place
					parts = append(parts, nil)
				}
				parts[place] = append(parts[place], o)
			}
			return parts
		},
		Init: func() any { return register{} },
		Step: func(state, in, out any) (bool, any) { return step(state.(register), in.(asked), out.(answered)) },
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%+v: %+v", in, out)
		},
	}
}

// history records operations while they run.
type history struct {
	mu    sync.Mutex
	began time.Time
	list  []porcupine.Operation
}

func newHistory() *history { return &history{began: time.Now()} }

// begin notes the call of an operation and returns the function that notes its answer.
func (h *history) begin(client int, in asked) func(answered) {
	call := time.Since(h.began).Nanoseconds()
	return func(out answered) {
		end := int64(math.MaxInt64)
		if !out.Unknown {
			end = time.Since(h.began).Nanoseconds()
		} else if in.Kind == opRead {
			return // a read that nobody answered has no effect
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.list = append(h.list, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
	}
}

// check holds the history against the model. What failed is kept in the folder, to be read and to be looked at in a
// browser.
func (h *history) check(t *testing.T, folder string) {
	t.Helper()
	unknown := 0
	kinds := map[string]int{}
	for _, o := range h.list {
		out := o.Output.(answered)
		if out.Unknown {
			unknown++
			continue
		}
		kinds[o.Input.(asked).Kind+" "+strconv.Itoa(out.Status)]++
	}
	t.Logf("%d operations, %d of unknown outcome: %v", len(h.list), unknown, kinds)
	result, info := porcupine.CheckOperationsVerbose(model(), h.list, 2*time.Minute)
	if result == porcupine.Ok {
		return
	}
	if err := porcupine.VisualizePath(model(), info, filepath.Join(folder, "history.html")); err != nil {
		t.Log(err)
	}
	if text, err := json.MarshalIndent(h.list, "", " "); err == nil {
		err = os.WriteFile(filepath.Join(folder, "history.json"), text, 0o644)
		if err != nil {
			t.Log(err)
		}
	}
	if result == porcupine.Unknown {
		t.Errorf("whether the history of %d operations is linearizable could not be found out in time", len(h.list))
		return
	}
	t.Errorf("the history of %d operations is not linearizable: no order of them explains what the clients saw; history.html beside the logs shows it", len(h.list))
}

func TestTheModelOfAResourceTellsRightFromWrong(t *testing.T) {
	put := func(call, end int64, value string, status int, version int64) porcupine.Operation {
		return porcupine.Operation{Input: asked{Kind: opPut, ID: "a", Value: value}, Call: call, Output: answered{Status: status, Version: version}, Return: end}
	}
	read := func(call, end int64, out answered) porcupine.Operation {
		return porcupine.Operation{Input: asked{Kind: opRead, ID: "a"}, Call: call, Output: out, Return: end}
	}
	lost := porcupine.Operation{Input: asked{Kind: opPut, ID: "a", Value: "x"}, Call: 3, Output: answered{Unknown: true}, Return: math.MaxInt64}
	for _, c := range []struct {
		name    string
		history []porcupine.Operation
		want    bool
	}{
		{"a write, then its read", []porcupine.Operation{put(1, 2, "v", 201, 1), read(3, 4, answered{Status: 200, Version: 1, Value: "v"})}, true},
		{"an acknowledged write that is not there", []porcupine.Operation{put(1, 2, "v", 201, 1), read(3, 4, answered{Status: 404})}, false},
		{"an old value after a new one", []porcupine.Operation{put(1, 2, "v", 201, 1), put(3, 4, "w", 200, 2), read(5, 6, answered{Status: 200, Version: 1, Value: "v"})}, false},
		{"a write that was done twice", []porcupine.Operation{put(1, 2, "v", 201, 1), put(3, 4, "w", 200, 3)}, false},
		{"a write of unknown outcome that is seen", []porcupine.Operation{put(1, 2, "v", 201, 1), lost, read(5, 6, answered{Status: 200, Version: 2, Value: "x"})}, true},
		{"a write of unknown outcome that is not seen", []porcupine.Operation{put(1, 2, "v", 201, 1), lost, read(5, 6, answered{Status: 200, Version: 1, Value: "v"})}, true},
		{"a write of unknown outcome that is done twice", []porcupine.Operation{put(1, 2, "v", 201, 1), lost, read(5, 6, answered{Status: 200, Version: 3, Value: "x"})}, false},
	} {
		if got := porcupine.CheckOperations(model(), c.history); got != c.want {
			t.Errorf("%s: linearizable %v, want %v", c.name, got, c.want)
		}
	}
}
