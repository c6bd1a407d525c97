package write

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Times of the gate.
const (
	gateFresh   = 250 * time.Millisecond // a verdict this young is used as it is
	gateUsable  = time.Second            // a good verdict this young is used while the next one is made
	gateTimeout = 2 * time.Second        // bound of making a verdict
)

// gate tells whether an event may be appended: the index and the blobs answer and the projector keeps up (ADR 18). A
// log that doesn't answer for a moment closes no gate that was open: its own Append knows whether to wait for it or to
// refuse. Verdicts are shared by all requests for a moment, so a write costs no extra round trip while others are under
// way.
type gate struct {
	log     events.Log
	index   Index
	ready   func(context.Context) error // of the index
	away    func() time.Time            // when somebody saw that it is not
	blobs   projections.Blobs
	fit     *functions.Fit
	trouble func(partition int32) (since time.Time, err error) // of the projector here
	limits  Limits

	mu       sync.Mutex
	verdicts map[int32]*verdict
}

type verdict struct {
	made   time.Time
	err    error
	seen   bool          // the log has answered before
	making chan struct{} // closed when the verdict being made is there; nil when none is
	next   int64         // the projector's place when it was seen last
	lagged bool          // it had something to do then
	moved  time.Time     // when it last was seen to go on, or to have nothing to do
	// events that may be appended on this verdict: what is appended from then on counts as not projected
	room int64
}

// enter takes a place for one event on a verdict; false: there is none, and the verdict has to be made anew.
func (v *verdict) enter() bool {
	if v.err != nil || v.room <= 0 {
		return false
	}
	v.room--
	return true
}

// newGate makes the gate of a function whose limits are settled.
func newGate(w *Writer) *gate {
	g := &gate{log: w.Log, index: w.Index, ready: w.IndexReady, away: w.IndexAway, blobs: w.Blobs, fit: w.Fit,
		trouble: w.Trouble, limits: w.limits, verdicts: make(map[int32]*verdict)}
	if g.ready == nil {
		g.ready = func(context.Context) error { return nil }
	}
	if g.away == nil {
		g.away = func() time.Time { return time.Time{} }
	}
	if g.trouble == nil {
		g.trouble = func(int32) (time.Time, error) { return time.Time{}, nil }
	}
	return g
}

// check returns nil when events of the partition may be appended, or an error of kind Transient.
func (g *gate) check(ctx context.Context, partition int32) error {
	if err := g.fit.Err(); err != nil {
		return events.Wrap(events.Transient, "write.Writer", err, "the log is not the one that this server's data "+
			"was made from; nothing was written, the operator has to put it right")
	}
	g.mu.Lock()
	v := g.verdicts[partition]
	if v == nil {
		v = new(verdict)
		g.verdicts[partition] = v
	}
	age := time.Since(v.made)
	if v.err == nil && g.away().After(v.made) { // somebody has seen since that it is good no more
		age = gateUsable
	}
	if age < gateFresh && v.err != nil {
		defer g.mu.Unlock()
		return v.err
	}
	if age < gateFresh && v.enter() {
		g.mu.Unlock()
		return nil
	}
	if v.making == nil {
		v.making = make(chan struct{})
		go g.make(partition, v)
	}
	if age < gateUsable && v.enter() {
		g.mu.Unlock()
		return nil
	}
	making := v.making
	g.mu.Unlock()
	select {
	case <-making:
	case <-ctx.Done():
		return events.Wrap(events.Transient, "write.Writer", ctx.Err(), "the caller left before anything was appended")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.err == nil && !v.enter() {
		return events.Errorf(events.Transient, "write.Writer",
			"as many events wait for the projector as the %d allowed; nothing was written, try again later",
			g.limits.LagRecords)
	}
	return v.err
}

// make makes a verdict apart from any request, so that one who leaves spoils it for nobody.
func (g *gate) make(partition int32, v *verdict) {
	s := g.look(partition)
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case s.err != nil:
		v.err = s.err
	case s.silent == nil:
		stands := v.seen && v.next == s.next && s.next < s.end // else another node projects
		v.err = v.judge(now, s.next, s.end, g.limits)
		if since, err := g.trouble(partition); v.err == nil && err != nil && stands &&
			now.Sub(since) >= g.limits.LagTrouble {
			v.err = away(err, "the projector")
		}
	case v.seen:
		v.err = v.extend(now, s.next, g.limits)
	default:
		v.err = s.silent
	}
	v.made = now
	close(v.making)
	v.making = nil
}

// judge compares the projector's place with the log's end.
func (v *verdict) judge(now time.Time, next, end int64, limits Limits) error {
	lag := end - next
	if lag <= 0 || next != v.next || !v.lagged {
		v.moved = now
	}
	v.next, v.lagged, v.room, v.seen = next, lag > 0, limits.LagRecords-lag, true
	switch {
	case lag >= limits.LagRecords:
		return events.Errorf(events.Transient, "write.Writer",
			"the projector is %d events behind, and %d are allowed; nothing was written, try again later", lag,
			limits.LagRecords)
	case now.Sub(v.moved) > limits.LagStall:
		return events.Errorf(events.Transient, "write.Writer", "the projector has stood still for more than %v with "+
			"%d events before it; nothing was written, try again later", limits.LagStall, lag)
	}
	return nil
}

// extend goes on with the verdict before while the log doesn't tell its end: what was appended since has been counted,
// and the projector, which can't read the log either, isn't blamed for standing still.
func (v *verdict) extend(now time.Time, next int64, limits Limits) error {
	v.room += max(0, next-v.next)
	v.next, v.moved = max(v.next, next), now
	if v.room <= 0 {
		return events.Errorf(events.Transient, "write.Writer",
			"the log does not answer and %d events wait for the projector; nothing was written, try again later",
			limits.LagRecords)
	}
	return nil
}

// sight is what the parts say.
type sight struct {
	next, end int64 // the projector's place, and the log's end
	silent    error // why the log doesn't tell its end
	err       error // what else is away
}

// look asks all parts at once.
func (g *gate) look(partition int32) (s sight) {
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		state, err := g.index.State(ctx, partition)
		s.next = state.Next
		return away(err, "the search index")
	})
	group.Go(func() error { return away(g.ready(ctx), "the search index") })
	group.Go(func() error {
		ends, err := g.log.Ends(ctx)
		s.silent = away(err, "the log")
		for _, e := range ends {
			if e.Partition == partition {
				s.end = e.Next
			}
		}
		return nil
	})
	group.Go(func() error { return away(g.blobs.Ready(ctx), "the blob store") })
	s.err = group.Wait()
	return s
}

// away makes a part's failure the reason why nothing is appended. Of the failure a client may read its text, unless it
// is of kind Internal.
func away(err error, part string) error {
	var told *events.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told) && told.Kind != events.Internal && told.Text != "":
		return events.Wrap(events.Transient, "write.Writer", err,
			"%s can't be used now: %s; nothing was written, try again later", part,
			strings.TrimSuffix(told.Text, "; nothing was written"))
	}
	return events.Wrap(events.Transient, "write.Writer", err,
		"%s does not answer; nothing was written, try again later", part)
}
