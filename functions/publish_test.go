package functions_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	memorylog "binnacle/events/memory"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/projections"
)

// lastOutcome is the outcome of the log's last event.
func (n *node) lastOutcome() *events.Outcome {
	n.t.Helper()
	ends, err := n.log.Ends(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	var found *events.Outcome
	err = n.log.Replay(n.t.Context(), events.Position{Offset: ends[0].Next - 1}, ends[0].Next, func(records []events.RawRecord) error {
		record, err := events.Decode(records[len(records)-1])
		if err != nil {
			return err
		}
		outcomes, err := n.index.Outcomes(n.t.Context(), []string{record.Event.ID})
		if err == nil {
			found = outcomes[0]
		}
		return err
	})
	if err != nil || found == nil {
		n.t.Fatalf("the last event's outcome is %v, %v", found, err)
	}
	return found
}

func TestAnOutcomeTellsWhatEachLinkBecame(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/d", `{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	linked := `,"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner?identifier=urn:npi|7"},{"reference":"Patient?identifier=urn:s|1"}]`
	n.must(201, "POST", "/Observation", observation(linked))
	if got, want := n.lastOutcome().Results[0].Links, []string{"Practitioner/d", "Patient/p"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the links are %q, want %q", got, want)
	}
	n.must(201, "PUT", "/Patient/q", patient("q", "2"))
	if got := n.lastOutcome().Results[0].Links; got != nil {
		t.Errorf("the links of a change that has none are %q", got)
	}
}

// publishing gives a node a Publish over a feed and runs it; stop ends it as a kill does: whatever it has in hand is gone.
func publishing(feed events.Feed) (change func(*node), stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	return func(n *node) {
			publish := &functions.Publish{Index: n.index, Feed: feed, Logger: quiet}
			n.project.Publish = publish
			running.Go(func() { _ = publish.Handle(ctx) })
			n.t.Cleanup(func() { cancel(); running.Wait() })
		}, func() {
			cancel()
			running.Wait()
		}
}

// fed waits until the feed has come to the end of the log and returns what it holds.
func (n *node) fed(feed events.Feed, end int64) []events.Decision {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		at, err := feed.End(n.t.Context(), 0)
		if err != nil {
			n.t.Fatal(err)
		}
		if at >= end {
			break
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the feed ends at %d and the log at %d", at, end)
		}
	}
	var all []events.Decision
	if err := feed.Decisions(n.t.Context(), events.Position{}, end, func(batch []events.Decision) error {
		all = append(all, batch...)
		return nil
	}); err != nil {
		n.t.Fatal(err)
	}
	return all
}

// wantFed holds the feed against the index: the same decisions, in the order of the log.
func (n *node) wantFed(feed events.Feed) []events.Decision {
	n.t.Helper()
	n.caughtUp()
	ends, err := n.log.Ends(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	got := n.fed(feed, ends[0].Next)
	want, err := n.index.Decisions(n.t.Context(), events.Position{}, 1<<20)
	if err != nil {
		n.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		n.t.Fatalf("the feed holds %d decisions, the index %d; or they differ:\n%+v\n%+v", len(got), len(want), got, want)
	}
	return got
}

func TestEveryDecisionReachesTheFeedInTheOrderOfTheLog(t *testing.T) {
	feed := memorylog.NewFeed()
	change, _ := publishing(feed)
	n := newNode(t, change)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(412, "PUT", "/Patient/p", patient("p", "2"), `If-Match: W/"7"`)
	if _, err := n.log.AppendRaw(events.RawRecord{Key: []byte("main"), Value: []byte("no event")}); err != nil {
		t.Fatal(err)
	}
	n.must(200, "PUT", "/Patient/p", patient("p", "2"))
	got := n.wantFed(feed)
	if len(got) != 4 || got[0].Outcome.Results[0].Disposition != events.Created || got[1].Outcome.Refusal == nil || got[2].Quarantined == "" || got[3].Outcome.Results[0].Version != 2 {
		t.Errorf("the feed tells %+v", got)
	}
}

func TestWhatWasDecidedBeforeACrashIsPublishedAfterIt(t *testing.T) {
	feed := &unsteady{Feed: memorylog.NewFeed()}
	change, stop := publishing(feed)
	n := newNode(t, change)
	for i := range 5 {
		n.must(201, "PUT", fmt.Sprintf("/Patient/p%d", i), patient(fmt.Sprintf("p%d", i), "1"))
	}
	n.fed(feed, 5)
	feed.setBroken(true)
	for i := range 5 {
		n.must(201, "PUT", fmt.Sprintf("/Patient/q%d", i), patient(fmt.Sprintf("q%d", i), "1"))
	}
	stop()
	if end, err := feed.Feed.End(t.Context(), 0); err != nil || end != 5 {
		t.Fatalf("the feed ends at %d, %v while it was away", end, err)
	}
	feed.setBroken(false)
	// The next process follows the log from the stored position, where nothing new stands.
	next := &functions.Publish{Index: n.index, Feed: feed, Logger: quiet}
	project := &project.Projector{Index: n.index, Blobs: n.blobs, Dialects: theDialects(), Publish: next, Logger: quiet, Reseek: func() {}}
	if _, err := project.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = next.Handle(ctx) })
	defer running.Wait()
	defer cancel()
	n.wantFed(feed)
}

func TestAFeedThatIsAwayForAWhileGetsEverythingAndTheLagTellsOfIt(t *testing.T) {
	feed := &unsteady{Feed: memorylog.NewFeed()}
	change, _ := publishing(feed)
	n := newNode(t, change)
	n.must(201, "PUT", "/Patient/a", patient("a", "1"))
	n.wantFed(feed)
	feed.setBroken(true)
	n.must(201, "PUT", "/Patient/b", patient("b", "1"))
	n.must(201, "PUT", "/Patient/c", patient("c", "1"))
	feed.failed(t)
	if records, age := n.project.Publish.Lag(); age == 0 || records != 2 {
		t.Errorf("the lag is %d records for %s, want 2, while the feed is away", records, age)
	}
	fresh := &functions.Publish{Index: n.index, Feed: feed, Logger: quiet} // it has never been told how far the feed has come
	fresh.Decided(0, 7)
	if records, age := fresh.Lag(); (records > 0) != (age > 0) {
		t.Errorf("the lag is %d records for %s: one of them says that nothing is left", records, age)
	}
	feed.setBroken(false)
	n.wantFed(feed)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		records, age := n.project.Publish.Lag()
		if records == 0 && age == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lag is %d records for %s when all is published", records, age)
		}
	}
}

// unsteady is a feed that can be away. A publication that fails may have taken some of the decisions.
type unsteady struct {
	events.Feed

	mu       sync.Mutex
	broken   bool
	failures int
}

func (u *unsteady) setBroken(broken bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.broken = broken
}

func (u *unsteady) Publish(ctx context.Context, decisions []events.Decision) error {
	u.mu.Lock()
	broken := u.broken
	if broken {
		u.failures++
	}
	u.mu.Unlock()
	if broken {
		return events.Errorf(events.Transient, "test", "the feed is away")
	}
	return u.Feed.Publish(ctx, decisions)
}

// failed waits for a publication that failed.
func (u *unsteady) failed(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		u.mu.Lock()
		failures := u.failures
		u.mu.Unlock()
		if failures > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was tried")
		}
	}
}

// lostOnce is an index that was lost after it had told of decisions, and is filled anew.
type lostOnce struct {
	functions.Decided
	lost  atomic.Bool
	looks atomic.Int64 // while it is lost
}

func (l *lostOnce) State(ctx context.Context, partition int32) (projections.State, error) {
	if l.lost.Load() {
		return projections.State{}, nil
	}
	return l.Decided.State(ctx, partition)
}

func (l *lostOnce) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	if l.lost.Load() {
		l.looks.Add(1)
		return nil, nil
	}
	return l.Decided.Decisions(ctx, from, limit)
}

func TestDecisionsOfAnIndexThatWasLostBeforeTheyWerePublishedArePublishedWhenItIsFilledAnew(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(201, "PUT", "/Patient/q", patient("q", "1"))
	feed := memorylog.NewFeed()
	index := &lostOnce{Decided: n.index}
	index.lost.Store(true)
	publish := &functions.Publish{Index: index, Feed: feed, Logger: quiet}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = publish.Handle(ctx) })
	defer running.Wait()
	defer cancel()
	publish.Decided(0, 2)
	for index.looks.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	index.lost.Store(false)
	publish.Decided(0, 1)
	publish.Decided(0, 2)
	n.wantFed(feed)
}
