package indexbench

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"binnacle/events"
	"binnacle/projections"
)

// Loader commits records, and remembers how long that took.
type Loader struct {
	Index    projections.Writer
	Batch    int                   // versions of a commit, at least; a record is never divided
	Firsts   []int64               // the Sid of each patient's first resource
	Progress func(resources int64) // told after each commit

	state    projections.State
	pending  projections.Commit
	Commits  *hdrhistogram.Histogram // microseconds of each commit
	marks    []mark
	Versions int64
}

// mark is how far the load was at some time, counted in time spent inside the driver.
type mark struct {
	versions int64
	inside   time.Duration
	wall     time.Time
}

// Begin reads where the index stands.
func (l *Loader) Begin(ctx context.Context) (err error) {
	l.state, err = l.Index.State(ctx, 0)
	l.Commits = hdrhistogram.New(1, time.Hour.Microseconds(), 3)
	l.marks = []mark{{wall: time.Now()}}
	l.Versions = 0
	l.pending = projections.Commit{Expect: l.state.Next, Next: l.state.Next}
	return err
}

// Add puts a record into the next commit, and commits when that is full.
func (l *Loader) Add(ctx context.Context, r Record) error {
	at := events.Position{Offset: l.pending.Next}
	when := began.Add(time.Duration(at.Offset) * 10 * time.Millisecond)
	if r.at == nil && r.patient >= 0 {
		l.Firsts = append(l.Firsts, l.state.NextSid+int64(len(l.pending.Rows)))
	}
	for i := range r.rows {
		row := &r.rows[i]
		row.Sid, row.Position, row.Change, row.Time = l.state.NextSid+int64(len(l.pending.Rows)+i), at, i, when
	}
	l.pending.Outcomes = append(l.pending.Outcomes, outcomeOf(r.rows, at, when))
	l.pending.Rows = append(l.pending.Rows, r.rows...)
	l.pending.Next++
	l.pending.Time = when
	if len(l.pending.Rows) >= l.Batch {
		return l.Flush(ctx)
	}
	return nil
}

// Flush commits what is there.
func (l *Loader) Flush(ctx context.Context) error {
	n := int64(len(l.pending.Rows))
	if n == 0 {
		return nil
	}
	started := time.Now()
	if err := l.Index.Commit(ctx, l.pending); err != nil {
		return err
	}
	took := time.Since(started)
	_ = l.Commits.RecordValue(took.Microseconds()) // out of range would be above an hour
	l.Versions += n
	last := l.marks[len(l.marks)-1]
	l.marks = append(l.marks, mark{l.Versions, last.inside + took, time.Now()})
	l.state.Next, l.state.NextSid = l.pending.Next, l.state.NextSid+n
	l.pending = projections.Commit{Expect: l.state.Next, Next: l.state.Next, Rows: l.pending.Rows[:0], Outcomes: l.pending.Outcomes[:0]}
	if l.Progress != nil {
		l.Progress(n)
	}
	return nil
}

// Rates are versions per second of time inside the driver: of all commits, of the last tenth; and of all by the clock,
// extraction included, which goes on beside.
func (l *Loader) Rates() (all, lastTenth, wall float64) {
	first, last := l.marks[0], l.marks[len(l.marks)-1]
	tenth := first
	for _, m := range l.marks {
		if m.versions <= l.Versions-l.Versions/10 {
			tenth = m
		}
	}
	rate := func(versions int64, d time.Duration) float64 { return float64(versions) / max(d.Seconds(), 1e-9) }
	return rate(last.versions, last.inside), rate(last.versions-tenth.versions, last.inside-tenth.inside), rate(last.versions, last.wall.Sub(first.wall))
}
