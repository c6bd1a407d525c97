package functions_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"

	"binnacle/functions/door"
	"binnacle/functions/write"
	"binnacle/projections"
)

// log lets tests make the log fail.
type failingLog struct {
	events.Log
	append atomic.Pointer[error]
	ends   atomic.Pointer[error]
}

func (l *failingLog) Append(ctx context.Context, batch []events.Event) ([]events.Position, error) {
	if err := l.append.Load(); err != nil {
		if events.KindOf(*err) == events.Unknown { // written, but nobody can say so
			_, _ = l.Log.Append(ctx, batch)
		}
		return nil, *err
	}
	return l.Log.Append(ctx, batch)
}

func (l *failingLog) Ends(ctx context.Context) ([]events.End, error) {
	if err := l.ends.Load(); err != nil {
		return nil, *err
	}
	return l.Log.Ends(ctx)
}

// failingBlobs lets tests make the blob store fail.
type failingBlobs struct {
	projections.Blobs
	err atomic.Pointer[error]
}

func (b *failingBlobs) Ready(ctx context.Context) error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return b.Blobs.Ready(ctx)
}

func (b *failingBlobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return b.Blobs.Put(ctx, blobs)
}

func (b *failingBlobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	if err := b.err.Load(); err != nil {
		return nil, *err
	}
	return b.Blobs.Get(ctx, hashes)
}

func away(kind events.Kind) *error {
	err := error(events.Errorf(kind, "test", "away"))
	return &err
}

// eventually sends the request until it is answered with the status.
func (n *node) eventually(status int, method, path, body string) reply {
	n.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := n.send(method, path, body)
		if got.status == status {
			return got
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s %s: still %d, want %d: %s", method, path, got.status, status, got.body)
		}
	}
}

// TestAVerdictEndsWhenSomebodySeesThatTheIndexIsAway: else a write of that moment would be appended and wait in vain.
func TestAVerdictEndsWhenSomebodySeesThatTheIndexIsAway(t *testing.T) {
	var away atomic.Int64
	n := newNode(t, func(n *node) {
		n.write.IndexAway = func() time.Time { return time.Unix(0, away.Load()) }
		n.write.IndexReady = func(context.Context) error {
			if away.Load() > 0 {
				return events.Errorf(events.Transient, "test", "it is read-only")
			}
			return nil
		}
	})
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	away.Store(time.Now().UnixNano())
	before, _ := n.log.Ends(t.Context())
	n.must(503, "PUT", "/Patient/p", patient("p", "1"))
	if after, _ := n.log.Ends(t.Context()); after[0].Next != before[0].Next {
		t.Errorf("%d events were appended", after[0].Next-before[0].Next)
	}
}

func TestNothingIsAppendedWhileAPartIsAway(t *testing.T) {
	log, blobs := &failingLog{}, &failingBlobs{}
	var readOnly atomic.Bool
	n := newNode(t, func(n *node) {
		log.Log, blobs.Blobs = n.log, n.blobs
		n.write.Log, n.write.Blobs, n.project.Blobs = log, blobs, blobs
		n.write.IndexReady = func(context.Context) error {
			if readOnly.Load() {
				return events.Errorf(events.Transient, "test", "it is read-only")
			}
			return nil
		}
		n.write.Limits.OutcomeWait = 100 * time.Millisecond
	})
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	parts := []struct {
		name       string
		down, back func()
	}{
		{"the search index can't be used now: it is read-only", func() { readOnly.Store(true) }, func() { readOnly.Store(false) }},
		{"the search index", func() { n.index.failing(func(string) error { return *away(events.Transient) }) }, func() { n.index.failing(nil) }},
		{"the blob store", func() { blobs.err.Store(away(events.Transient)) }, func() { blobs.err.Store(nil) }},
	}
	for i, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			part.down()
			time.Sleep(300 * time.Millisecond) // the last good verdict is used up
			n.send("PUT", "/Patient/p", patient("p", fmt.Sprint(i)))
			time.Sleep(50 * time.Millisecond)
			before, err := n.log.Ends(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := n.eventually(503, "PUT", "/Patient/p", patient("p", fmt.Sprint(i)))
			if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, part.name) || got.at(t, "issue", 0, "code") != "transient" {
				t.Errorf("got %v %s, want Retry-After and the part named", got.header, got.body)
			}
			if after, _ := n.log.Ends(t.Context()); after[0].Next != before[0].Next {
				t.Errorf("%d events were appended", after[0].Next-before[0].Next)
			}
			part.back()
			n.eventually(200, "PUT", "/Patient/p", patient("p", fmt.Sprint("back", i)))
		})
	}
	n.verified()
}

func TestALogThatDoesNotAnswerForAMomentClosesNoGateThatWasOpen(t *testing.T) {
	const allowed = 40
	log := &failingLog{}
	n := newNode(t, func(n *node) {
		log.Log, n.write.Log = n.log, log
		n.write.Limits = write.Limits{LagRecords: allowed}
	})
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	log.ends.Store(away(events.Transient))
	for k := range 2 * allowed { // what is projected gives its place back
		n.must(200, "PUT", "/Patient/p", patient("p", fmt.Sprint("silent", k)))
		if k%20 == 0 {
			time.Sleep(300 * time.Millisecond) // the verdict before is used up
		}
	}
	n.index.failing(func(method string) error { // the projector stands still
		if method == "Commit" {
			return *away(events.Transient)
		}
		return nil
	})
	for taken := 0; ; taken++ {
		_, _, err := n.write.Append(t.Context(), events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Delete, Type: "Patient", ID: "none", Entry: -1}}})
		if err != nil {
			if events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "the log does not answer") {
				t.Errorf("after %d: got %v, want a Transient that names the log", taken, err)
			}
			break
		}
		if taken > allowed {
			t.Fatalf("%d events were taken while nobody knew the end of the log and nothing was projected; %d may wait", taken, allowed)
		}
	}
	log.ends.Store(nil)
	n.index.failing(nil)
	n.caughtUp()
	n.eventually(200, "PUT", "/Patient/p", patient("p", "back"))

	other := newNode(t, func(n *node) { // it has never seen the end of the log
		log.Log, n.write.Log = n.log, log
		log.ends.Store(away(events.Transient))
	})
	if got := other.must(503, "POST", "/Patient", patient("", "1")); !strings.Contains(got.body, "the log") {
		t.Errorf("got %s, want the log named", got.body)
	}
}

func TestALogThatRefusesIsAnsweredWith503(t *testing.T) {
	log := &failingLog{}
	n := newNode(t, func(n *node) { log.Log, n.write.Log = n.log, log })
	log.append.Store(away(events.Transient))
	if got := n.must(503, "POST", "/Patient", patient("", "1")); got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

func TestAnAppendOfUnknownFateIsWaitedFor(t *testing.T) {
	log := &failingLog{}
	n := newNode(t, func(n *node) { log.Log, n.write.Log = n.log, log })
	log.append.Store(away(events.Unknown))
	n.must(201, "POST", "/Patient", patient("", "1"))
}

func TestWhatIsNotDecidedInTimeIsToldWithItsPosition(t *testing.T) {
	n := newNode(t, func(n *node) { n.write.Limits.OutcomeWait = 50 * time.Millisecond })
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.index.failing(func(method string) error {
		if method == "Commit" {
			return *away(events.Transient)
		}
		return nil
	})
	got := n.must(504, "PUT", "/Patient/p", patient("p", "1"), `Idempotency-Key: "k"`)
	if text := got.at(t, "issue", 0, "diagnostics"); !strings.Contains(text, "0:1") || !strings.Contains(text, "Idempotency-Key") {
		t.Errorf("the text tells neither the position nor what to do: %s", text)
	}
	n.index.failing(nil)
	n.caughtUp()
	if again := n.must(200, "PUT", "/Patient/p", patient("p", "1"), `Idempotency-Key: "k"`); again.header.Get("ETag") != `W/"2"` || again.header.Get("Binnacle-Position") != "0:1" {
		t.Errorf("the same request again: got %v, want the first one's outcome", again.header)
	}
}

func TestNoMoreIsTakenThanTheProjectorIsAllowedToBeBehind(t *testing.T) {
	const allowed, clients = 40, 16
	n := newNode(t, func(n *node) {
		n.write.Limits = write.Limits{LagRecords: allowed, OutcomeWait: time.Millisecond, LagStall: time.Hour}
	})
	n.index.failing(func(method string) error { // the projector stands still from the first record on
		if method == "Commit" {
			return *away(events.Transient)
		}
		return nil
	})
	var taken, refused atomic.Int64
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for range 2 * allowed / clients * 4 {
				got := n.send("POST", "/Patient", patient("", "1"))
				switch got.status {
				case 504: // in the log, and nobody knows yet what becomes of it
					taken.Add(1)
				case 503:
					refused.Add(1)
					if got.header.Get("Retry-After") == "" {
						t.Error("a refusal does not say when to try again")
					}
				default:
					t.Errorf("got %d: %s", got.status, got.body)
				}
			}
		})
	}
	running.Wait()
	ends, err := n.log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Beyond what may wait there are only those on their way into the log when a verdict was made.
	if ends[0].Next != taken.Load() || taken.Load() > allowed+clients || taken.Load() < allowed/2 || refused.Load() == 0 {
		t.Errorf("%d events were taken, %d are in the log, %d were refused; %d may wait", taken.Load(), ends[0].Next, refused.Load(), allowed)
	}
	n.index.failing(nil)
	n.caughtUp()
	n.eventually(204, "DELETE", "/Patient/none", "")
}

func TestAProjectorThatLagsOrStandsStillRefusesWrites(t *testing.T) {
	for name, limits := range map[string]write.Limits{
		"too many records behind": {LagRecords: 5, OutcomeWait: time.Millisecond},
		"standing still":          {LagStall: 50 * time.Millisecond, OutcomeWait: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(n *node) { n.write.Limits = limits })
			n.index.failing(func(method string) error {
				if method == "Commit" {
					return *away(events.Transient)
				}
				return nil
			})
			n.eventually(503, "POST", "/Patient", patient("", "1"))
			n.index.failing(nil)
			n.caughtUp()
			n.eventually(204, "DELETE", "/Patient/none", "")
		})
	}
}

func TestAClientThatLeavesDoesNotHoldTheDoor(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.index.failing(func(method string) error {
		if method == "Commit" {
			return *away(events.Transient)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	got := n.do(httptest.NewRequest("DELETE", base+"/Patient/p", nil).WithContext(ctx))
	n.index.failing(nil)
	if got.status != 504 {
		t.Errorf("got %d, want 504: %s", got.status, got.body)
	}
	n.verified()
}

func TestOutcomesOfOtherProcessesAreFound(t *testing.T) {
	for name, tell := range map[string]bool{"by notification": true, "by looking now and then": false} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			// This door's waiters hear nothing from the projector.
			waiters := write.NewWaiters(n.index)
			n.front.Write = &write.Writer{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects(), Waiters: waiters, Partitions: 1, Now: time.Now}
			n.door = n.handler(n.front)
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			if tell {
				group.Go(func() {
					for ctx.Err() == nil {
						waiters.Progressed(ctx)
						time.Sleep(time.Millisecond)
					}
				})
			}
			for i := range 3 {
				n.must(201, "PUT", fmt.Sprintf("/Patient/%d", i), patient(fmt.Sprint(i), "1"))
			}
			cancel()
			group.Wait()
		})
	}
}

func TestPreferShapesTheAnswer(t *testing.T) {
	n := newNode(t)
	if got := n.must(201, "PUT", "/Patient/p", patient("p", "1"), "Prefer: return=minimal"); got.body != "" || got.header.Get("ETag") == "" || got.header.Get("Location") == "" {
		t.Errorf("minimal: got %v %q", got.header, got.body)
	}
	if got := n.must(200, "PUT", "/Patient/p", patient("p", "2"), "Prefer: handling=strict, return=OperationOutcome"); got.at(t, "resourceType") != "OperationOutcome" {
		t.Errorf("OperationOutcome: got %s", got.body)
	}
	if got := n.must(200, "DELETE", "/Patient/p", "", "Prefer: return=OperationOutcome"); !strings.Contains(got.body, "deleted") {
		t.Errorf("delete with OperationOutcome: got %s", got.body)
	}
	if got := n.must(200, "POST", "", bundleOf("transaction", entryOf("", "DELETE", "Patient/p", "")), "Prefer: return=OperationOutcome"); got.at(t, "entry", 0, "response", "outcome", "resourceType") != "OperationOutcome" {
		t.Errorf("transaction with OperationOutcome: got %s", got.body)
	}
	got := n.must(202, "PUT", "/Patient/q", patient("q", "1"), "Prefer: respond-async")
	if got.header.Get("Binnacle-Position") != "0:4" || got.body != "" {
		t.Errorf("respond-async: got %v %q", got.header, got.body)
	}
	if applied := got.header.Get("Preference-Applied"); applied != "respond-async" {
		t.Errorf("respond-async: Preference-Applied is %q", applied)
	}
	n.must(202, "POST", "", bundleOf("transaction", entryOf("", "PUT", "Patient/r", patient("r", "1"))), "Prefer: respond-async")
	got = n.must(202, "POST", "", bundleOf("batch", entryOf("", "PUT", "Patient/s", patient("s", "1")), entryOf("", "PUT", "Patient/s", patient("t", "1"))), "Prefer: respond-async")
	if got.at(t, "entry", 0, "response", "status") != "202" || got.at(t, "entry", 1, "response", "status") != "400" {
		t.Errorf("respond-async of a batch: got %s", got.body)
	}
	if report := n.verified(); report.Resources != 3 {
		t.Errorf("got %d resources, want q, r and s", report.Resources)
	}
}

func packed(t *testing.T, s string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestBodiesAreBounded(t *testing.T) {
	n := newNode(t, func(n *node) { n.front.Limits.BodyBytes = 2 << 20 })
	fits := patient("p", strings.Repeat("x", 2<<20-len(patient("p", ""))))
	unknown := func(body io.Reader) reply {
		r := httptest.NewRequest("PUT", base+"/Patient/p", io.MultiReader(body)) // no Content-Length
		r.ContentLength = -1
		return n.do(r)
	}
	compressed := func(body io.Reader) reply {
		r := httptest.NewRequest("PUT", base+"/Patient/p", body)
		r.Header.Set("Content-Encoding", "gzip")
		return n.do(r)
	}
	broken := packed(t, fits).Bytes()
	cases := []struct {
		name   string
		got    reply
		status int
	}{
		{"just fits", n.send("PUT", "/Patient/p", fits), 201},
		{"one more", n.send("PUT", "/Patient/p", fits+" "), 413},
		{"of unknown length", unknown(strings.NewReader(fits)), 200},
		{"of unknown length, small", unknown(strings.NewReader(patient("p", "1"))), 200},
		{"of unknown length, too large", unknown(strings.NewReader(fits + " ")), 413},
		{"packed", compressed(packed(t, fits)), 200},
		{"packed, too large", compressed(packed(t, fits+" ")), 413},
		{"packed, a bomb", compressed(packed(t, strings.Repeat(" ", 64<<20))), 413},
		{"packed, broken off", compressed(bytes.NewReader(broken[:len(broken)-20])), 400},
		{"of unknown length, broken off", unknown(io.MultiReader(strings.NewReader(`{"resource`), brokenReader{})), 400},
	}
	for _, c := range cases {
		if c.got.status != c.status {
			t.Errorf("%s: got %d, want %d: %.300s", c.name, c.got.status, c.status, c.got.body)
		}
	}
	n.verified()
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBodiesInFlightShareABudget(t *testing.T) {
	n := newNode(t, func(n *node) {
		n.front.Limits = door.Limits{BodyBytes: 1 << 20, BodiesBytes: 1 << 20, BudgetWait: 50 * time.Millisecond}
	})
	body := patient("p", strings.Repeat("x", 700<<10))
	inside, goOn := make(chan struct{}), make(chan struct{})
	slow := io.MultiReader(strings.NewReader(body[:len(body)-100]), readerFunc(func([]byte) (int, error) {
		close(inside)
		<-goOn
		return 0, io.EOF
	}), strings.NewReader(body[len(body)-100:]))
	done := make(chan reply)
	go func() {
		r := httptest.NewRequest("PUT", base+"/Patient/p", slow)
		r.ContentLength = int64(len(body))
		done <- n.do(r)
	}()
	<-inside
	if got := n.send("PUT", "/Patient/p", body); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d, want 503 with Retry-After: %s", got.status, got.body)
	}
	n.must(201, "PUT", "/Patient/small", patient("small", "1"))
	close(goOn)
	if got := <-done; got.status != 201 {
		t.Errorf("the slow one: got %d: %s", got.status, got.body)
	}
	n.must(200, "PUT", "/Patient/p", body)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
