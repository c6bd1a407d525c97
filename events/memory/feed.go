package memory

import (
	"context"
	"slices"
	"sort"
	"sync"

	"binnacle/events"
)

var _ events.Feed = (*Feed)(nil)

// Feed is a feed of decisions in memory.
type Feed struct {
	mu         sync.RWMutex
	partitions map[int32][]events.Decision
	closed     bool
	growth     events.Growth
}

// NewFeed makes an empty feed.
func NewFeed() *Feed { return &Feed{partitions: map[int32][]events.Decision{}} }

// Publish is events.Feed.Publish.
func (f *Feed) Publish(ctx context.Context, decisions []events.Decision) error {
	const op = "memory.Publish"
	if err := ctx.Err(); err != nil {
		return events.Wrap(events.Transient, op, err, "the call ended before anything was written")
	}
	if err := events.CheckDecisions(decisions); err != nil || len(decisions) == 0 {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return feedClosed(op)
	}
	partition := decisions[0].Outcome.Position.Partition
	kept := f.partitions[partition]
	if n := len(kept); n > 0 {
		last := kept[n-1].Outcome.Position.Offset
		decisions = decisions[sort.Search(len(decisions), func(i int) bool { return decisions[i].Outcome.Position.Offset > last }):]
	}
	f.partitions[partition] = append(kept, decisions...)
	f.growth.Tell()
	return nil
}

// End is events.Feed.End.
func (f *Feed) End(_ context.Context, partition int32) (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return 0, feedClosed("memory.End")
	}
	kept := f.partitions[partition]
	if len(kept) == 0 {
		return 0, nil
	}
	return kept[len(kept)-1].Outcome.Position.Offset + 1, nil
}

// Decisions is events.Feed.Decisions.
func (f *Feed) Decisions(ctx context.Context, from events.Position, to int64, handle func([]events.Decision) error) error {
	const op = "memory.Decisions"
	f.mu.RLock()
	kept, closed := f.partitions[from.Partition], f.closed
	f.mu.RUnlock()
	if closed {
		return feedClosed(op)
	}
	after := func(offset int64) int {
		return sort.Search(len(kept), func(i int) bool { return kept[i].Outcome.Position.Offset >= offset })
	}
	first := after(from.Offset)
	if end := after(to); end > first {
		kept = kept[first:end:end]
	} else {
		return nil
	}
	for batch := range slices.Chunk(kept, events.BatchRecords) {
		if err := ctx.Err(); err != nil {
			return events.Wrap(events.Transient, op, err, "the call ended before all decisions were read")
		}
		if err := handle(batch); err != nil {
			return err
		}
	}
	return nil
}

// Follow is events.Feed.Follow.
func (f *Feed) Follow(ctx context.Context, from events.Position, handle func([]events.Decision) error) error {
	return events.FollowFeed(ctx, f, from, &f.growth, 0, handle)
}

// Close is events.Feed.Close.
func (f *Feed) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.growth.Tell()
	return nil
}

func feedClosed(op string) error {
	return events.Errorf(events.Transient, op, "the feed is closed")
}
