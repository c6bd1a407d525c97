package functions_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"

	"binnacle/functions/write"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

const replayed = "Idempotent-Replayed"

// request is what a test sends, more than once.
type request struct {
	method, path, body string
	headers            []string
}

func (q request) with(header string) request {
	q.headers = append(append([]string(nil), q.headers...), header)
	return q
}

func (n *node) ask(q request) reply {
	n.t.Helper()
	return n.send(q.method, q.path, q.body, q.headers...)
}

func TestTheSameRequestUnderTheSameKeyGetsTheFirstOutcomeAgain(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	entries := []string{entryOf("", "POST", "Patient", patient("", "b")), entryOf("", "PUT", "Patient/p", patient("p", "b")), entryOf("", "GET", "Patient/p", "")}
	for name, q := range map[string]request{
		"a create":             {"POST", "/Patient", patient("", "1"), nil},
		"a conditional create": {"POST", "/Patient", patient("", "2"), []string{"If-None-Exist: identifier=urn:s|2"}},
		"an update":            {"PUT", "/Patient/p", patient("p", "3"), nil},
		"a conditional update": {"PUT", "/Patient?identifier=urn:s|4", patient("", "4"), nil},
		"a delete":             {"DELETE", "/Patient/p", "", nil},
		"a minimal answer":     {"POST", "/Patient", patient("", "5"), []string{"Prefer: return=minimal"}},
		"a refusal":            {"PUT", "/Patient/p", patient("p", "6"), []string{`If-Match: W/"99"`}},
		"a transaction":        {"POST", "", bundleOf("transaction", entries[:2]...), nil},
		"a batch":              {"POST", "", bundleOf("batch", entries[:2]...), nil},
		"nobody waiting":       {"POST", "/Patient", patient("", "7"), []string{"Prefer: respond-async"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := q.with(`Idempotency-Key: "` + name + `"`)
			first := n.ask(q)
			n.caughtUp()
			before, err := n.log.Ends(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again := n.ask(q)
			if first.header.Get(replayed) != "" || again.header.Get(replayed) != "true" {
				t.Errorf("%s: first %q, again %q; want nothing and true", replayed, first.header.Get(replayed), again.header.Get(replayed))
			}
			if again.status != first.status || again.body != first.body {
				t.Errorf("again: %d %s\nfirst: %d %s", again.status, again.body, first.status, first.body)
			}
			for _, header := range []string{"ETag", "Location", "Last-Modified", "Binnacle-Position"} {
				if again.header.Get(header) != first.header.Get(header) {
					t.Errorf("%s: again %q, first %q", header, again.header.Get(header), first.header.Get(header))
				}
			}
			if after, err := n.log.Ends(t.Context()); err != nil || after[0].Next != before[0].Next {
				t.Errorf("the repetition went into the log: %v, before %v, %v", after, before, err)
			}
		})
	}
	n.verified()
}

func TestAKeyOfAnotherRequestIsRefused(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	key := `Idempotency-Key: "k"`
	n.must(201, "POST", "/Patient", patient("", "1"), key)
	before := n.verified().Versions
	for name, q := range map[string]request{
		"another body":             {"POST", "/Patient", patient("", "2"), nil},
		"another method":           {"PUT", "/Patient/p", patient("p", "1"), nil},
		"another target":           {"POST", "/Basic", `{"resourceType":"Basic","code":{}}`, nil},
		"another precondition":     {"POST", "/Patient", patient("", "1"), []string{"If-None-Exist: identifier=urn:s|9"}},
		"no body":                  {"DELETE", "/Patient/p", "", nil},
		"a transaction":            {"POST", "", bundleOf("transaction", entryOf("", "POST", "Patient", patient("", "1"))), nil},
		"a batch":                  {"POST", "", bundleOf("batch", entryOf("", "POST", "Patient", patient("", "1"))), nil},
		"a request without answer": {"POST", "/Patient", patient("", "2"), []string{"Prefer: respond-async"}},
	} {
		got := n.ask(q.with(key))
		if got.status != 422 || got.at(t, "resourceType") != "OperationOutcome" || !strings.Contains(got.at(t, "issue", 0, "diagnostics"), "Idempotency-Key") {
			t.Errorf("%s: got %d %s, want a 422 that tells of the key", name, got.status, got.body)
		}
	}
	n.must(200, "POST", "", bundleOf("batch", entryOf("", "POST", "Patient", patient("", "3"))), `Idempotency-Key: "b"`)
	got := n.send("POST", "", bundleOf("batch", entryOf("", "POST", "Patient", patient("", "3")), entryOf("", "POST", "Patient", patient("", "4"))), `Idempotency-Key: "b"`)
	if got.status != 422 {
		t.Errorf("a batch with one more entry: got %d %s, want 422", got.status, got.body)
	}
	if report := n.verified(); report.Versions != before+1 {
		t.Errorf("got %d versions, want %d", report.Versions, before+1)
	}
}

func TestAMalformedKeyIsRefused(t *testing.T) {
	n := newNode(t)
	for _, key := range []string{``, `""`, `"`, `"a`, `a"`, `"a"b`, `"a";x=1`, `a b`, `a,b`, `"\a"`, `"a\`, "\"a\x01\"", "\"\xc3\xa4\"", "\xc3\xa4", `"` + strings.Repeat("x", 256) + `"`, strings.Repeat("x", 256)} {
		r := request{"POST", "/Patient", patient("", "1"), nil}
		got := n.sendLines(r, http.Header{"Idempotency-Key": {key}})
		if got.status != 400 || !strings.Contains(got.at(t, "issue", 0, "diagnostics"), "Idempotency-Key") {
			t.Errorf("%q: got %d %s, want a 400 that tells of the header", key, got.status, got.body)
		}
	}
	if got := n.sendLines(request{"POST", "/Patient", patient("", "1"), nil}, http.Header{"Idempotency-Key": {`"a"`, `"a"`}}); got.status != 400 {
		t.Errorf("two keys: got %d, want 400", got.status)
	}
	for _, key := range []string{`"a"`, `a`, ` "a" `, `"\"\\ !~"`, `"` + strings.Repeat("x", 255) + `"`, `8e03978e-40d5-43e8-bc93-6894a57f9324`} {
		if got := n.sendLines(request{"PUT", "/Patient/p", patient("p", "1"), nil}, http.Header{"Idempotency-Key": {key}}); got.status > 201 {
			t.Errorf("%q: got %d %s", key, got.status, got.body)
		}
	}
	if report := n.verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

// sendLines sends a request with header lines as they are.
func (n *node) sendLines(q request, header http.Header) reply {
	n.t.Helper()
	r, err := http.NewRequest(q.method, base+q.path, strings.NewReader(q.body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header = header
	return n.do(r)
}

func TestAKeyInFlightIsToldSo(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n.index.failing(func(method string) error {
		if method == "Commit" {
			once.Do(func() { close(reached) })
			select {
			case <-release:
			default:
				return *away(events.Transient)
			}
		}
		return nil
	})
	q := request{"POST", "/Patient", patient("", "1"), []string{`Idempotency-Key: "k"`}}
	first := make(chan reply)
	go func() { first <- n.ask(q) }()
	<-reached
	for _, other := range []request{q, {"POST", "/Patient", patient("", "other"), q.headers}} {
		if got := n.ask(other); got.status != 409 || got.header.Get("Retry-After") == "" {
			t.Errorf("got %d %v %s, want 409 and when to come again", got.status, got.header, got.body)
		}
	}
	close(release)
	one := <-first
	if one.status != 201 {
		t.Fatalf("the first: got %d %s", one.status, one.body)
	}
	if again := n.ask(q); again.status != 201 || again.header.Get("Location") != one.header.Get("Location") {
		t.Errorf("afterwards: got %d %v, want the first outcome", again.status, again.header)
	}
}

func TestOfRacingDuplicatesOnTwoNodesOneTakesEffect(t *testing.T) {
	n := newNode(t)
	second := *n
	writer := &write.Writer{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects(), Waiters: write.NewWaiters(n.index), Partitions: 1, Now: time.Now}
	second.front.Write = writer
	second.door = second.handler(second.front)
	for round := range 30 {
		var locations sync.Map
		var fresh atomic.Int32
		var group sync.WaitGroup
		for _, at := range []*node{n, &second} {
			group.Go(func() {
				got := at.send("POST", "/Patient", patient("", fmt.Sprint(round)), fmt.Sprintf(`Idempotency-Key: "%d"`, round))
				if got.status != 201 {
					t.Errorf("got %d %s", got.status, got.body)
				}
				if got.header.Get(replayed) == "" {
					fresh.Add(1)
				}
				locations.Store(got.header.Get("Location"), true)
			})
		}
		group.Wait()
		count := 0
		locations.Range(func(any, any) bool { count++; return true })
		if count != 1 || fresh.Load() != 1 {
			t.Fatalf("round %d: %d locations, %d answers that are no repetition; want one of each", round, count, fresh.Load())
		}
	}
	if report := n.verified(); report.Versions != 30 {
		t.Errorf("got %d versions, want 30", report.Versions)
	}
}

func TestKeysAreDecidedInTheOrderAndTheTimeOfTheLog(t *testing.T) {
	type held struct {
		event string
		hash  events.Hash
		until time.Time
	}
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 7))
		at := time.UnixMilli(1_700_000_000_000).UTC()
		keys := map[string]held{} // the model: what stands under a key, or under a part of a batch's
		var records []events.RawRecord
		want := map[string]string{} // event → "effect", "reused" or the event that it repeats
		for offset := range 300 {
			at = at.Add(time.Duration(random.IntN(4)) * 250 * time.Millisecond)
			event := events.Event{ID: newID(), Tenant: fmt.Sprint("t", random.IntN(2)), IdempotencyKey: fmt.Sprint("k", random.IntN(5)),
				Repeat:  events.Repeat{Request: events.Hash{byte(random.IntN(2))}, Part: max(0, random.IntN(5)-2), Window: time.Duration(1+random.IntN(4)) * time.Second},
				Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: fmt.Sprint("p", offset), Content: []byte(patient("", "1")), Entry: -1}}}
			name := event.Tenant + " " + event.IdempotencyKey
			part := fmt.Sprint(name, " ", event.Repeat.Part)
			mine := held{event.ID, event.Repeat.Request, at.Add(event.Repeat.Window)}
			key, taken := keys[name]
			taken = taken && at.Before(key.until)
			entry, again := keys[part]
			again = again && at.Before(entry.until) && entry.hash == mine.hash
			switch {
			case taken && key.hash != mine.hash:
				want[event.ID] = "reused"
			case event.Repeat.Part == 0 && taken:
				want[event.ID] = key.event
			case event.Repeat.Part > 0 && again:
				want[event.ID] = entry.event
			default:
				want[event.ID] = "effect"
				if !taken {
					keys[name] = mine
				}
				if event.Repeat.Part > 0 {
					keys[part] = mine
				}
			}
			headers, value, err := events.Encode(event)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, events.RawRecord{Position: events.Position{Offset: int64(offset)}, Time: at, Key: []byte(event.Tenant), Headers: headers, Value: value})
		}
		x := newIndex()
		p := newProject(x, memoryblobs.New())
		for rest := records; len(rest) > 0; {
			size := min(len(rest), 1+random.IntN(60))
			if err := p.Handle(batch(rest[:size]...)); err != nil {
				t.Fatal(err)
			}
			rest = rest[size:]
		}
		effects := 0
		for id, expect := range want {
			outcomes, err := x.Outcomes(context.Background(), []string{id})
			if err != nil || outcomes[0] == nil {
				t.Fatalf("the event %s has no outcome, %v", id, err)
			}
			got := outcomes[0].Repeats
			switch {
			case outcomes[0].Refusal != nil && outcomes[0].Refusal.Kind == events.Reused:
				got = "reused"
			case got == "" && len(outcomes[0].Results) == 1:
				got = "effect"
				effects++
			}
			if got != expect {
				t.Errorf("seed %d: the event %s at %v became %q, want %q", seed, id, outcomes[0].Position, got, expect)
			}
		}
		if len(x.rows) != effects || effects == 0 {
			t.Errorf("seed %d: %d versions of %d effects", seed, len(x.rows), effects)
		}
	}
}

func TestWhatBecameOfAWriteThatNobodyWaitedForIsToldUnderItsKey(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.must(200, "PUT", "/Patient/p", patient("p", "1"))
	for match, status := range map[string]int{`If-Match: W/"2"`: 200, `If-Match: W/"1"`: 412} {
		key := fmt.Sprintf(`Idempotency-Key: "%d"`, status)
		n.must(202, "PUT", "/Patient/p", patient("p", "2"), match, key, "Prefer: respond-async")
		n.caughtUp()
		if got := n.must(status, "PUT", "/Patient/p", patient("p", "2"), match, key); got.header.Get(replayed) != "true" {
			t.Errorf("%s: got %v, want the first outcome", match, got.header)
		}
	}
}

func TestAKeyMayBeUsedAnewAfterItsWindow(t *testing.T) {
	n := newNode(t, func(n *node) { n.front.Limits.KeyWindow = time.Second })
	key := `Idempotency-Key: "k"`
	first := n.must(201, "POST", "/Patient", patient("", "1"), key)
	claims, err := n.index.Claims(t.Context(), []projections.ClaimName{{Tenant: "main", Key: "k"}})
	if err != nil || claims[0].EventID == "" {
		t.Fatalf("Claims = %v, %v", claims, err)
	}
	time.Sleep(time.Until(claims[0].Until) + 2*time.Millisecond)
	again := n.must(201, "POST", "/Patient", patient("", "1"), key)
	if again.header.Get(replayed) != "" || again.header.Get("Location") == first.header.Get("Location") {
		t.Errorf("after the window: got %v, want a new resource", again.header)
	}
	n.must(422, "POST", "/Patient", patient("", "2"), key)
}
