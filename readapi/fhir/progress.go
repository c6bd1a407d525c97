package fhir

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

// progress knows how far the projections of one partition have come, at the price of few round trips: what was seen
// stays true. An index that has gone back answers no read until it has reached again what the log held (ADR 28).
type progress struct {
	reader    projections.Reader
	partition int32
	fresh     time.Duration // a position younger than this is not asked for again, only to be up to date
	bound     time.Duration // how long a read waits for a position
	asking    sync.Mutex
	seen      atomic.Pointer[mark]
}

type mark struct {
	next  int64
	asked time.Time
}

// next returns an offset that the projections have reached: every record before it is projected. It may be behind by
// a few moments; an index that does not answer leaves what was known.
func (p *progress) next(ctx context.Context) int64 {
	seen := p.seen.Load()
	if seen != nil && time.Since(seen.asked) < p.fresh {
		return seen.next
	}
	if !p.asking.TryLock() {
		if seen == nil {
			return 0
		}
		return seen.next
	}
	defer p.asking.Unlock()
	next, err := p.ask(ctx)
	if err != nil && seen != nil {
		return seen.next
	}
	return next
}

// ask reads the stored position; the caller holds asking.
func (p *progress) ask(ctx context.Context) (int64, error) {
	state, err := p.reader.State(ctx, p.partition)
	if err != nil {
		return 0, err
	}
	next := state.Next
	if seen := p.seen.Load(); seen != nil {
		next = max(next, seen.next)
	}
	p.seen.Store(&mark{next: next, asked: time.Now()})
	return next, nil
}

// wait returns when the record at the position is projected, or fails with kind Transient after the bound.
func (p *progress) wait(ctx context.Context, position events.Position) error {
	if position.Partition != p.partition {
		return events.Errorf(events.Invalid, "fhir.progress",
			"%s names partition %d, but this data is in partition %d; send back the %s of an answer as it came",
			rest.HeaderMinPosition, position.Partition, p.partition, rest.HeaderPosition)
	}
	if seen := p.seen.Load(); seen != nil && seen.next > position.Offset {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	const shortest, longest = time.Millisecond, 50 * time.Millisecond
	var failure error
	for delay := shortest; ; delay = min(2*delay, longest) {
		reached, err := p.reached(ctx, position.Offset, delay)
		if reached {
			return nil
		}
		if err != nil {
			failure = err
		}
		select {
		case <-ctx.Done():
			return &events.Error{Kind: events.Transient, Op: "fhir.progress", Err: failure,
				Text: "position " + position.String() + " is not projected yet, after waiting for " +
					p.bound.String() + "; try again"}
		case <-time.After(delay):
		}
	}
}

// reached asks the index, unless somebody else is asking or did so within the delay: many waiting reads ask no more
// than one.
func (p *progress) reached(ctx context.Context, offset int64, delay time.Duration) (bool, error) {
	if p.asking.TryLock() {
		defer p.asking.Unlock()
		if seen := p.seen.Load(); seen == nil || time.Since(seen.asked) >= delay {
			if _, err := p.ask(ctx); err != nil {
				return false, err
			}
		}
	}
	seen := p.seen.Load()
	return seen != nil && seen.next > offset, nil
}

// reach waits for the position that the answer must have reached, if one is named.
func (d *Door) reach(ctx context.Context, ask *rest.Ask) error {
	if ask.Reach == nil {
		return nil
	}
	return d.progress.wait(ctx, *ask.Reach)
}

// stamp tells a position that the answer has reached: what the projections were known to have reached before it was
// read, or the newest version shown.
func (d *Door) stamp(answer *rest.Answer, reached int64, shown ...projections.Version) {
	for i := range shown {
		if shown[i].Position.Partition == d.Partition {
			reached = max(reached, shown[i].Position.Offset+1)
		}
	}
	if reached > 0 {
		answer.Reached, answer.Known = events.Position{Partition: d.Partition, Offset: reached - 1}, true
	}
}
