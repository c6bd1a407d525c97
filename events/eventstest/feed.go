package eventstest

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"binnacle/events"
)

// FeedDriver is what the suite needs of a driver of events.Feed.
type FeedDriver struct {
	// Open gives a fresh, empty feed. What it holds is released by t.Cleanup.
	Open func(t testing.TB) events.Feed
	// Beside gives another handle of the feed that Open gave last, as another process has it.
	Beside func(t testing.TB) events.Feed
	// Partition is one that the feed has.
	Partition int32
}

// RunFeed runs the suite of the feed.
func RunFeed(t *testing.T, driver FeedDriver) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, FeedDriver)
	}{
		{"an empty feed ends at the start", feedEmpty},
		{"decisions come back as they were published", feedRoundTrip},
		{"decisions over a range are exactly those of the range", feedRange},
		{"decisions that the feed has already are passed over", feedTwice},
		{"two who publish the same side by side leave each decision once and in order", feedZombies},
		{"one who is stopped in the middle is followed by another without a gap", feedTakeover},
		{"the end is found again after the feed was opened anew", feedReopened},
		{"decisions that go back or change the partition are refused", feedDisorder},
		{"reading stops when its handler fails", feedHandlerFails},
		{"reading stops with its context", feedContext},
		{"a follower gets what is there and what comes, each once and in order", feedFollowed},
		{"a follower ends with its handler, its context and the feed", feedFollowerEnds},
		{"a closed feed refuses", feedClosed},
		{"decisions of any size are kept", feedLarge},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, driver) })
	}
}

// NewDecision makes a decision on the record at an offset: accepted, refused or in quarantine, as the offset tells.
func NewDecision(partition int32, offset int64) events.Decision {
	at := time.UnixMilli(1_700_000_000_000 + offset).UTC()
	id := uuid.NewSHA1(uuid.Nil, []byte(events.Position{Partition: partition, Offset: offset}.String())).String()
	d := events.Decision{Outcome: events.Outcome{EventID: id, Tenant: "main", Position: events.Position{Partition: partition, Offset: offset}, Time: at}}
	switch offset % 5 {
	case 3:
		d.Outcome.Refusal = &events.Refusal{Kind: events.Precondition, Change: 1, Text: "If-Match names version 2 <of> Patient/ä", Expression: "Bundle.entry[1]"}
	case 4:
		d.Outcome.EventID, d.Outcome.Tenant = "", ""
		d.Quarantined = "the value is no CBOR"
	default:
		d.Outcome.Results = []events.Result{
			{Disposition: events.Created, Type: "Patient", ID: "p", Version: 1, Hash: events.Hash{1, byte(offset)}, Time: at, Links: []string{"Organization/o", "Patient/q"}},
			{Disposition: events.Deleted, Type: "Observation", ID: "o", Version: offset + 2, Time: at},
			{Disposition: events.NoEffect, Type: "Observation"},
		}
	}
	return d
}

// newDecisions makes decisions on the offsets [from, to), every seventh left out: a repeated event has none.
func newDecisions(partition int32, from, to int64) []events.Decision {
	var decisions []events.Decision
	for offset := from; offset < to; offset++ {
		if offset%7 != 6 {
			decisions = append(decisions, NewDecision(partition, offset))
		}
	}
	return decisions
}

func publish(t testing.TB, feed events.Feed, decisions []events.Decision) {
	t.Helper()
	if err := feed.Publish(t.Context(), decisions); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

func wantEnd(t testing.TB, feed events.Feed, partition int32, want int64) {
	t.Helper()
	if end, err := feed.End(t.Context(), partition); err != nil || end != want {
		t.Fatalf("End = %d, %v, want %d", end, err, want)
	}
}

func wantDecisions(t testing.TB, feed events.Feed, from events.Position, to int64, want []events.Decision) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []events.Decision
	if err := feed.Decisions(ctx, from, to, func(batch []events.Decision) error {
		if len(batch) == 0 {
			t.Error("an empty batch came")
		}
		got = append(got, batch...)
		return nil
	}); err != nil {
		t.Fatalf("Decisions: %v", err)
	}
	if len(got) != len(want) {
		t.Fatalf("Decisions from %s to %d gave %d, want %d", from, to, len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("decision %d from %s to %d:\ngot  %+v\nwant %+v", i, from, to, got[i], want[i])
		}
	}
}

func feedEmpty(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	wantEnd(t, feed, driver.Partition, 0)
	wantDecisions(t, feed, events.Position{Partition: driver.Partition}, 1_000, nil)
	publish(t, feed, nil)
	wantEnd(t, feed, driver.Partition, 0)
}

func feedRoundTrip(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	decisions := newDecisions(driver.Partition, 5, 20) // the log need not begin at 0, nor have a decision everywhere
	for i := range decisions {
		publish(t, feed, decisions[i:i+1])
	}
	wantEnd(t, feed, driver.Partition, 20)
	wantDecisions(t, feed, events.Position{Partition: driver.Partition}, 20, decisions)
	wantDecisions(t, driver.Beside(t), events.Position{Partition: driver.Partition}, 1_000, decisions)
}

func feedRange(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	const n = 2*events.BatchRecords + 50
	decisions := newDecisions(driver.Partition, 0, n)
	publish(t, feed, decisions[:len(decisions)/2])
	publish(t, feed, decisions[len(decisions)/2:])
	for _, span := range [][2]int64{{0, n}, {0, 1}, {6, 7}, {6, 9}, {5, 8}, {500, events.BatchRecords + 7}, {n - 1, n}, {n - 40, n + 40}, {3, 3}, {9, 2}, {n, n + 9}} {
		var want []events.Decision
		for _, d := range decisions {
			if at := d.Outcome.Position.Offset; at >= span[0] && at < span[1] {
				want = append(want, d)
			}
		}
		wantDecisions(t, feed, events.Position{Partition: driver.Partition, Offset: span[0]}, span[1], want)
	}
}

func feedTwice(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	decisions := newDecisions(driver.Partition, 0, 30)
	publish(t, feed, decisions[:10])
	publish(t, feed, decisions[:10])
	publish(t, feed, decisions[3:7])
	publish(t, feed, decisions[5:])
	publish(t, feed, decisions)
	wantEnd(t, feed, driver.Partition, 30)
	wantDecisions(t, feed, events.Position{Partition: driver.Partition}, 30, decisions)
}

func feedZombies(t *testing.T, driver FeedDriver) {
	one := driver.Open(t)
	two := driver.Beside(t)
	decisions := newDecisions(driver.Partition, 0, 400)
	var publishing sync.WaitGroup
	for seed, feed := range []events.Feed{one, two, one, two} {
		publishing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // a repeatable walk
			for at := 0; at < len(decisions); {
				next := min(at+1+random.IntN(30), len(decisions))
				back := max(0, at-random.IntN(10))
				if err := feed.Publish(t.Context(), decisions[back:next]); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
				at = next
			}
		})
	}
	publishing.Wait()
	for _, feed := range []events.Feed{one, two} {
		wantEnd(t, feed, driver.Partition, decisions[len(decisions)-1].Outcome.Position.Offset+1)
		wantDecisions(t, feed, events.Position{Partition: driver.Partition}, 400, decisions)
	}
	wantDecisions(t, two, events.Position{Partition: driver.Partition, Offset: 211}, 300, decisions[indexAt(decisions, 211):indexAt(decisions, 300)])
}

func indexAt(decisions []events.Decision, offset int64) int {
	for i := range decisions {
		if decisions[i].Outcome.Position.Offset >= offset {
			return i
		}
	}
	return len(decisions)
}

func feedTakeover(t *testing.T, driver FeedDriver) {
	first := driver.Open(t)
	second := driver.Beside(t)
	decisions := newDecisions(driver.Partition, 0, 500)
	wantEnd(t, second, driver.Partition, 0) // it looked before the other one published
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	for at := 0; at < len(decisions); at += 25 {
		if err := first.Publish(ctx, decisions[at:min(at+25, len(decisions))]); err != nil {
			break // of what this call gave some may be in the feed
		}
	}
	end, err := second.End(t.Context(), driver.Partition)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, second, decisions[indexAt(decisions, end):])
	wantEnd(t, second, driver.Partition, decisions[len(decisions)-1].Outcome.Position.Offset+1)
	wantDecisions(t, second, events.Position{Partition: driver.Partition}, 500, decisions)
	wantDecisions(t, driver.Beside(t), events.Position{Partition: driver.Partition}, 500, decisions)
}

func feedReopened(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	decisions := newDecisions(driver.Partition, 0, 60)
	publish(t, feed, decisions[:40])
	again := driver.Beside(t)
	wantEnd(t, again, driver.Partition, decisions[39].Outcome.Position.Offset+1)
	publish(t, again, decisions[30:])
	wantEnd(t, driver.Beside(t), driver.Partition, 60)
	wantEnd(t, feed, driver.Partition, 60)
	wantDecisions(t, again, events.Position{Partition: driver.Partition}, 60, decisions)
}

func feedDisorder(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	decisions := newDecisions(driver.Partition, 0, 3)
	for _, wrong := range [][]events.Decision{
		{decisions[1], decisions[0]},
		{decisions[0], decisions[0]},
		{decisions[0], NewDecision(driver.Partition+1, 5)},
	} {
		if err := feed.Publish(t.Context(), wrong); err == nil {
			t.Errorf("Publish of %s, %s was taken", wrong[0].Outcome.Position, wrong[1].Outcome.Position)
		}
	}
	wantEnd(t, feed, driver.Partition, 0)
}

func feedHandlerFails(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	publish(t, feed, newDecisions(driver.Partition, 0, 3))
	enough := errors.New("enough")
	if err := feed.Decisions(t.Context(), events.Position{Partition: driver.Partition}, 3, func([]events.Decision) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Decisions = %v, want the handler's error", err)
	}
}

func feedContext(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	publish(t, feed, newDecisions(driver.Partition, 0, 3))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := feed.Publish(ended, newDecisions(driver.Partition, 3, 5)); events.KindOf(err) != events.Transient {
		t.Errorf("Publish = %v, want kind %s", err, events.Transient)
	}
	err := feed.Decisions(ended, events.Position{Partition: driver.Partition}, 3, func([]events.Decision) error { return nil })
	if events.KindOf(err) != events.Transient || err == nil {
		t.Errorf("Decisions = %v, want kind %s", err, events.Transient)
	}
}

func feedClosed(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := feed.Publish(t.Context(), newDecisions(driver.Partition, 0, 3)); events.KindOf(err) != events.Transient || err == nil {
		t.Errorf("Publish = %v, want kind %s", err, events.Transient)
	}
	if err := feed.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func feedLarge(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	decisions := newDecisions(driver.Partition, 0, 3)
	decisions[1].Outcome.Results = make([]events.Result, 30_000) // a transaction of small resources
	for i := range decisions[1].Outcome.Results {
		id := uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8)})
		decisions[1].Outcome.Results[i] = events.Result{Disposition: events.Created, Type: "Basic", ID: id.String(), Version: 1, Time: decisions[1].Outcome.Time}
		copy(decisions[1].Outcome.Results[i].Hash[:], id[:])
		copy(decisions[1].Outcome.Results[i].Hash[16:], id[:])
	}
	publish(t, feed, decisions)
	wantDecisions(t, feed, events.Position{Partition: driver.Partition}, 3, decisions)
}
