package eventstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"binnacle/events"
)

// following begins to follow a feed; decisions come out of the channel, and the error when it ends.
func following(t *testing.T, feed events.Feed, from events.Position) (decisions chan events.Decision, ended chan error, stop func()) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	decisions, ended = make(chan events.Decision), make(chan error, 1)
	go func() {
		ended <- feed.Follow(ctx, from, func(batch []events.Decision) error {
			for _, d := range batch {
				select {
				case decisions <- d:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}()
	return decisions, ended, cancel
}

func wantFollowed(t *testing.T, decisions chan events.Decision, ended chan error, want []events.Decision) {
	t.Helper()
	for _, d := range want {
		select {
		case got := <-decisions:
			if got.Outcome.Position != d.Outcome.Position || got.Quarantined != d.Quarantined || len(got.Outcome.Results) != len(d.Outcome.Results) {
				t.Fatalf("the follower gets the decision on %s, want that on %s", got.Outcome.Position, d.Outcome.Position)
			}
		case err := <-ended:
			t.Fatalf("following ended before the decision on %s: %v", d.Outcome.Position, err)
		}
	}
}

func feedFollowed(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	beside := driver.Beside(t)
	at := func(offset int64) events.Position {
		return events.Position{Partition: driver.Partition, Offset: offset}
	}
	all := newDecisions(driver.Partition, 0, 40)
	publish(t, feed, all[:10])
	type follower struct {
		decisions chan events.Decision
		ended     chan error
		want      []events.Decision
	}
	var followers []follower
	begin := func(on events.Feed, from int64) {
		f := follower{}
		f.decisions, f.ended, _ = following(t, on, at(from))
		for _, d := range all {
			if d.Outcome.Position.Offset >= from {
				f.want = append(f.want, d)
			}
		}
		followers = append(followers, f)
	}
	begin(feed, 0)
	begin(feed, 4)
	begin(feed, 20) // beyond the end, which comes
	begin(beside, 0)
	go func() {
		for i := 10; i < len(all); i += 2 {
			_ = feed.Publish(t.Context(), all[i-2:min(i+2, len(all))]) // what is missing is seen by the followers
		}
	}()
	for _, f := range followers {
		wantFollowed(t, f.decisions, f.ended, f.want)
	}
	for i, f := range followers {
		select {
		case d := <-f.decisions:
			t.Errorf("follower %d gets the decision on %s after the last one", i, d.Outcome.Position)
		case err := <-f.ended:
			t.Errorf("follower %d ended: %v", i, err)
		case <-time.After(time.Millisecond):
		}
	}
}

func feedFollowerEnds(t *testing.T, driver FeedDriver) {
	feed := driver.Open(t)
	publish(t, feed, newDecisions(driver.Partition, 0, 3))
	start := events.Position{Partition: driver.Partition}
	enough := errors.New("enough")
	if err := feed.Follow(t.Context(), start, func([]events.Decision) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Follow = %v, want the handler's error", err)
	}
	decisions, ended, stop := following(t, feed, start)
	wantFollowed(t, decisions, ended, newDecisions(driver.Partition, 0, 3))
	stop()
	if err := <-ended; events.KindOf(err) != events.Transient {
		t.Errorf("Follow = %v after its context ended, want kind %s", err, events.Transient)
	}
	decisions, ended, _ = following(t, feed, start)
	wantFollowed(t, decisions, ended, newDecisions(driver.Partition, 0, 3))
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; events.KindOf(err) != events.Transient {
		t.Errorf("Follow = %v after the feed was closed, want kind %s", err, events.Transient)
	}
	if err := feed.Follow(t.Context(), start, func([]events.Decision) error { return nil }); events.KindOf(err) != events.Transient {
		t.Errorf("Follow = %v of a closed feed, want kind %s", err, events.Transient)
	}
}
