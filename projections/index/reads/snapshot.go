package reads

import (
	"context"
	"fmt"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// SnapshotAt is the Sid of the last version of the records up to a position; NoSnapshot when there is none.
func (r Reads) SnapshotAt(ctx context.Context, position events.Position) (int64, error) {
	const op = "index.SnapshotAt"
	s := r.statement()
	at := s.Arg(int64(position.Partition))
	state, horizon := newState(position.Partition), int64(0)
	err := r.query(ctx, s, "select p.next, p.next_sid, p.horizon from "+s.Table("position")+" p where p.partition = "+
		at, func(scan func(...any) error) error {
		return scan(&state.Next, &state.NextSid, &horizon)
	})
	switch {
	case err != nil:
		return 0, err
	case position.Offset >= state.Next:
		return 0, events.Errorf(events.Transient, op,
			"the position %s is not projected yet, only what stands before %d:%d; ask again in a moment", position,
			position.Partition, state.Next)
	}
	snapshot := projections.NoSnapshot
	first := keys.FirstSid(position.Partition)
	after, err := r.firstAfter(ctx, first, state.NextSid, position.Offset)
	if err != nil {
		return 0, err
	}
	if after > first {
		snapshot = after - 1
	}
	if snapshot >= horizon || horizon == 0 {
		return snapshot, nil
	}
	oldest := int64(0)
	s = r.statement()
	err = r.query(ctx, s, "select v.log_offset from "+s.Table("version")+" v where v.sid = "+s.Arg(horizon),
		func(scan func(...any) error) error { return scan(&oldest) })
	if err != nil {
		return 0, err
	}
	return 0, events.Errorf(events.Gone, op,
		"what was current at position %s is not kept any more; the oldest position that is still served is %d:%d",
		position, position.Partition, oldest)
}

// firstAfter is the first of the Sids in [first,end) whose record lies after an offset, or end.
func (r Reads) firstAfter(ctx context.Context, first, end, offset int64) (int64, error) {
	return r.firstWith(ctx, first, end, "log_offset", offset+1)
}

// firstWith is the first of the Sids in [first,end) whose row has at least a value in a column, or end. The column is
// one whose values ascend with the Sids. Of these none is missing, so the middle one halves what is left.
func (r Reads) firstWith(ctx context.Context, first, end int64, column string, value int64) (int64, error) {
	s := r.statement()
	middle := "(b.low + (b.high - b.low) / 2)"
	before := "(select v." + column + " from " + s.Table("version") + " v where v.sid = " + middle + ") < " + s.Arg(value)
	sql := fmt.Sprintf("with recursive b (low, high) as (select %s, %s union all "+
		"select case when %s then %s + 1 else b.low end, case when %s then b.high else %s end "+
		"from b where b.low < b.high) select b.low from b where b.low >= b.high", s.Arg(first), s.Arg(end), before,
		middle, before, middle)
	err := r.query(ctx, s, sql, func(scan func(...any) error) error { return scan(&first) })
	return first, err
}
