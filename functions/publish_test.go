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
	"binnacle/functions/functionstest"
	"binnacle/functions/project"
	"binnacle/projections"
)

// lastOutcome is the outcome of the log's last event.
func lastOutcome(n *functionstest.Node) *events.Outcome {
	n.T.Helper()
	ends, err := n.Log.Ends(n.T.Context())
	if err != nil {
		n.T.Fatal(err)
	}
	var found *events.Outcome
	err = n.Log.Replay(n.T.Context(), events.Position{Offset: ends[0].Next - 1}, ends[0].Next,
		func(records []events.RawRecord) error {
			record, err := events.Decode(records[len(records)-1])
			if err != nil {
				return err
			}
			outcomes, err := n.Index.Outcomes(n.T.Context(), []string{record.Event.ID})
			if err == nil {
				found = outcomes[0]
			}
			return err
		})
	if err != nil || found == nil {
		n.T.Fatalf("the last event's outcome is %v, %v", found, err)
	}
	return found
}

func TestAnOutcomeTellsWhatEachLinkBecame(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Practitioner/d",
		`{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	linked := `,"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner?identifier=urn:npi|7"},{"reference":"Patient?identifier=urn:s|1"}]`
	n.Must(201, "POST", "/Observation", functionstest.Observation(linked))
	if got, want := lastOutcome(n).Results[0].Links, []string{"Practitioner/d", "Patient/p"}; !reflect.DeepEqual(got,
		want) {
		t.Errorf("the links are %q, want %q", got, want)
	}
	n.Must(201, "PUT", "/Patient/q", functionstest.Patient("q", "2"))
	if got := lastOutcome(n).Results[0].Links; got != nil {
		t.Errorf("the links of a change that has none are %q", got)
	}
}

func TestEveryDecisionReachesTheFeedInTheOrderOfTheLog(t *testing.T) {
	feed := memorylog.NewFeed()
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(412, "PUT", "/Patient/p", functionstest.Patient("p", "2"), `If-Match: W/"7"`)
	if _, err := n.Log.AppendRaw(events.RawRecord{Key: []byte("main"), Value: []byte("no event")}); err != nil {
		t.Fatal(err)
	}
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "2"))
	got := n.WantFed(feed)
	if len(got) != 4 || got[0].Outcome.Results[0].Disposition != events.Created || got[1].Outcome.Refusal == nil ||
		got[2].Quarantined == "" || got[3].Outcome.Results[0].Version != 2 {
		t.Errorf("the feed tells %+v", got)
	}
}

func TestWhatIsDecidedInThisProcessIsPublishedWithoutAskingTheIndex(t *testing.T) {
	feed := memorylog.NewFeed()
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.WantFed(feed) // from now on it knows where the feed ends
	var asked atomic.Int64
	n.Index.Failing(func(method string) error {
		if method == "Decisions" {
			asked.Add(1)
		}
		return nil
	})
	n.Must(412, "PUT", "/Patient/p", functionstest.Patient("p", "2"), `If-Match: W/"7"`)
	if _, err := n.Log.AppendRaw(events.RawRecord{Key: []byte("main"), Value: []byte("no event")}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", fmt.Sprint(i+2)))
	}
	n.Fed(feed, 6)
	n.Index.Failing(nil)
	n.WantFed(feed)
	if asked.Load() > 0 {
		t.Errorf("the index was asked %d times", asked.Load())
	}
}

// A feed is away while more is decided than is kept.
func TestWhatIsTooMuchToBeKeptIsReadFromTheIndex(t *testing.T) {
	feed := &unsteady{Feed: memorylog.NewFeed()}
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.WantFed(feed)
	feed.setBroken(true)
	most := n.Project.Publish
	for i := range 5 {
		if i == 2 { // as if it had been told of a large one
			most.Decided(0, 3, 3, make([]events.Decision, 100_000))
		}
		n.Must(201, "PUT", fmt.Sprintf("/Patient/q%d", i), functionstest.Patient(fmt.Sprintf("q%d", i), "1"))
	}
	feed.setBroken(false)
	n.WantFed(feed)
}

func TestWhatWasDecidedBeforeACrashIsPublishedAfterIt(t *testing.T) {
	feed := &unsteady{Feed: memorylog.NewFeed()}
	change, stop := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	for i := range 5 {
		n.Must(201, "PUT", fmt.Sprintf("/Patient/p%d", i), functionstest.Patient(fmt.Sprintf("p%d", i), "1"))
	}
	n.Fed(feed, 5)
	feed.setBroken(true)
	for i := range 5 {
		n.Must(201, "PUT", fmt.Sprintf("/Patient/q%d", i), functionstest.Patient(fmt.Sprintf("q%d", i), "1"))
	}
	stop()
	if end, err := feed.Feed.End(t.Context(), 0); err != nil || end != 5 {
		t.Fatalf("the feed ends at %d, %v while it was away", end, err)
	}
	feed.setBroken(false)
	// The next process follows the log from the stored position, where nothing new stands.
	next := &functions.Publish{Index: n.Index, Feed: feed, Logger: functionstest.Quiet}
	project := &project.Projector{Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects(), Publish: next,
		Logger: functionstest.Quiet, Reseek: func() {}}
	if _, err := project.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = next.Handle(ctx) })
	defer running.Wait()
	defer cancel()
	n.WantFed(feed)
}

func TestAFeedThatIsAwayForAWhileGetsEverythingAndTheLagTellsOfIt(t *testing.T) {
	feed := &unsteady{Feed: memorylog.NewFeed()}
	change, _ := functionstest.Publishing(feed)
	n := functionstest.NewNode(t, change)
	n.Must(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"))
	n.WantFed(feed)
	feed.setBroken(true)
	n.Must(201, "PUT", "/Patient/b", functionstest.Patient("b", "1"))
	n.Must(201, "PUT", "/Patient/c", functionstest.Patient("c", "1"))
	feed.failed(t)
	if records, age := n.Project.Publish.Lag(); age == 0 || records != 2 {
		t.Errorf("the lag is %d records for %s, want 2, while the feed is away", records, age)
	}
	// it has never been told how far the feed has come
	fresh := &functions.Publish{Index: n.Index, Feed: feed, Logger: functionstest.Quiet}
	fresh.Decided(0, 7, 7, nil)
	if records, age := fresh.Lag(); (records > 0) != (age > 0) {
		t.Errorf("the lag is %d records for %s: one of them says that nothing is left", records, age)
	}
	feed.setBroken(false)
	n.WantFed(feed)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		records, age := n.Project.Publish.Lag()
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
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Patient/q", functionstest.Patient("q", "1"))
	feed := memorylog.NewFeed()
	index := &lostOnce{Decided: n.Index}
	index.lost.Store(true)
	publish := &functions.Publish{Index: index, Feed: feed, Logger: functionstest.Quiet}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = publish.Handle(ctx) })
	defer running.Wait()
	defer cancel()
	publish.Decided(0, 2, 2, nil)
	for index.looks.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	index.lost.Store(false)
	publish.Decided(0, 1, 1, nil)
	publish.Decided(0, 2, 2, nil)
	n.WantFed(feed)
}
