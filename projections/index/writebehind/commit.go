package writebehind

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/rows"
)

// Commit takes a commit. Through the projector's front it takes effect at once for all who read through a front, and
// is in the index later. Kind Conflict and kind Transient are as of [projections.Writer]; an error of Store comes
// later, and then to those who look.
func (x *front) Commit(ctx context.Context, c projections.Commit) error {
	x.all.mu.Lock()
	p := x.all.of(c.Partition)
	x.all.mu.Unlock()
	p.committing.Lock()
	defer p.committing.Unlock()
	if x.holder == nil || !mayWait(&c) || x.holder.Awaited() {
		return x.through(ctx, p, c)
	}
	for {
		way, landed, err := x.join(p, c)
		switch way {
		case joined:
			return err
		case solo:
			return x.through(ctx, p, c)
		case blocked:
			if err := x.all.settle(ctx, p); err != nil {
				return err
			}
			continue
		}
		state, generation, release, err := x.holder.Hold(ctx, p.number)
		if events.KindOf(err) == events.Transient {
			return x.through(ctx, p, c) // it says why when that isn't possible either
		}
		if err != nil {
			return err
		}
		if begun, err := x.begin(p, newHold(x.Index, p.number, state, generation, release), c, landed); begun || err != nil {
			return err
		}
	}
}

// way is how a commit goes.
type way int

const (
	joined  way = iota // it waits with others
	first              // it is the first that waits
	solo               // it goes through
	blocked            // what waits must be committed before
)

// join adds a commit to what waits, when something does. It tells how many holds have landed so far.
func (x *front) join(p *partition, c projections.Commit) (way, int, error) {
	g := x.all
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	p.writes(&c, now)
	h := p.waiting
	switch {
	case p.owed > 0 || g.building > 0 || g.closed || g.config.Within <= 0 || now.Sub(p.looked) < lookedFor:
		return solo, 0, nil
	case p.flushing != nil && p.flushing.err != nil, h != nil && (h.index != x.Index || g.full(h)):
		return blocked, 0, nil
	case h == nil:
		return first, p.landed, nil
	}
	return joined, 0, g.take(p, h, c)
}

// begin makes a commit the first that waits. false: another hold has landed since so many had, and the state of this
// one may be that before; try again.
func (x *front) begin(p *partition, h *hold, c projections.Commit, landed int) (begun bool, err error) {
	g := x.all
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := p.flushing; last != nil { // the promise was made for what follows it
		h.state, h.commit.Expect = last.state, last.state.Next
	}
	if p.owed == 0 && p.landed == landed {
		err = g.take(p, h, c)
		begun = err == nil
	}
	if !begun {
		h.release()
		return false, err
	}
	p.waiting = h
	h.timer = time.AfterFunc(g.config.Within, func() { g.due(p, h) })
	return true, nil
}

// mayWait tells whether a commit is of those that wait.
func mayWait(c *projections.Commit) bool {
	if c.Spend || len(c.Rows) > soloRows || len(c.Quarantined) > 0 || len(c.Settled) > 0 {
		return false
	}
	size := 0
	for i := range c.Contents {
		size += len(c.Contents[i].Content)
	}
	return size <= soloBytes
}

// take adds a commit to a hold, when it is right there; the caller holds mu.
func (g *Generations) take(p *partition, h *hold, c projections.Commit) error {
	if err := rows.CheckCommit(c, h.state.Next, h.state.NextSid); err != nil {
		return err
	}
	h.add(c)
	g.progressed()
	if g.full(h) {
		g.start(p)
	}
	return nil
}

// lookedFor is for how long a partition counts as being looked at. What is decided then goes through and is
// acknowledged when it is in the index, so that those who look often don't wait for it.
const lookedFor = 50 * time.Millisecond

func (g *Generations) full(h *hold) bool {
	return len(h.commit.Rows) >= g.config.Rows || h.bytes >= g.config.Bytes
}

// through commits at once, after all that waits.
func (x *front) through(ctx context.Context, p *partition, c projections.Commit) error {
	if err := x.all.settle(ctx, p); err != nil {
		return err
	}
	if err := x.Index.Commit(ctx, c); err != nil {
		return err
	}
	x.all.paid(p.number, c.Next)
	return nil
}

// due is called when a hold has waited long enough.
func (g *Generations) due(p *partition, h *hold) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.waiting == h {
		g.start(p)
	}
}

// start has what waits of a partition committed as soon as possible; the caller holds mu.
func (g *Generations) start(p *partition) {
	p.wanted = true
	if !p.running {
		p.running = true
		g.running.Go(func() { g.commitAll(p) })
	}
}

// commitAll commits what is wanted, until nothing is.
func (g *Generations) commitAll(p *partition) {
	for {
		g.mu.Lock()
		h := p.waiting
		if h == nil || !p.wanted {
			p.wanted, p.running = false, false
			g.mu.Unlock()
			return
		}
		p.waiting, p.flushing, p.wanted = nil, h, false
		g.mu.Unlock()
		h.timer.Stop()
		g.commit(p, h)
	}
}

// commit commits a hold. While the index is away it is tried again; what the index refuses for good is decided anew.
func (g *Generations) commit(p *partition, h *hold) {
	for retry := retryFirst; ; retry = min(2*retry, retryMost) {
		err := h.index.Commit(context.Background(), h.commit)
		g.mu.Lock()
		switch {
		case p.flushing != h: // it was given up
			g.mu.Unlock()
			return
		case err == nil:
			p.flushing, h.err = nil, nil
			p.landed++
			close(h.done)
			g.mu.Unlock()
			h.release()
			return
		case events.KindOf(err) != events.Transient || g.closed:
			p.abandon(err)
			g.mu.Unlock()
			g.logger.Error("the index refuses what was acknowledged; it is decided again from the log", "partition",
				p.number, "from", h.commit.Expect, "error", err)
			return
		}
		first := h.err == nil
		if h.err = err; first {
			h.away = time.Now()
			close(h.tried)
		}
		g.mu.Unlock()
		if first {
			g.logger.Warn("what was acknowledged can't be committed to the index; it is tried again, and what it "+
				"concerns can't be read until then", "partition", p.number, "error", err)
		}
		select {
		case <-time.After(retry):
		case <-h.done:
		}
	}
}

// abandon drops what is not committed: it is decided again from the log. The caller holds mu.
func (p *partition) abandon(err error) {
	for _, h := range []*hold{p.flushing, p.waiting} {
		if h == nil {
			continue
		}
		p.owed = max(p.owed, h.state.Next)
		h.err = err
		h.timer.Stop()
		close(h.done)
		h.release()
	}
	p.flushing, p.waiting = nil, nil
}
