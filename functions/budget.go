package functions

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"binnacle/events"
)

// budget bounds the memory of bodies in flight.
type budget struct {
	bytes *semaphore.Weighted
	wait  time.Duration
}

func newBudget(bytes int64, wait time.Duration) *budget {
	return &budget{bytes: semaphore.NewWeighted(bytes), wait: wait}
}

// take reserves n bytes, waiting for others to finish within the bound; else kind Transient. The share is given back with give.
func (b *budget) take(ctx context.Context, n int64) error {
	if b.bytes.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	if err := b.bytes.Acquire(ctx, n); err != nil {
		return events.Wrap(events.Transient, "functions.Write", err, "too many large requests are in flight; nothing was written, try again in a moment")
	}
	return nil
}

func (b *budget) give(n int64) { b.bytes.Release(n) }
