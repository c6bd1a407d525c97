package clause

import (
	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// The parameters _id and _lastUpdated, which every resource has, have no rows of their own: versions tell them.

// idClause takes the ids' current versions; there are at most as many as ids.
func (x scope) idClause(c *projections.Clause, a *Access) error {
	if c.Modifier == projections.Missing {
		a.Negate = !c.Missing // every version has an id: no row has not
		return nil
	}
	ids := make([]string, 0, len(c.Values))
	for _, v := range c.Values {
		if keys.IsID(v.Code) {
			ids = append(ids, v.Code)
		}
	}
	if len(ids) > maxIDs {
		return events.Errorf(events.TooCostly, searching, "_id has too many alternatives; give at most %d", maxIDs)
	}
	a.ByID = true
	if len(ids) == 0 {
		return nil
	}
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select v.sid, " + s.NoBytes() + ", 0 from " + s.Table("version") + " v where v.ledger = " +
				s.Arg(x.ledger) + " and v.id " + s.InTexts(ids) +
				" and v.deleted = 0 and v.sid <= " + s.Arg(x.Snapshot) + " and " + s.Visible("v.sid", x.Snapshot)
		},
		take: func(sid int64, _ string, _ int64) { a.Sids = append(a.Sids, sid) },
	})
	return nil
}

// updatedClause turns times into Sids: both ascend together within a partition.
func (x scope) updatedClause(c *projections.Clause, a *Access) error {
	if c.Modifier == projections.Missing {
		a.Negate = !c.Missing
		return nil
	}
	a.Ledger = x.ledger
	for _, v := range c.Values {
		a.Updated = append(a.Updated, updatedIntervals(v)...)
	}
	if len(a.Updated) > sql.Inline {
		return events.Errorf(events.TooCostly, searching, "_lastUpdated has too many alternatives; give at most %d",
			sql.Inline/2)
	}
	for _, u := range a.Updated {
		x.lookups = append(x.lookups, lookup{
			sql: func(s *sql.Statement) string {
				from := "(select v.sid from " + s.Table("version") + " v where v.ledger = " + s.Arg(x.ledger)
				return "select coalesce(" + from + " and v.at >= " + s.Arg(u.Low) +
					" order by v.at, v.sid limit 1), -1), " + s.NoBytes() +
					", coalesce(" + from + " and v.at <= " + s.Arg(u.High) +
					" order by v.at desc, v.sid desc limit 1), -1)"
			},
			take: func(first int64, _ string, last int64) {
				if first >= 0 && last >= first {
					a.Spans = append(a.Spans, sets.Interval{Low: first, High: last})
				}
			},
		})
	}
	return nil
}
