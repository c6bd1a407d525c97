package project

import (
	"context"

	"binnacle/events"
	"binnacle/projections"
)

// flight is a commit under way. A line that works ahead decides the next chunk meanwhile, on what is committed and what the flight will
// have made of it. There is one flight at most: the next one starts when it has landed.
type flight struct {
	decided  *overlay                   // the versions that it makes current
	outcomes map[string]*events.Outcome // that it makes known, by event
	claims   map[projections.ClaimName]projections.Claim
	rows     []projections.Row
	cancel   context.CancelFunc
	done     chan struct{} // closed when the commit has ended
	err      error         // why it failed; to be read after done
}

// launch commits what was decided, and tells the outcomes as soon as they are committed. From now on the line's state is that after the
// commit. The flight before must have landed.
func (l *Line) launch(ctx context.Context, d *deciding, next int64, told func(next int64, outcomes []events.Outcome)) {
	d.commit.Partition, d.commit.Expect, d.commit.Next, d.commit.Time = l.partition, l.state.Next, next, d.state.Time
	f := &flight{decided: d.chunk, outcomes: make(map[string]*events.Outcome, len(d.commit.Outcomes)), claims: d.claims, rows: d.commit.Rows, done: make(chan struct{})}
	for i := range d.commit.Outcomes {
		f.outcomes[d.commit.Outcomes[i].EventID] = &d.commit.Outcomes[i]
	}
	for i := range f.rows {
		if e := f.decided.entries[f.rows[i].Key]; e.version.Sid == f.rows[i].Sid {
			e.version = f.rows[i].Version // with the hash
		}
	}
	d.state.Next, d.state.Origin = next, d.commit.Origin
	l.state, l.flight = d.state, f
	if l.worksAhead() {
		ctx = context.WithoutCancel(ctx) // that of a batch, which is answered before
	}
	ctx, f.cancel = context.WithCancel(ctx)
	commit, repeated := d.commit, d.told
	go func() {
		defer f.cancel()
		if f.err = l.index.Commit(ctx, commit); f.err == nil {
			told(commit.Next, append(commit.Outcomes[:len(commit.Outcomes):len(commit.Outcomes)], repeated...))
		}
		close(f.done)
		if f.err != nil && l.crashed != nil {
			l.crashed(f)
		}
	}()
}

// land waits for the flight, if there is one, and remembers what it has made current. After an error nothing is remembered any more.
func (l *Line) land() error {
	f := l.flight
	if f == nil {
		return nil
	}
	<-f.done
	l.flight = nil
	if f.err != nil {
		l.Forget()
		return f.err
	}
	for i := range f.rows {
		l.remember(f.rows[i].Key, f.rows[i].Version)
		delete(l.searches, typeName{f.rows[i].Tenant, f.rows[i].Type})
	}
	return nil
}

// fewRows is up to how many rows a commit is waited for before the next batch is taken.
const fewRows = 100

// rest waits until a commit of few rows has ended, and leaves what became of it to the next call. To decide while it is under way would save less than it costs
// to decide and commit apart what comes meanwhile: most of what a small commit costs doesn't depend on its size.
func (l *Line) rest(ctx context.Context) {
	if l.flight == nil || len(l.flight.rows) > fewRows {
		return
	}
	select {
	case <-l.flight.done:
	case <-ctx.Done():
	}
}

// landed tells whether the flight's commit has ended, so that nobody has to wait for it.
func (l *Line) landed() bool {
	if l.flight == nil {
		return false
	}
	select {
	case <-l.flight.done:
		return true
	default:
		return false
	}
}

// settle is [Line.land] in bounded time: when ctx ends, the flight is called back.
func (l *Line) settle(ctx context.Context) error {
	if l.flight != nil {
		defer context.AfterFunc(ctx, l.flight.cancel)()
	}
	return l.land()
}

// worksAhead tells whether a chunk is decided while the one before is committed.
func (l *Line) worksAhead() bool { return l.ahead && !l.careful }

// uncommitted returns the entry that a resource has in the chunk before a chunk, while that one is in flight; nil: none.
func (l *Line) uncommitted(key projections.Key) *entry {
	if l.flight == nil {
		return nil
	}
	return l.flight.decided.entries[key]
}

// inFlight tells whether the chunk in flight has versions of a type.
func (l *Line) inFlight(tenant, name string) bool {
	return l.flight != nil && l.flight.decided.touches(tenant, name)
}
