package writebehind

import (
	"context"

	"binnacle/events"
)

const opLook = "writebehind.look"

// everything is for looks that whatever waits concerns.
func everything(*hold) bool { return true }

// see calls fn with the partitions as they are at one moment, unless the index lacks what was acknowledged: then the
// error, of kind Transient, says so to all but the projector, who is about to bring it back.
func (x *front) see(ctx context.Context, fn func(partitions map[int32]*partition)) error {
	for {
		x.all.mu.Lock()
		number, owed := x.all.owes()
		if x.projecting || owed == 0 {
			fn(x.all.partitions)
			x.all.mu.Unlock()
			return nil
		}
		x.all.mu.Unlock()
		state, err := x.Index.State(ctx, number)
		if err != nil {
			return err
		}
		if state.Next < owed {
			return events.Errorf(events.Transient, opLook, "the index lacks %d events of the log, which are being "+
				"projected again; try again later", owed-state.Next)
		}
		x.all.paid(number, state.Next)
	}
}

// owes tells of a partition whose index lacks what was acknowledged, and up to where; 0: of none. The caller holds mu.
func (g *Generations) owes() (number int32, owed int64) {
	for number, p := range g.partitions {
		if p.owed > 0 {
			return number, p.owed
		}
	}
	return 0, 0
}

// paid notes how far the index of a partition is.
func (g *Generations) paid(number int32, next int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.of(number); p.owed <= next {
		p.owed = 0
	}
}

// look makes sure that the index has what concerns a reader.
func (x *front) look(ctx context.Context, concerned func(*hold) bool) error {
	var wait []*hold
	if err := x.see(ctx, func(map[int32]*partition) { wait = x.all.want(concerned) }); err != nil {
		return err
	}
	return x.all.waitFor(ctx, wait)
}

// flush commits what waits, as far as it is concerned, and returns when that is done.
func (g *Generations) flush(ctx context.Context, concerned func(*hold) bool) error {
	g.mu.Lock()
	wait := g.want(concerned)
	g.mu.Unlock()
	return g.waitFor(ctx, wait)
}

// want has what is concerned committed as soon as possible, and returns what is to be waited for. The caller holds mu.
func (g *Generations) want(concerned func(*hold) bool) (wait []*hold) {
	for _, p := range g.partitions {
		waits := p.waiting != nil && concerned(p.waiting)
		// whether the index takes anything shows in the one before
		if p.flushing != nil && (waits || concerned(p.flushing)) {
			wait = append(wait, p.flushing)
		}
		if waits {
			wait = append(wait, p.waiting)
			g.start(p)
		}
	}
	return wait
}

// settle commits all that waits of a partition.
func (g *Generations) settle(ctx context.Context, p *partition) error {
	return g.flush(ctx, func(h *hold) bool { return h.commit.Partition == p.number })
}

// waitFor waits until holds are in the index, or one of them is refused.
func (g *Generations) waitFor(ctx context.Context, holds []*hold) error {
	for _, h := range holds {
		select {
		case <-h.done:
		case <-h.tried:
		case <-ctx.Done():
			return events.Wrap(events.Transient, opLook, ctx.Err(),
				"the call ended before the index had what was acknowledged")
		}
		g.mu.Lock()
		err := h.err
		g.mu.Unlock()
		if err != nil {
			return events.Wrap(events.Transient, opLook, err, "the index lacks what was acknowledged, and can't take it "+
				"now; try again later")
		}
	}
	return nil
}
