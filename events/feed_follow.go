package events

import (
	"context"
	"sync"
	"time"
)

// Growth tells those who wait that something was added. The zero Growth is ready to use.
type Growth struct {
	mu    sync.Mutex
	grown chan struct{}
}

// Next returns a channel that is closed when something is added after the call.
func (g *Growth) Next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.grown == nil {
		g.grown = make(chan struct{})
	}
	return g.grown
}

// Tell tells all who wait.
func (g *Growth) Tell() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.grown != nil {
		close(g.grown)
		g.grown = nil
	}
}

// FeedLook is how often a follower looks for what other processes have added, for drivers.
const FeedLook = 200 * time.Millisecond

// FollowFeed is Feed.Follow by way of End and Decisions, for drivers. It looks again when growth tells of more, and
// every so often for what other processes add; 0: there are no others.
func FollowFeed(ctx context.Context, feed Feed, from Position, growth *Growth, every time.Duration, handle func([]Decision) error) error {
	const op = "events.Follow"
	for {
		grown := growth.Next() // before the look: what comes between is told
		end, err := feed.End(ctx, from.Partition)
		if err != nil {
			return err
		}
		if from.Offset < end {
			if err := feed.Decisions(ctx, from, end, handle); err != nil {
				return err
			}
			from.Offset = end
			continue
		}
		var again <-chan time.Time
		if every > 0 {
			again = time.After(every)
		}
		select {
		case <-grown:
		case <-again:
		case <-ctx.Done():
			return Wrap(Transient, op, ctx.Err(), "the follower of the feed has left")
		}
	}
}
