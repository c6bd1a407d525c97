package functions

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"binnacle/events"
	"binnacle/projections"
)

// Times and counts of Publish.
const (
	publishRecords = 1_000 // decisions that are published at once
	// between two publications of a partition, so that they are few and large: each waits for the disk
	publishRest     = 100 * time.Millisecond
	publishKept     = 20_000                 // results and links of decisions that are kept until they are published
	publishRetry    = 100 * time.Millisecond // before the first attempt after a failed one; it doubles
	publishRetryMax = 5 * time.Second
)

// Decided is the part of an index that Publish reads.
type Decided interface {
	// State is projections.Writer.State.
	State(ctx context.Context, partition int32) (projections.State, error)
	// Decisions is projections.Auditor.Decisions.
	Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error)
}

// Publish brings the decisions of a live index to the feed. The index is the outbox for what this process does not have
// in memory: what was decided stands there in the transaction that made it take effect, in the order of the log, and
// the feed tells how far it has come. So whatever happens between a commit and its publication, the next process goes
// on where the feed ends; and two that publish the same leave each decision once.
//
// It publishes the partitions that [project.Projector] tells it of: those that this process projects. Fields must be
// set before the first call and stay as they are.
type Publish struct {
	Index  Decided // the live one: a generation that is being built publishes nothing
	Feed   events.Feed
	Logger *slog.Logger
	// Patience is how long others are given to publish a decision first. Nodes that project the same partitions into an
	// index of each have a different one each; 0: the others do not project what this one does.
	Patience time.Duration

	mu         sync.Mutex
	wake       chan struct{} // buffered by one: there may be something to publish
	partitions map[int32]*publishing
}

// publishing is one partition's place.
type publishing struct {
	decided int64     // records before this offset are decided, as far as this process knows
	done    int64     // and before this one nothing is left to publish, as far as this process has published
	known   bool      // done is at or behind the feed's end
	seen    bool      // done was that at some time
	since   time.Time // since when something is left; zero: nothing is
	// all decisions on records in [from, decided), as they were told; the index has the others
	ready []events.Decision
	from  int64
	kept  int // about how much ready holds
}

// keep takes over the decisions on the records in [from, next).
func (at *publishing) keep(from, next int64, decisions []events.Decision) {
	if from != at.decided {
		at.ready, at.from, at.kept = nil, from, 0
	}
	at.kept += weight(decisions)
	large := at.kept > publishKept && len(at.ready)+len(decisions) > 1 // one that is large is as large when it is read
	if large || slices.ContainsFunc(decisions, unwritten) {
		at.ready, at.from, at.kept = nil, next, 0
	} else {
		at.ready = append(at.ready, decisions...)
	}
	at.decided = next
}

// weight is about how much decisions hold: results, links and removals.
func weight(decisions []events.Decision) int {
	n := len(decisions)
	for i := range decisions {
		for _, r := range decisions[i].Outcome.Results {
			n += 1 + len(r.Links) + len(r.Removed)
		}
	}
	return n
}

// unwritten tells whether an index changes the text of a refusal when it writes it: then what it has written counts.
func unwritten(d events.Decision) bool {
	no := d.Outcome.Refusal
	return no != nil && (!utf8.ValidString(no.Text) || !utf8.ValidString(no.Expression))
}

// take returns the first of the decisions from an offset on, as far as they are kept; false when they may not be.
func (at *publishing) take(done int64) (decisions []events.Decision, all bool) {
	if done < at.from || done > at.decided {
		return nil, false
	}
	n := 0
	for n < len(at.ready) && at.ready[n].Outcome.Position.Offset < done {
		n++
	}
	at.kept -= weight(at.ready[:n])
	if at.ready, at.from = at.ready[n:], done; len(at.ready) == 0 {
		at.ready = nil
	}
	n = min(len(at.ready), publishRecords)
	return at.ready[:n:n], true
}

// woken is the channel on which Handle hears of decisions; the caller holds mu.
func (p *Publish) woken() chan struct{} {
	if p.wake == nil {
		p.wake, p.partitions = make(chan struct{}, 1), make(map[int32]*publishing)
	}
	return p.wake
}

// Decided tells that the records of a partition before an offset have been decided, and gives all decisions on those in
// [from, next), in their order. It keeps them until they are published, or are too many. It never waits.
func (p *Publish) Decided(partition int32, from, next int64, decisions []events.Decision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wake := p.woken()
	at := p.partitions[partition]
	if at == nil {
		at = &publishing{}
		p.partitions[partition] = at
	}
	at.keep(from, next, decisions)
	if at.since.IsZero() && at.done < next {
		at.since = time.Now()
	}
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Lag tells how many records have been decided whose decisions are not known to be in the feed, and for how long there
// have been any. While the feed has not told yet how far it has come, it counts one.
func (p *Publish) Lag() (records int64, age time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.partitions {
		if at.since.IsZero() {
			continue
		}
		age = max(age, time.Since(at.since))
		if at.seen {
			records += max(1, at.decided-at.done)
		} else {
			records++
		}
	}
	return records, age
}

// Handle publishes until ctx ends. What fails is tried again for ever; the log tells of it once, and when it is over.
func (p *Publish) Handle(ctx context.Context) error {
	logger := p.Logger
	if logger == nil {
		logger = slog.Default()
	}
	p.mu.Lock()
	wake := p.woken()
	p.mu.Unlock()
	failing, retry := false, publishRetry
	for {
		if !failing {
			select {
			case <-wake:
			case <-ctx.Done():
				return nil
			}
			if !sleep(ctx, p.Patience) {
				return nil
			}
		}
		err := p.publishAll(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is how it is asked to stop; the next process goes on
		}
		switch {
		case err != nil && !failing:
			logger.Error("decisions cannot be published to the feed; it is tried again until it works, and nothing "+
				"is lost meanwhile", "error", err)
		case err == nil && failing:
			logger.Info("decisions are published to the feed again")
		}
		rest := publishRest
		if failing = err != nil; failing {
			rest, retry = retry, min(2*retry, publishRetryMax)
		} else {
			retry = publishRetry
		}
		if !sleep(ctx, rest) {
			return nil
		}
	}
}

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// publishAll publishes what is left of all partitions. One that fails does not hold up the others.
func (p *Publish) publishAll(ctx context.Context) error {
	var failed error
	for partition, at := range p.left() {
		for more := true; more; {
			var err error
			if more, err = p.publish(ctx, partition, at); err != nil {
				failed = err
				break
			}
		}
	}
	return failed
}

// left returns the partitions of which something may be left.
func (p *Publish) left() map[int32]*publishing {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := make(map[int32]*publishing)
	for partition, at := range p.partitions {
		if !at.known || at.done < at.decided {
			left[partition] = at
		}
	}
	return left
}

// publish publishes what is left of a partition, at most one batch; more tells that there may be another.
func (p *Publish) publish(ctx context.Context, partition int32, at *publishing) (more bool, err error) {
	p.mu.Lock()
	decided, done, known := at.decided, at.done, at.known
	p.mu.Unlock()
	if !known || p.Patience > 0 { // others may have published
		if done, err = p.Feed.End(ctx, partition); err != nil {
			return false, err
		}
	}
	p.mu.Lock()
	decisions, all := at.take(done)
	if all {
		decided = at.decided
	}
	p.mu.Unlock()
	if !all {
		decisions, err = p.Index.Decisions(ctx, events.Position{Partition: partition, Offset: done}, publishRecords)
	}
	if err != nil {
		return false, err
	}
	if n := len(decisions); n > 0 {
		if err := p.Feed.Publish(ctx, decisions); err != nil {
			p.settle(at, done, false)
			return false, err
		}
		p.settle(at, decisions[n-1].Outcome.Position.Offset+1, true)
		return true, nil
	}
	if all {
		p.settle(at, decided, true)
		return false, nil
	}
	// What lies between has no decision of its own, if everything before decided is in the index. It isn't in one that
	// was lost and is filled anew: then the decisions come again, and with them a call of Decided.
	state, err := p.Index.State(ctx, partition)
	if err != nil {
		return false, err
	}
	if state.Next >= decided {
		done = max(done, decided)
	}
	p.settle(at, done, true)
	return false, nil
}

// settle notes how far a partition has come.
func (p *Publish) settle(at *publishing, done int64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at.done, at.known, at.seen = done, known, true
	if known && at.done >= at.decided {
		at.since = time.Time{}
	}
}
