package door_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/write"
	"binnacle/projections"
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

func ask(n *functionstest.Node, q request) functionstest.Reply {
	n.T.Helper()
	return n.Send(q.method, q.path, q.body, q.headers...)
}

func TestTheSameRequestUnderTheSameKeyGetsTheFirstOutcomeAgain(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	entries := []string{functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "b")),
		functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "b")),
		functionstest.EntryOf("", "GET", "Patient/p", "")}
	for name, q := range map[string]request{
		"a create": {"POST", "/Patient", functionstest.Patient("", "1"), nil},
		"a conditional create": {"POST", "/Patient", functionstest.Patient("", "2"),
			[]string{"If-None-Exist: identifier=urn:s|2"}},
		"an update":            {"PUT", "/Patient/p", functionstest.Patient("p", "3"), nil},
		"a conditional update": {"PUT", "/Patient?identifier=urn:s|4", functionstest.Patient("", "4"), nil},
		"a delete":             {"DELETE", "/Patient/p", "", nil},
		"a minimal answer": {"POST", "/Patient", functionstest.Patient("", "5"),
			[]string{"Prefer: return=minimal"}},
		"a refusal":      {"PUT", "/Patient/p", functionstest.Patient("p", "6"), []string{`If-Match: W/"99"`}},
		"a transaction":  {"POST", "", functionstest.BundleOf("transaction", entries[:2]...), nil},
		"a batch":        {"POST", "", functionstest.BundleOf("batch", entries[:2]...), nil},
		"nobody waiting": {"POST", "/Patient", functionstest.Patient("", "7"), []string{"Binnacle-Acknowledge: log"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := q.with(`Idempotency-Key: "` + name + `"`)
			first := ask(n, q)
			n.CaughtUp()
			before, err := n.Log.Ends(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again := ask(n, q)
			if first.Header.Get(replayed) != "" || again.Header.Get(replayed) != "true" {
				t.Errorf("%s: first %q, again %q; want nothing and true", replayed, first.Header.Get(replayed),
					again.Header.Get(replayed))
			}
			if again.Status != first.Status || again.Body != first.Body {
				t.Errorf("again: %d %s\nfirst: %d %s", again.Status, again.Body, first.Status, first.Body)
			}
			for _, header := range []string{"ETag", "Location", "Last-Modified", "Binnacle-Position"} {
				if again.Header.Get(header) != first.Header.Get(header) {
					t.Errorf("%s: again %q, first %q", header, again.Header.Get(header), first.Header.Get(header))
				}
			}
			if after, err := n.Log.Ends(t.Context()); err != nil || after[0].Next != before[0].Next {
				t.Errorf("the repetition went into the log: %v, before %v, %v", after, before, err)
			}
		})
	}
	n.Verified()
}

func TestAKeyOfAnotherRequestIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	key := `Idempotency-Key: "k"`
	n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), key)
	before := n.Verified().Versions
	for name, q := range map[string]request{
		"another body":   {"POST", "/Patient", functionstest.Patient("", "2"), nil},
		"another method": {"PUT", "/Patient/p", functionstest.Patient("p", "1"), nil},
		"another target": {"POST", "/Basic", `{"resourceType":"Basic","code":{}}`, nil},
		"another precondition": {"POST", "/Patient", functionstest.Patient("", "1"),
			[]string{"If-None-Exist: identifier=urn:s|9"}},
		"no body": {"DELETE", "/Patient/p", "", nil},
		"a transaction": {"POST", "", functionstest.BundleOf("transaction",
			functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "1"))), nil},
		"a batch": {"POST", "", functionstest.BundleOf("batch",
			functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "1"))), nil},
		"a request without answer": {"POST", "/Patient", functionstest.Patient("", "2"),
			[]string{"Binnacle-Acknowledge: log"}},
	} {
		got := ask(n, q.with(key))
		if got.Status != 422 || got.At(t, "resourceType") != "OperationOutcome" ||
			!strings.Contains(got.At(t, "issue", 0, "diagnostics"), "Idempotency-Key") {
			t.Errorf("%s: got %d %s, want a 422 that tells of the key", name, got.Status, got.Body)
		}
	}
	n.Must(200, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "3"))), `Idempotency-Key: "b"`)
	got := n.Send("POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "3")),
		functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "4"))), `Idempotency-Key: "b"`)
	if got.Status != 422 {
		t.Errorf("a batch with one more entry: got %d %s, want 422", got.Status, got.Body)
	}
	if report := n.Verified(); report.Versions != before+1 {
		t.Errorf("got %d versions, want %d", report.Versions, before+1)
	}
}

func TestAMalformedKeyIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	for _, key := range []string{``, `""`, `"`, `"a`, `a"`, `"a"b`, `"a";x=1`, `a b`, `a,b`, `"\a"`, `"a\`, "\"a\x01\"",
		"\"\xc3\xa4\"", "\xc3\xa4", `"` + strings.Repeat("x", 256) + `"`, strings.Repeat("x", 256)} {
		r := request{"POST", "/Patient", functionstest.Patient("", "1"), nil}
		got := sendLines(n, r, http.Header{"Idempotency-Key": {key}})
		if got.Status != 400 || !strings.Contains(got.At(t, "issue", 0, "diagnostics"), "Idempotency-Key") {
			t.Errorf("%q: got %d %s, want a 400 that tells of the header", key, got.Status, got.Body)
		}
	}
	if got := sendLines(n, request{"POST", "/Patient", functionstest.Patient("", "1"), nil},
		http.Header{"Idempotency-Key": {`"a"`, `"a"`}}); got.Status != 400 {
		t.Errorf("two keys: got %d, want 400", got.Status)
	}
	for _, key := range []string{`"a"`, `a`, ` "a" `, `"\"\\ !~"`, `"` + strings.Repeat("x", 255) + `"`,
		`8e03978e-40d5-43e8-bc93-6894a57f9324`} {
		if got := sendLines(n, request{"PUT", "/Patient/p", functionstest.Patient("p", "1"), nil},
			http.Header{"Idempotency-Key": {key}}); got.Status > 201 {
			t.Errorf("%q: got %d %s", key, got.Status, got.Body)
		}
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

// sendLines sends a request with header lines as they are.
func sendLines(n *functionstest.Node, q request, header http.Header) functionstest.Reply {
	n.T.Helper()
	r, err := http.NewRequest(q.method, functionstest.Base+q.path, strings.NewReader(q.body))
	if err != nil {
		n.T.Fatal(err)
	}
	r.Header = header
	return n.Do(r)
}

func TestAKeyInFlightIsToldSo(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n.Index.Failing(func(method string) error {
		if method == "Commit" {
			once.Do(func() { close(reached) })
			select {
			case <-release:
			default:
				return *functionstest.Away(events.Transient)
			}
		}
		return nil
	})
	q := request{"POST", "/Patient", functionstest.Patient("", "1"), []string{`Idempotency-Key: "k"`}}
	first := make(chan functionstest.Reply)
	go func() { first <- ask(n, q) }()
	<-reached
	for _, other := range []request{q, {"POST", "/Patient", functionstest.Patient("", "other"), q.headers}} {
		if got := ask(n, other); got.Status != 409 || got.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %v %s, want 409 and when to come again", got.Status, got.Header, got.Body)
		}
	}
	close(release)
	one := <-first
	if one.Status != 201 {
		t.Fatalf("the first: got %d %s", one.Status, one.Body)
	}
	if again := ask(n, q); again.Status != 201 || again.Header.Get("Location") != one.Header.Get("Location") {
		t.Errorf("afterwards: got %d %v, want the first outcome", again.Status, again.Header)
	}
}

func TestOfRacingDuplicatesOnTwoNodesOneTakesEffect(t *testing.T) {
	n := functionstest.NewNode(t)
	second := *n
	writer := &write.Writer{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects(),
		Waiters: write.NewWaiters(n.Index), Partitions: 1, Now: time.Now}
	second.Front.Write = writer
	second.Door = second.Handler(second.Front)
	for round := range 30 {
		var locations sync.Map
		var fresh atomic.Int32
		var group sync.WaitGroup
		for _, at := range []*functionstest.Node{n, &second} {
			group.Go(func() {
				got := at.Send("POST", "/Patient", functionstest.Patient("", fmt.Sprint(round)),
					fmt.Sprintf(`Idempotency-Key: "%d"`, round))
				if got.Status != 201 {
					t.Errorf("got %d %s", got.Status, got.Body)
				}
				if got.Header.Get(replayed) == "" {
					fresh.Add(1)
				}
				locations.Store(got.Header.Get("Location"), true)
			})
		}
		group.Wait()
		count := 0
		locations.Range(func(any, any) bool { count++; return true })
		if count != 1 || fresh.Load() != 1 {
			t.Fatalf("round %d: %d locations, %d answers that are no repetition; want one of each", round, count,
				fresh.Load())
		}
	}
	if report := n.Verified(); report.Versions != 30 {
		t.Errorf("got %d versions, want 30", report.Versions)
	}
}

func TestWhatBecameOfAWriteThatNobodyWaitedForIsToldUnderItsKey(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	for match, status := range map[string]int{`If-Match: W/"2"`: 200, `If-Match: W/"1"`: 412} {
		key := fmt.Sprintf(`Idempotency-Key: "%d"`, status)
		n.Must(202, "PUT", "/Patient/p", functionstest.Patient("p", "2"), match, key, "Binnacle-Acknowledge: log")
		n.CaughtUp()
		if got := n.Must(status, "PUT", "/Patient/p", functionstest.Patient("p", "2"), match,
			key); got.Header.Get(replayed) != "true" {
			t.Errorf("%s: got %v, want the first outcome", match, got.Header)
		}
	}
}

func TestAKeyMayBeUsedAnewAfterItsWindow(t *testing.T) {
	n := functionstest.NewNode(t, func(n *functionstest.Node) { n.Front.Limits.KeyWindow = time.Second })
	key := `Idempotency-Key: "k"`
	first := n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), key)
	claims, err := n.Index.Claims(t.Context(), []projections.ClaimName{{Tenant: "main", Key: "k"}})
	if err != nil || claims[0].EventID == "" {
		t.Fatalf("Claims = %v, %v", claims, err)
	}
	time.Sleep(time.Until(claims[0].Until) + 2*time.Millisecond)
	again := n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), key)
	if again.Header.Get(replayed) != "" || again.Header.Get("Location") == first.Header.Get("Location") {
		t.Errorf("after the window: got %v, want a new resource", again.Header)
	}
	n.Must(422, "POST", "/Patient", functionstest.Patient("", "2"), key)
}
