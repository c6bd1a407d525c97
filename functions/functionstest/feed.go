package functionstest

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	memorylog "binnacle/events/memory"
	"binnacle/functions"
)

// Publishing gives a node a Publish over a feed and runs it; stop ends it as a kill does: whatever it has in hand is
// gone.
func Publishing(feed events.Feed) (change func(*Node), stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	return func(n *Node) {
			publish := &functions.Publish{Index: n.Index, Feed: feed, Logger: Quiet}
			n.Project.Publish = publish
			running.Go(func() { _ = publish.Handle(ctx) })
			n.T.Cleanup(func() { cancel(); running.Wait() })
		}, func() {
			cancel()
			running.Wait()
		}
}

// Fed waits until the feed has come to the end of the log and returns what it holds.
func (n *Node) Fed(feed events.Feed, end int64) []events.Decision {
	n.T.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		at, err := feed.End(n.T.Context(), 0)
		if err != nil {
			n.T.Fatal(err)
		}
		if at >= end {
			break
		}
		if time.Now().After(deadline) {
			n.T.Fatalf("the feed ends at %d and the log at %d", at, end)
		}
	}
	var all []events.Decision
	if err := feed.Decisions(n.T.Context(), events.Position{}, end, func(batch []events.Decision) error {
		all = append(all, batch...)
		return nil
	}); err != nil {
		n.T.Fatal(err)
	}
	return all
}

// WantFed holds the feed against the index: the same decisions, in the order of the log.
func (n *Node) WantFed(feed events.Feed) []events.Decision {
	n.T.Helper()
	n.CaughtUp()
	ends, err := n.Log.Ends(n.T.Context())
	if err != nil {
		n.T.Fatal(err)
	}
	got := n.Fed(feed, ends[0].Next)
	want, err := n.Index.Decisions(n.T.Context(), events.Position{}, 1<<20)
	if err != nil {
		n.T.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		n.T.Fatalf("the feed holds %d decisions, the index %d; or they differ:\n%+v\n%+v", len(got), len(want), got,
			want)
	}
	return got
}

// Recorded is a feed of all that an index has decided.
func Recorded(t *testing.T, x *Index) *memorylog.Feed {
	t.Helper()
	feed := memorylog.NewFeed()
	decisions, err := x.Decisions(t.Context(), events.Position{}, 1<<30)
	if err == nil {
		err = feed.Publish(t.Context(), decisions)
	}
	if err != nil {
		t.Fatal(err)
	}
	return feed
}
