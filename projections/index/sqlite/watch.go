package sqlite

import (
	"context"
	"time"

	"binnacle/events/sqlitefile"
)

// pollEvery is how often a watcher looks for commits of other processes; those of this one are told at once.
const pollEvery = 50 * time.Millisecond

// progressed wakes the watchers.
func (g *Generations) progressed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for wake := range g.watchers {
		select {
		case wake <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

// Watch calls progressed after commits of any process, and when the pointer has moved, until ctx ends.
func (g *Generations) Watch(ctx context.Context, progressed func()) error {
	wake := make(chan struct{}, 1)
	g.mu.Lock()
	g.watchers[wake] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.watchers, wake)
		g.mu.Unlock()
	}()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	seen := int64(-1)
	warned := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
			progressed()
		case <-poll.C:
			now, err := g.mark(ctx)
			if err != nil {
				if !warned && ctx.Err() == nil {
					g.logger.Warn("the index file does not answer; commits of other processes are not seen "+
						"until it does", "error", err)
				}
				warned = true
				continue
			}
			warned = false
			if seen != now && seen >= 0 {
				progressed()
			}
			seen = now
		}
	}
}

// mark is a number that changes with each commit to the live generation, and with the pointer.
func (g *Generations) mark(ctx context.Context) (int64, error) {
	number, _, err := g.pointer(ctx)
	if err != nil {
		return 0, err
	}
	mark := int64(0)
	err = g.reader.Query(ctx, "select coalesce(sum(next), 0) from "+prefix(number)+"position", nil,
		func(scan func(...any) error) error { return scan(&mark) })
	return int64(number)<<48 ^ mark, sqlitefile.Classify("sqlite.Watch", err)
}
