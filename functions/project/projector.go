package project

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Projector decides: it turns the records of the log, in order, into versions, terms, blobs and outcomes. Its Handle is
// the handler of a Watermill router, its Seek says where a follower of the log starts. Fields must be set before the
// first call and stay as they are.
//
// What a Projector makes is a function of the records of the partition alone. Each commit moves the stored position,
// under the condition that nobody else has moved it: with two of them on one partition one wins, and the other drops
// its work and reads the position again.
type Projector struct {
	Index    projections.Writer
	Blobs    projections.Blobs
	Dialects *projections.Dialects
	// told what became known with each commit: Waiters.Resolve; nil: nobody waits in this process
	Told func(partition int32, outcomes []events.Outcome)
	// told after each commit, and where a follower starts; nil: the decisions of this process are published elsewhere
	Publish *functions.Publish
	// brings back a lost blob that an update must be compared with; nil: such an update counts as a change
	Heal *functions.Heal
	// made the ids of this process's doors; nil: every id is looked up
	Fresh *functions.Fresh
	// while it tells of a misfit nothing is projected; nil: the log always fits
	Fit *functions.Fit
	// the log's identity (LogIdentity), kept with what is made of it
	LogID  string
	Reseek func() // Follower.Reseek
	// decide a batch while the one before is committed: Handle may return before its last commit has ended; see Settle
	Ahead  bool
	Logger *slog.Logger // nil: slog.Default()

	// 0: events.DecisionBytes; another one is for tests, because all who ever decide must decide alike
	decisionBytes int

	mu       sync.Mutex
	lines    map[int32]*followed
	troubles map[int32]trouble
}

// followed is a line with its place in what a follower delivers.
type followed struct {
	sync.Mutex
	*Line
	// everything from where the follower started up to this offset was seen; -1: nobody knows where it started
	delivered int64
}

func (p *Projector) line(partition int32) *followed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines == nil {
		p.lines = make(map[int32]*followed)
	}
	if p.lines[partition] == nil {
		l := &followed{Line: p.Line(partition), delivered: -1}
		l.ahead, l.fresh = p.Ahead, p.Fresh
		l.crashed = func(f *flight) { p.crashed(l, f) }
		l.arrived = l.ended
		p.lines[partition] = l
	}
	return p.lines[partition]
}

func (p *Projector) logger() *slog.Logger {
	if p.Logger == nil {
		return slog.Default()
	}
	return p.Logger
}

// Seek tells where a follower of the log starts: at the stored position. It is an events.Seek.
func (p *Projector) Seek(ctx context.Context, partition int32) (int64, error) {
	if err := p.Fit.Err(); err != nil {
		return 0, err
	}
	l := p.line(partition)
	l.Lock()
	defer l.Unlock()
	l.Forget()
	if err := l.load(ctx); err != nil {
		return 0, err
	}
	l.delivered = l.state.Next
	if p.Publish != nil { // there may be decisions for the feed
		p.Publish.Decided(partition, l.state.Next, l.state.Next, nil)
	}
	return l.state.Next, nil
}

// Handle projects a batch of records that a follower delivers. It returns nil when the batch is done with: projected,
// projected before, or dropped because the follower stands at the wrong place and was sent to look again. After an
// error (kind Transient as a rule: a store is away) the same batch is to be given again; what was committed of it is
// passed over then.
func (p *Projector) Handle(msg *message.Message) (err error) {
	records, err := events.Records(msg)
	if err != nil || len(records) == 0 {
		return err
	}
	if err := p.Fit.Err(); err != nil {
		return err
	}
	l := p.line(records[0].Position.Partition)
	l.Lock()
	defer l.Unlock()
	ctx := msg.Context()
	defer func() {
		if err != nil && ctx.Err() == nil {
			p.troubled(l.partition, err)
		}
	}()
	if err := l.load(ctx); err != nil {
		return err
	}
	end := records[len(records)-1].Position.Offset + 1
	for len(records) > 0 && records[0].Position.Offset < l.state.Next {
		records = records[1:]
	}
	if len(records) == 0 {
		l.delivered = max(l.delivered, end)
		p.untroubled(l.partition)
		return nil
	}
	// Offsets may have holes that never held a record. One after the stored position is harmless when the follower
	// delivered everything since a place at or before that position.
	if first := records[0].Position.Offset; first > l.state.Next && (l.delivered < 0 || l.delivered > l.state.Next) {
		return p.lost(l, "records between the stored position and the batch were not delivered", "stored", l.state.Next,
			"batch", first)
	}
	err = l.Project(ctx, records, func(c *projections.Commit, outcomes []events.Outcome) {
		p.untroubled(l.partition)
		if p.Publish != nil {
			p.Publish.Decided(c.Partition, c.Expect, c.Next, decisionsOf(c))
		}
		if p.Told != nil {
			p.Told(l.partition, outcomes)
		}
	})
	switch {
	case err == nil:
		l.delivered = max(l.delivered, end)
		if len(records) > 1 { // after one that came alone nothing is to be gathered, as a rule
			l.rest(ctx)
		}
		return nil
	case events.KindOf(err) == events.Conflict:
		return p.lost(l, "somebody else has advanced the stored position, or the generation has changed", "error", err)
	}
	return err
}

// decisionsOf returns what the index tells as Decisions when a commit is made.
func decisionsOf(c *projections.Commit) []events.Decision {
	decisions := make([]events.Decision, 0, len(c.Outcomes)+len(c.Quarantined))
	quarantined := c.Quarantined
	before := func(offset int64) { // those without an outcome
		for len(quarantined) > 0 && quarantined[0].Record.Position.Offset < offset {
			q := &quarantined[0]
			decisions = append(decisions, events.Decision{Quarantined: q.Reason,
				Outcome: events.Outcome{Position: q.Record.Position, Time: q.Record.Time}})
			quarantined = quarantined[1:]
		}
	}
	for i := range c.Outcomes {
		d := events.Decision{Outcome: c.Outcomes[i]}
		before(d.Outcome.Position.Offset)
		if len(quarantined) > 0 && quarantined[0].Record.Position == d.Outcome.Position {
			d.Quarantined, quarantined = quarantined[0].Reason, quarantined[1:]
		}
		decisions = append(decisions, d)
	}
	before(c.Next)
	return decisions
}

// crashed sees to a commit that failed while nobody waits for it. A batch that is being handled finds out by itself.
func (p *Projector) crashed(l *followed, f *flight) {
	l.Lock()
	defer l.Unlock()
	if l.flight != f {
		return
	}
	err := l.land()
	l.careful = true
	if err != nil && events.KindOf(err) != events.Conflict {
		p.troubled(l.partition, err)
	}
	_ = p.lost(l, "a commit has failed", "error", err) // it answers nil
}

// ended lands a flight that nobody may land for a long time: what it holds is large.
func (l *followed) ended(f *flight) {
	l.Lock()
	defer l.Unlock()
	if l.flight == f {
		_ = l.land() // it has ended well
	}
}

// Settle waits for the commits that are under way, until ctx ends: then they are called back. It is to be called when
// no more batches come.
func (p *Projector) Settle(ctx context.Context) error {
	p.mu.Lock()
	lines := slices.Collect(maps.Values(p.lines))
	p.mu.Unlock()
	var failed error
	for _, l := range lines {
		l.Lock()
		failed = errors.Join(failed, l.settle(ctx))
		l.Unlock()
	}
	return failed
}

// Observed is told where the index says that its partitions stand. An index whose server has lost its last commits in a
// crash is behind what this projector has committed: it looks for its place again then, although no record may come
// that would run into it.
func (p *Projector) Observed(ctx context.Context, states map[int32]projections.State) {
	p.mu.Lock()
	lines := slices.Collect(maps.Values(p.lines))
	p.mu.Unlock()
	for _, l := range lines {
		if !l.TryLock() {
			continue // a batch is being handled: its commit finds out
		}
		if l.known && states[l.partition].Next < l.state.Next && p.wentBack(ctx, l) {
			_ = p.lost(l, "the index has gone back", "projected", l.state.Next) // it answers nil
		}
		l.Unlock()
	}
}

// wentBack asks the index itself, when nothing is being committed: what was observed may be older than the last commit.
// The caller holds the line.
func (p *Projector) wentBack(ctx context.Context, l *followed) bool {
	if l.flight != nil {
		if !l.landed() || l.land() != nil {
			return false
		}
	}
	state, err := l.index.State(ctx, l.partition)
	return err == nil && state.Next < l.state.Next
}

// lost sends the follower to look for its place again.
func (p *Projector) lost(l *followed, why string, details ...any) error {
	l.Forget()
	l.delivered = -1
	p.logger().Info("the projector looks for its place again: "+why,
		append([]any{"partition", l.partition}, details...)...)
	p.Reseek()
	return nil
}

// troubleFresh is how long a failure counts when it does not come again: the partition may have gone to another node
// meanwhile.
const troubleFresh = 15 * time.Second

// trouble is why a partition is not projected on.
type trouble struct {
	err         error
	since, last time.Time
}

// troubled notes that the records of a partition could not be projected.
func (p *Projector) troubled(partition int32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.troubles == nil {
		p.troubles = map[int32]trouble{}
	}
	now := time.Now()
	t, known := p.troubles[partition]
	if !known || now.Sub(t.last) > troubleFresh {
		t.since = now
	}
	t.err, t.last = err, now
	p.troubles[partition] = t
}

// untroubled notes that records of a partition were projected.
func (p *Projector) untroubled(partition int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.troubles, partition)
}

// Trouble is why records that this projector has are not projected, as its last tries have told, and since when. Of
// several partitions it tells of the first.
func (p *Projector) Trouble() (since time.Time, err error) {
	p.mu.Lock()
	partitions := slices.Sorted(maps.Keys(p.troubles))
	p.mu.Unlock()
	for _, partition := range partitions {
		if since, err = p.TroubleOf(partition); err != nil {
			break
		}
	}
	return since, err
}

// TroubleOf is [Projector.Trouble] of one partition.
func (p *Projector) TroubleOf(partition int32) (since time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, known := p.troubles[partition]; known && time.Since(t.last) < troubleFresh {
		return t.since, events.Wrap(events.Transient, "project.Projector", t.err,
			"partition %d can't be projected on: %s", partition, reason(t.err))
	}
	return time.Time{}, nil
}

// reason is what anybody may read of an error.
func reason(err error) string {
	var told *events.Error
	if errors.As(err, &told) && told.Kind != events.Internal && told.Text != "" {
		return told.Text
	}
	return "the node's log tells why"
}
