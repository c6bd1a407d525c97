package functions

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"binnacle/events"
)

// budget bounds the memory of bodies in flight.
type budget struct {
	bytes *semaphore.Weighted
	wait  time.Duration
	large chan struct{} // a place for each large body that is being worked on
}

// largeBody is the size in bytes from which a body takes a place while it is worked on, which needs four times its size. More of them
// at once than there are cores make nothing faster: they only keep the collector busy.
const largeBody = 256 << 10

func newBudget(bytes int64, wait time.Duration) *budget {
	return &budget{bytes: semaphore.NewWeighted(bytes), wait: wait, large: make(chan struct{}, runtime.GOMAXPROCS(0)+1)}
}

// work waits for a place for a body of n bytes; whoever has one gives it back in bounded time. It is given back by calling done, once or
// more often.
func (b *budget) work(ctx context.Context, n int) (done func(), err error) {
	if n < largeBody {
		return func() {}, nil
	}
	select {
	case b.large <- struct{}{}:
		return sync.OnceFunc(func() { <-b.large }), nil
	case <-ctx.Done():
		return func() {}, events.Wrap(events.Transient, "functions.Write", ctx.Err(), "the caller left before anything was written")
	}
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
