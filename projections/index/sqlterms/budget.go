package sqlterms

import (
	"fmt"
	"math"
)

// tryWalk walks the order of the main date over some rows and no further. It tells whether the page is full, or nothing lies beyond.
func (x *search) tryWalk(o order, rows, limit int) (found []match, enough bool, err error) {
	key := x.ledger
	if walked := x.walked(); walked != nil {
		keys := walked.walkKeys()
		if len(keys) > 1 {
			return nil, false, nil
		}
		key = keys[0]
	}
	s := x.statement()
	edge, beyond := int64(0), false
	sql := "select t.sort from " + s.table("term") + " t where t.key = " + s.arg(key) + x.stretch(s, "t", nil, o, x.after.phase == byValue) +
		fmt.Sprintf(" order by t.sort %s, t.ref %s limit 1 offset ", o.direction(), o.direction()) + s.arg(int64(rows))
	err = x.query(s, sql, func(scan func(...any) error) error {
		beyond = true
		return scan(&edge)
	})
	if err != nil {
		return nil, false, err
	}
	if beyond {
		x.budget = &interval{math.MinInt64, edge}
		if o.descending {
			x.budget = &interval{edge, math.MaxInt64}
		}
	}
	said := len(x.plan)
	found, err = x.walkMain(o, limit)
	x.budget = nil
	if enough = len(found) == limit || !beyond; !enough {
		x.plan = x.plan[:said]
		x.say("the first %d in the order of the main date do not fill the page", rows)
	}
	return found, enough, err
}
