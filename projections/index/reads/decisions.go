package reads

import (
	"context"
	"fmt"

	"binnacle/events"
	"binnacle/projections/index/rows"
)

// decisionBytes bounds the written forms that Decisions reads at once: outcomes of large transactions are large.
const decisionBytes = 2 << 20

// Decisions returns what was decided about the records of a partition from an offset on. It is one statement: a
// commit is seen whole or not at all, so that nothing is left out.
func (r Reads) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	s := r.statement()
	partition, offset := s.Arg(int64(from.Partition)), s.Arg(from.Offset)
	part := func(table, event string) string {
		return fmt.Sprintf("select * from (select t.log_offset as place, %s as event, t.data as data from %s t where t.partition = %s "+
			"and t.log_offset >= %s order by t.log_offset limit %d) %s",
			event, s.Table(table), partition, offset, max(limit, 0), table)
	}
	// What comes before a place decides whether it is read: both rows of a place, or none.
	sql := "select w.place, w.event, w.data from (select u.place, u.event, u.data, " +
		"coalesce(sum(length(u.data)) over (order by u.place range between unbounded preceding " +
		"and 1 preceding), 0) as before from (" +
		part("quarantine", "''") + " union all " + part("outcome", "t.event") +
		fmt.Sprintf(") u) w where w.before < %d order by w.place, w.event", decisionBytes)
	var found []events.Decision
	err := r.query(ctx, s, sql, func(scan func(...any) error) error {
		var place int64
		var event string
		var data []byte
		if err := scan(&place, &event, &data); err != nil {
			return err
		}
		if n := len(found); n == 0 || found[n-1].Outcome.Position.Offset != place {
			found = append(found, events.Decision{})
		}
		d := &found[len(found)-1]
		if event == "" {
			q, err := rows.DecodeQuarantined(data, nil)
			d.Quarantined, d.Outcome.Position, d.Outcome.Time = q.Reason, q.Record.Position, q.Record.Time
			return err
		}
		outcome, err := rows.DecodeOutcome(event, data)
		if err == nil {
			d.Outcome = *outcome
		}
		return err
	})
	if len(found) > limit {
		found = found[:limit]
	}
	return found, err
}
