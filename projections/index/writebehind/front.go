package writebehind

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// front stands in front of a live index. What it doesn't answer itself concerns nothing that ever waits: records in
// quarantine, and digests of rows that are given.
type front struct {
	projections.Index
	holder     Holder // nil: its commits don't wait
	projecting bool
	all        *Generations
}

var _ projections.Index = (*front)(nil)

// State implements [projections.Writer], with what waits. Unlike what it says of versions it goes back when the index
// has refused what was acknowledged: whoever watches sees from it that records are to be decided again.
func (x *front) State(ctx context.Context, number int32) (projections.State, error) {
	x.all.mu.Lock()
	p := x.all.of(number)
	last := p.last()
	if last != nil && (last.index == x.Index || !x.projecting) {
		defer x.all.mu.Unlock()
		return last.state, nil
	}
	x.all.mu.Unlock()
	if last != nil { // another projector's, that of other search parameters
		if err := x.all.settle(ctx, p); err != nil {
			return projections.State{}, err
		}
	}
	state, err := x.Index.State(ctx, number)
	if err == nil {
		x.all.paid(number, state.Next)
	}
	return state, err
}

// Partitions implements [projections.Scanner], with what waits.
func (x *front) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	waits := make(map[int32]projections.State)
	x.all.mu.Lock()
	for number, p := range x.all.partitions {
		if last := p.last(); last != nil {
			waits[number] = last.state
		}
	}
	x.all.mu.Unlock()
	states, err := x.Index.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	for number, state := range waits {
		if state.Next > states[number].Next {
			states[number] = state
		}
	}
	return states, nil
}

// Current implements [projections.Reader]. What waits is answered from memory.
func (x *front) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	var known answers[projections.Key, projections.Version]
	if err := x.see(ctx, func(partitions map[int32]*partition) {
		known = answersOf(partitions, keys, (*hold).version)
	}); err != nil {
		return nil, err
	}
	return known.completed(func(missing []projections.Key) ([]projections.Version, error) {
		return x.Index.Current(ctx, missing)
	})
}

// Outcomes implements [projections.Lookups], with what waits. The first outcome of an event stands.
func (x *front) Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error) {
	var waits map[string]*events.Outcome
	if err := x.see(ctx, func(partitions map[int32]*partition) {
		for _, h := range holdsOf(partitions) {
			for _, id := range eventIDs {
				if outcome := h.outcome(id); outcome != nil {
					if waits == nil {
						waits = make(map[string]*events.Outcome)
					}
					waits[id] = outcome
				}
			}
		}
	}); err != nil {
		return nil, err
	}
	outcomes, err := x.Index.Outcomes(ctx, eventIDs)
	if err != nil {
		return nil, err
	}
	for i, id := range eventIDs {
		if outcomes[i] == nil {
			outcomes[i] = waits[id]
		}
	}
	return outcomes, nil
}

// Claims implements [projections.Lookups]. What waits is answered from memory.
func (x *front) Claims(ctx context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
	var known answers[projections.ClaimName, projections.Claim]
	if err := x.see(ctx, func(partitions map[int32]*partition) {
		known = answersOf(partitions, names, (*hold).claim)
	}); err != nil {
		return nil, err
	}
	return known.completed(func(missing []projections.ClaimName) ([]projections.Claim, error) {
		return x.Index.Claims(ctx, missing)
	})
}

// Referrers implements [projections.Lookups].
func (x *front) Referrers(
	ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	if err := x.look(ctx, func(h *hold) bool {
		for _, key := range keys {
			if h.refersTo(key) {
				return true
			}
		}
		return false
	}); err != nil {
		return nil, err
	}
	return x.Index.Referrers(ctx, keys, by)
}

// Search implements [projections.Reader]. Those who search often for what is being written find it committed. What
// waits and doesn't concern the query belongs to the page's snapshot all the same: whoever goes on to search for
// something else at that snapshot (included resources, other types) has to find it.
func (x *front) Search(ctx context.Context, query projections.Query) (projections.Page, error) {
	var wait []*hold
	var acknowledged int64
	if err := x.see(ctx, func(partitions map[int32]*partition) {
		if p := partitions[query.Partition]; query.Snapshot == 0 && p != nil && p.waits() {
			acknowledged = p.last().state.NextSid - 1
		}
		wait = x.all.want(func(h *hold) bool { return h.concerns(query) })
		now := time.Now()
		for _, p := range partitions {
			if reads(query.Tenant, query.Type, query.Clauses,
				func(l projections.Ledger) bool { return p.lately(l, now) }) {
				p.looked = now
			}
		}
	}); err != nil {
		return projections.Page{}, err
	}
	if err := x.all.waitFor(ctx, wait); err != nil {
		return projections.Page{}, err
	}
	page, err := x.Index.Search(ctx, query)
	if acknowledged > max(page.Snapshot, 0) && (page.Snapshot == projections.NoSnapshot || // the index has nothing yet
		page.Snapshot>>projections.SidBits == acknowledged>>projections.SidBits) { // of the same partition
		page.Snapshot = acknowledged
	}
	return page, err
}

// Since implements [projections.Reader], with what waits.
func (x *front) Since(
	ctx context.Context, number int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	for {
		var changes projections.Changes
		var whole, waits bool
		if err := x.see(ctx, func(partitions map[int32]*partition) {
			p := partitions[number]
			if waits = p != nil && p.last() != nil; waits {
				changes, whole = p.since(mark, limit)
			}
		}); err != nil || whole {
			return changes, err
		}
		changes, err := x.Index.Since(ctx, number, mark, limit)
		if err != nil || !waits {
			return changes, err
		}
		// What waits follows what the index told, unless it has gone on meanwhile.
		var more projections.Changes
		if err := x.see(ctx, func(partitions map[int32]*partition) {
			more, whole = partitions[number].since(changes.Mark, limit)
		}); err != nil {
			return projections.Changes{}, err
		}
		if !whole {
			continue
		}
		changes.Mark, changes.Known = more.Mark, changes.Known && more.Known
		changes.Versions = append(changes.Versions, more.Versions...)
		if !changes.Known || len(changes.Versions) > limit {
			return projections.Changes{Mark: changes.Mark}, nil
		}
		return changes, nil
	}
}

// since tells what waits after a mark; false: something that came after the mark doesn't wait any more. The caller
// holds mu.
func (p *partition) since(mark projections.Mark, limit int) (projections.Changes, bool) {
	last := p.last()
	if last == nil || last.generation != mark.Generation {
		return projections.Changes{}, false
	}
	changes := projections.Changes{Mark: projections.Mark{Generation: mark.Generation, Sid: last.state.NextSid - 1},
		Known: true}
	at := mark.Sid
	for _, h := range []*hold{p.flushing, p.waiting} {
		if h == nil {
			continue
		}
		rows, follow := h.since(at)
		if !follow {
			return projections.Changes{}, false
		}
		for i := range rows {
			changes.Versions = append(changes.Versions, rows[i].Version)
			at = rows[i].Sid
		}
	}
	if len(changes.Versions) > limit {
		changes.Known, changes.Versions = false, nil
	}
	return changes, true
}

// SnapshotAt implements [projections.Reader].
func (x *front) SnapshotAt(ctx context.Context, position events.Position) (int64, error) {
	if err := x.look(ctx, func(h *hold) bool {
		return h.commit.Partition == position.Partition && position.Offset >= h.commit.Expect
	}); err != nil {
		return 0, err
	}
	return x.Index.SnapshotAt(ctx, position)
}

// Version implements [projections.Reader].
func (x *front) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	if err := x.look(ctx, func(h *hold) bool { _, has := h.current[key]; return has }); err != nil {
		return projections.Version{}, err
	}
	return x.Index.Version(ctx, key, number)
}

// Versions implements [projections.Reader]. What waits and is of none of the types belongs to no page.
func (x *front) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	if err := x.look(ctx, func(h *hold) bool { return h.belongsTo(span) }); err != nil {
		return projections.SpanPage{}, err
	}
	return x.Index.Versions(ctx, span)
}

// Scan implements [projections.Scanner].
func (x *front) Scan(
	ctx context.Context, number int32, visit func(projections.Version, events.Hash) error,
) error {
	if err := x.look(ctx, everything); err != nil {
		return err
	}
	return x.Index.Scan(ctx, number, visit)
}

// Audit implements [projections.Scanner].
func (x *front) Audit(ctx context.Context) (projections.Audit, error) {
	if err := x.look(ctx, everything); err != nil {
		return projections.Audit{}, err
	}
	return x.Index.Audit(ctx)
}

// Decisions implements [projections.Auditor].
func (x *front) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	if err := x.look(ctx, func(h *hold) bool { return h.commit.Partition == from.Partition }); err != nil {
		return nil, err
	}
	return x.Index.Decisions(ctx, from, limit)
}

// Sizes implements [projections.Auditor].
func (x *front) Sizes(ctx context.Context) (projections.Sizes, error) {
	if err := x.look(ctx, everything); err != nil {
		return projections.Sizes{}, err
	}
	return x.Index.Sizes(ctx)
}

// auditor reads one generation. What waits is committed first: it may be that one's.
type auditor struct {
	projections.Auditor
	all *Generations
}

func (a *auditor) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	if err := a.all.flush(ctx, everything); err != nil {
		return nil, err
	}
	return a.Auditor.Partitions(ctx)
}

func (a *auditor) Scan(
	ctx context.Context, number int32, visit func(projections.Version, events.Hash) error,
) error {
	if err := a.all.flush(ctx, everything); err != nil {
		return err
	}
	return a.Auditor.Scan(ctx, number, visit)
}

func (a *auditor) Audit(ctx context.Context) (projections.Audit, error) {
	if err := a.all.flush(ctx, everything); err != nil {
		return projections.Audit{}, err
	}
	return a.Auditor.Audit(ctx)
}

func (a *auditor) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	if err := a.all.flush(ctx, everything); err != nil {
		return nil, err
	}
	return a.Auditor.Decisions(ctx, from, limit)
}

func (a *auditor) Sizes(ctx context.Context) (projections.Sizes, error) {
	if err := a.all.flush(ctx, everything); err != nil {
		return projections.Sizes{}, err
	}
	return a.Auditor.Sizes(ctx)
}
