package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// countEvery is how often the answers that are kept are counted for the operator, in looks.
const countEvery = 12

// Run works on jobs until ctx ends: those that clients ask for here, and those that no node works on. Then it gives
// back what it has begun, so that others go on.
func (j *Jobs) Run(ctx context.Context) {
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer j.settled()
	defer stop(errStopping)
	tick := time.NewTicker(j.Limits.Lease / beats)
	defer tick.Stop()
	failing := false
	look := func(count bool) {
		err := j.look(working, count)
		if err != nil && !failing && ctx.Err() == nil {
			j.Logger.Warn("the jobs can't be looked for now; it is tried again", "error", err)
		}
		failing = err != nil
	}
	look(true)
	for looks := 1; ; {
		select {
		case <-ctx.Done():
			return
		case of := <-j.asked:
			j.start(working, of)
		case <-j.freed:
			look(false)
		case <-tick.C:
			look(looks%countEvery == 0)
			looks++
		}
	}
}

// settled waits until no job is worked on any more.
func (j *Jobs) settled() {
	for deadline := time.Now().Add(2 * settleTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		j.mu.Lock()
		left := len(j.running)
		j.mu.Unlock()
		if left == 0 {
			return
		}
	}
}

// candidate is a job that no node works on.
type candidate struct {
	name
	asked time.Time
}

// look begins jobs that no node works on, as long as there is a place: of tenants with few jobs here first, and then
// the oldest.
func (j *Jobs) look(ctx context.Context, count bool) error {
	leased := map[name]bool{}
	free, waiting := []candidate{}, 0
	err := j.each(ctx, kindLease, "", func(of name, _ projections.Memo) bool {
		leased[of] = true
		return true
	})
	if err != nil {
		return err
	}
	if err := j.each(ctx, kindOpen, "", func(of name, memo projections.Memo) bool {
		waiting++
		one := open{}
		if !leased[of] && j.serves(memo) && decode(memo.Value, &one) == nil {
			free = append(free, candidate{of, one.Asked})
		}
		return true
	}); err != nil {
		return err
	}
	j.mu.Lock()
	j.counts.Open = waiting
	j.mu.Unlock()
	if count {
		err = j.countKept(ctx)
	}
	for len(free) > 0 && j.places() > 0 {
		next := j.choose(free)
		j.start(ctx, free[next].name)
		free = slices.Delete(free, next, next+1)
	}
	return err
}

// places is how many jobs may be begun here.
func (j *Jobs) places() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Limits.Running - len(j.running)
}

// choose tells which job is the next.
func (j *Jobs) choose(free []candidate) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	busy := map[string]int{}
	for of := range j.running {
		busy[of.tenant]++
	}
	best := 0
	for n, one := range free {
		first := free[best]
		if busy[one.tenant] < busy[first.tenant] ||
			busy[one.tenant] == busy[first.tenant] && one.asked.Before(first.asked) {
			best = n
		}
	}
	return best
}

// countKept counts the answers that are kept.
func (j *Jobs) countKept(ctx context.Context) error {
	answers, bytes := 0, int64(0)
	var broken error
	err := j.each(ctx, kindKept, "", func(_ name, memo projections.Memo) bool {
		one := kept{}
		broken = errors.Join(broken, decode(memo.Value, &one))
		answers, bytes = answers+1, bytes+one.Bytes
		return true
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Kept, j.counts.KeptBytes = answers, bytes
	if err == nil && broken != nil {
		err = events.Wrap(events.Internal, op, broken, "a count of answers can't be read")
	}
	return err
}
