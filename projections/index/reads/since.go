package reads

import (
	"context"

	"binnacle/projections"
	"binnacle/projections/index/rows"
)

// Since tells what was committed to a partition between a mark and a state of it; generation is the number of this
// one. The versions before a position never change, so they need not be read together with it.
func (r Reads) Since(ctx context.Context, state projections.State, generation int, mark projections.Mark,
	limit int) (projections.Changes, error) {
	changes := projections.Changes{Mark: projections.Mark{Generation: generation, Sid: state.NextSid - 1}}
	more := changes.Mark.Sid - mark.Sid
	if mark.Generation != generation || more < 0 || more > int64(limit) {
		return changes, nil
	}
	changes.Known = true
	if more == 0 {
		return changes, nil
	}
	s := r.statement()
	sql := "select " + rows.StoredColumns + ", l.tenant, l.type from " + s.Table("version") + " v join " +
		s.Table("ledger") + " l on l.key = v.ledger where v.sid > " +
		s.Arg(mark.Sid) + " and v.sid <= " + s.Arg(changes.Mark.Sid) + " order by v.sid"
	changes.Versions = make([]projections.Version, 0, more)
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var m rows.Stored
		var of projections.Ledger
		if err := scan(append(m.Fields(), &of.Tenant, &of.Type)...); err != nil {
			return err
		}
		changes.Versions = append(changes.Versions, m.Version(of.Tenant, of.Type))
		return nil
	})
	return changes, err
}
