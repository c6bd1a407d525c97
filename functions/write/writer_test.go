package write_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/functionstest"
	"binnacle/functions/write"
)

// failingLog lets tests make the log fail.
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

// eventually sends the request until it is answered with the status.
func eventually(n *functionstest.Node, status int, method, path, body string) functionstest.Reply {
	n.T.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := n.Send(method, path, body)
		if got.Status == status {
			return got
		}
		if time.Now().After(deadline) {
			n.T.Fatalf("%s %s: still %d, want %d: %s", method, path, got.Status, status, got.Body)
		}
	}
}

// TestAVerdictEndsWhenSomebodySeesThatTheIndexIsAway: else a write of that moment would be appended and wait in vain.
func TestAVerdictEndsWhenSomebodySeesThatTheIndexIsAway(t *testing.T) {
	var away atomic.Int64
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Write.IndexAway = func() time.Time { return time.Unix(0, away.Load()) }
		n.Write.IndexReady = func(context.Context) error {
			if away.Load() > 0 {
				return events.Errorf(events.Transient, "test", "it is read-only")
			}
			return nil
		}
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	away.Store(time.Now().UnixNano())
	before, _ := n.Log.Ends(t.Context())
	n.Must(503, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	if after, _ := n.Log.Ends(t.Context()); after[0].Next != before[0].Next {
		t.Errorf("%d events were appended", after[0].Next-before[0].Next)
	}
}

func TestNothingIsAppendedWhileAPartIsAway(t *testing.T) {
	log, blobs := &failingLog{}, &functionstest.FailingBlobs{}
	var readOnly atomic.Bool
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		log.Log, blobs.Blobs = n.Log, n.Blobs
		n.Write.Log, n.Write.Blobs, n.Project.Blobs = log, blobs, blobs
		n.Write.IndexReady = func(context.Context) error {
			if readOnly.Load() {
				return events.Errorf(events.Transient, "test", "it is read-only")
			}
			return nil
		}
		n.Write.Limits.OutcomeWait = 100 * time.Millisecond
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	parts := []struct {
		name       string
		down, back func()
	}{
		{"the search index can't be used now: it is read-only", func() { readOnly.Store(true) },
			func() { readOnly.Store(false) }},
		{"the search index",
			func() { n.Index.Failing(func(string) error { return *functionstest.Away(events.Transient) }) },
			func() { n.Index.Failing(nil) }},
		{"the blob store", func() { blobs.Err.Store(functionstest.Away(events.Transient)) },
			func() { blobs.Err.Store(nil) }},
	}
	for i, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			part.down()
			time.Sleep(300 * time.Millisecond) // the last good verdict is used up
			n.Send("PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprint(i)))
			time.Sleep(50 * time.Millisecond)
			before, err := n.Log.Ends(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := eventually(n, 503, "PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprint(i)))
			if got.Header.Get("Retry-After") == "" || !strings.Contains(got.Body, part.name) ||
				got.At(t, "issue", 0, "code") != "transient" {
				t.Errorf("got %v %s, want Retry-After and the part named", got.Header, got.Body)
			}
			if after, _ := n.Log.Ends(t.Context()); after[0].Next != before[0].Next {
				t.Errorf("%d events were appended", after[0].Next-before[0].Next)
			}
			part.back()
			eventually(n, 200, "PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprint("back", i)))
		})
	}
	n.Verified()
}

func TestALogThatDoesNotAnswerForAMomentClosesNoGateThatWasOpen(t *testing.T) {
	const allowed = 40
	log := &failingLog{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		log.Log, n.Write.Log = n.Log, log
		n.Write.Limits = write.Limits{LagRecords: allowed}
	})
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	log.ends.Store(functionstest.Away(events.Transient))
	for k := range 2 * allowed { // what is projected gives its place back
		n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprint("silent", k)))
		if k%20 == 0 {
			time.Sleep(300 * time.Millisecond) // the verdict before is used up
		}
	}
	n.Index.Failing(func(method string) error { // the projector stands still
		if method == "Commit" {
			return *functionstest.Away(events.Transient)
		}
		return nil
	})
	for taken := 0; ; taken++ {
		_, _, err := n.Write.Append(t.Context(), events.Event{ID: functionstest.NewID(), Tenant: "main",
			Changes: []events.Change{{Operation: events.Delete, Type: "Patient", ID: "none", Entry: -1}}})
		if err != nil {
			if events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "the log does not answer") {
				t.Errorf("after %d: got %v, want a Transient that names the log", taken, err)
			}
			break
		}
		if taken > allowed {
			t.Fatalf("%d events were taken while nobody knew the end of the log and nothing was projected; %d may wait",
				taken, allowed)
		}
	}
	log.ends.Store(nil)
	n.Index.Failing(nil)
	n.CaughtUp()
	eventually(n, 200, "PUT", "/Patient/p", functionstest.Patient("p", "back"))

	other := functionstest.NewNode(t, func(n *functionstest.Node) { // it has never seen the end of the log
		log.Log, n.Write.Log = n.Log, log
		log.ends.Store(functionstest.Away(events.Transient))
	})
	if got := other.Must(503, "POST", "/Patient", functionstest.Patient("", "1")); !strings.Contains(got.Body,
		"the log") {
		t.Errorf("got %s, want the log named", got.Body)
	}
}

func TestALogThatRefusesIsAnsweredWith503(t *testing.T) {
	log := &failingLog{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) { log.Log, n.Write.Log = n.Log, log })
	log.append.Store(functionstest.Away(events.Transient))
	if got := n.Must(503, "POST", "/Patient", functionstest.Patient("", "1")); got.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

func TestAnAppendOfUnknownFateIsWaitedFor(t *testing.T) {
	log := &failingLog{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) { log.Log, n.Write.Log = n.Log, log })
	log.append.Store(functionstest.Away(events.Unknown))
	n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"))
}

func TestWhatIsNotDecidedInTimeIsToldWithItsPosition(t *testing.T) {
	n := functionstest.NewNode(t, func(n *functionstest.Node) { n.Write.Limits.OutcomeWait = 50 * time.Millisecond })
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Index.Failing(func(method string) error {
		if method == "Commit" {
			return *functionstest.Away(events.Transient)
		}
		return nil
	})
	got := n.Must(504, "PUT", "/Patient/p", functionstest.Patient("p", "1"), `Idempotency-Key: "k"`)
	if text := got.At(t, "issue", 0, "diagnostics"); !strings.Contains(text, "0:1") ||
		!strings.Contains(text, "Idempotency-Key") {
		t.Errorf("the text tells neither the position nor what to do: %s", text)
	}
	n.Index.Failing(nil)
	n.CaughtUp()
	if again := n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "1"),
		`Idempotency-Key: "k"`); again.Header.Get("ETag") != `W/"2"` || again.Header.Get("Binnacle-Position") != "0:1" {
		t.Errorf("the same request again: got %v, want the first one's outcome", again.Header)
	}
}

func TestAnOutcomeIsWaitedForAsLongAsTheContextSaysOnceTheLogHasTheEvent(t *testing.T) {
	log := &failingLog{}
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		log.Log, n.Write.Log = n.Log, log
		n.Write.Limits.OutcomeWait = 10 * time.Millisecond
	})
	n.Index.Failing(func(method string) error {
		if method == "Commit" {
			return *functionstest.Away(events.Transient)
		}
		return nil
	})
	ctx := functions.WithOutcomeWait(t.Context(), time.Minute)
	event := events.Event{ID: functionstest.NewID(), Tenant: "main",
		Changes: []events.Change{{Operation: events.Delete, Type: "Patient", ID: "none", Entry: -1}}}
	log.append.Store(functionstest.Away(events.Unknown))
	if _, err := n.Write.Handle(ctx, event); events.KindOf(err) != events.Unknown {
		t.Errorf("an event that the log may not have: got %v, want Unknown soon", err)
	}
	log.append.Store(nil)
	event.ID = functionstest.NewID()
	wait, err := n.Write.Send(ctx, event, false)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { n.Index.Failing(nil) })
	if outcome, err := wait(ctx); err != nil || outcome.EventID != event.ID {
		t.Errorf("an event that the log has: got %+v, %v", outcome, err)
	}
}

func TestNoMoreIsTakenThanTheProjectorIsAllowedToBeBehind(t *testing.T) {
	const allowed, clients = 40, 16
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Write.Limits = write.Limits{LagRecords: allowed, OutcomeWait: time.Millisecond, LagStall: time.Hour}
	})
	n.Index.Failing(func(method string) error { // the projector stands still from the first record on
		if method == "Commit" {
			return *functionstest.Away(events.Transient)
		}
		return nil
	})
	var taken, refused atomic.Int64
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for range 2 * allowed / clients * 4 {
				got := n.Send("POST", "/Patient", functionstest.Patient("", "1"))
				switch got.Status {
				case 504: // in the log, and nobody knows yet what becomes of it
					taken.Add(1)
				case 503:
					refused.Add(1)
					if got.Header.Get("Retry-After") == "" {
						t.Error("a refusal does not say when to try again")
					}
				default:
					t.Errorf("got %d: %s", got.Status, got.Body)
				}
			}
		})
	}
	running.Wait()
	ends, err := n.Log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Beyond what may wait there are only those on their way into the log when a verdict was made.
	if ends[0].Next != taken.Load() || taken.Load() > allowed+clients || taken.Load() < allowed/2 ||
		refused.Load() == 0 {
		t.Errorf("%d events were taken, %d are in the log, %d were refused; %d may wait", taken.Load(), ends[0].Next,
			refused.Load(), allowed)
	}
	n.Index.Failing(nil)
	n.CaughtUp()
	eventually(n, 204, "DELETE", "/Patient/none", "")
}

func TestAProjectorThatLagsOrStandsStillRefusesWrites(t *testing.T) {
	for name, limits := range map[string]write.Limits{
		"too many records behind": {LagRecords: 5, OutcomeWait: time.Millisecond},
		"standing still":          {LagStall: 50 * time.Millisecond, OutcomeWait: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			n := functionstest.NewNode(t, func(n *functionstest.Node) { n.Write.Limits = limits })
			n.Index.Failing(func(method string) error {
				if method == "Commit" {
					return *functionstest.Away(events.Transient)
				}
				return nil
			})
			eventually(n, 503, "POST", "/Patient", functionstest.Patient("", "1"))
			n.Index.Failing(nil)
			n.CaughtUp()
			eventually(n, 204, "DELETE", "/Patient/none", "")
		})
	}
}

func TestAClientThatLeavesDoesNotHoldTheDoor(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Index.Failing(func(method string) error {
		if method == "Commit" {
			return *functionstest.Away(events.Transient)
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	got := n.Do(httptest.NewRequest("DELETE", functionstest.Base+"/Patient/p", nil).WithContext(ctx))
	n.Index.Failing(nil)
	if got.Status != 504 {
		t.Errorf("got %d, want 504: %s", got.Status, got.Body)
	}
	n.Verified()
}

func TestOutcomesOfOtherProcessesAreFound(t *testing.T) {
	for name, tell := range map[string]bool{"by notification": true, "by looking now and then": false} {
		t.Run(name, func(t *testing.T) {
			n := functionstest.NewNode(t)
			// This door's waiters hear nothing from the projector.
			waiters := write.NewWaiters(n.Index)
			n.Front.Write = &write.Writer{Log: n.Log, Index: n.Index, Blobs: n.Blobs,
				Dialects: functionstest.Dialects(), Waiters: waiters, Partitions: 1, Now: time.Now}
			n.Door = n.Handler(n.Front)
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
				n.Must(201, "PUT", fmt.Sprintf("/Patient/%d", i), functionstest.Patient(fmt.Sprint(i), "1"))
			}
			cancel()
			group.Wait()
		})
	}
}
