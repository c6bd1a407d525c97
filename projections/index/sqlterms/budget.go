package sqlterms

import (
	"fmt"
	"slices"
	"strings"

	"binnacle/projections/index/sql"
)

// tryWalk walks the order of the main date over some rows and no further. It tells whether the page is full, or nothing lies beyond.
func (x ask) tryWalk(o order, rows, limit int) (found []match, enough bool, err error) {
	keys := []int64{x.ledger}
	if walked := x.walked(); walked != nil {
		keys = walked.walkKeys()
		if len(keys) > sql.Inline {
			return nil, false, nil
		}
	}
	s := x.Statement()
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = "select * from (select t.sort, t.ref from " + s.Table("term") + " t where t.key = " + s.Arg(key) + x.stretch(s, "t", nil, o, x.after.phase == byValue) +
			fmt.Sprintf(" order by t.sort %s, t.ref %s limit 1 offset ", o.direction(), o.direction()) + s.Arg(int64(rows/len(keys))) + ") y"
	}
	var edge *spot
	err = x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
		var at spot
		err := scan(&at.value, &at.sid)
		if edge == nil || (&topSpots{descending: o.descending}).before(at, *edge) { // the key that comes to so many rows first
			edge = &at
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	said := len(x.plan)
	x.reach = edge
	found, err = x.walkMain(o, limit)
	if enough = len(found) == limit || edge == nil; enough {
		x.choose(byWalk, "the first %d rows fill the page, or are all", rows)
	} else {
		x.plan = x.plan[:said]
		x.say("the first %d in the order of the main date do not fill the page", rows)
	}
	return found, enough, err
}

// tryRanges walks a little where ranges are not in memory: two pages of rows, and if the ranges then turn out to have many rows some more.
func (x ask) tryRanges(o order, accesses []*access, limit int) (found []match, done bool, err error) {
	if found, done, err = x.tryWalk(o, min(2*limit, x.Bounds.Tried), limit); done || err != nil {
		return found, done, err
	}
	few, err := x.holdRanges(accesses, x.Bounds.Many)
	if few || err != nil {
		return nil, false, err
	}
	return x.tryWalk(o, x.Bounds.Tried, limit)
}

// tryPostponed walks a little where chains lead to many resources, so that many versions are likely to match, before these are looked up.
func (x ask) tryPostponed(o, walk order, limit int) (found []match, done bool, err error) {
	x.mayWait = false
	late := slices.DeleteFunc(slices.Clone(x.accesses), func(a *access) bool { return !a.late })
	if len(late) == 0 {
		return nil, false, nil
	}
	if found, done, err = x.tryWalk(o, 10*limit, limit); done || err != nil {
		return found, done, err
	}
	for _, a := range late {
		a.late = false
		if err := x.lookUp(a); err != nil {
			return nil, false, err
		}
	}
	return nil, false, x.count(walk)
}
