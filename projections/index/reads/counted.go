package reads

import (
	"context"

	"binnacle/projections"
)

// Counted is what the counters tell, and the places of the partitions, as of one moment: it is one statement.
func (r Reads) Counted(ctx context.Context) (projections.Audit, error) {
	a := projections.Audit{Next: map[int32]int64{}, NextSid: map[int32]int64{}, Living: map[projections.Ledger]int64{}}
	s := r.statement()
	sql := "select p.partition, p.next, p.next_sid, '', '', 0 from " + s.Table("position") + " p union all " +
		"select -1, 0, 0, coalesce(l.tenant, ''), coalesce(l.type, ''), n.living from " + s.Table("counter") +
		" n left join " + s.Table("ledger") + " l on l.key = n.ledger"
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var partition, next, sid, living int64
		var ledger projections.Ledger
		if err := scan(&partition, &next, &sid, &ledger.Tenant, &ledger.Type, &living); err != nil {
			return err
		}
		if partition < 0 {
			a.Living[ledger] += living
		} else {
			a.Next[int32(partition)], a.NextSid[int32(partition)] = next, sid
		}
		return nil
	})
	return a, err
}
