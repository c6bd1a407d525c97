package search

import (
	"fmt"
	"slices"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// A clause that says what a string begins with is a stretch of the very index that gives an order by these strings. A version may have several, and be sorted by one outside the
// stretch: such strays are few or none as a rule, and are looked up beside the walk.

// orderTexts marks a clause that says what strings of the parameter begin with that is the order, where no clause has so few rows that these are sorted, and the strays are few.
func (x ask) orderTexts(o order) error {
	if len(o.keys) == 0 || o.keys[0].Kind != projections.String || o.keys[0].Param == projections.ParamID {
		return nil
	}
	if least := least(x.counting()); least != nil && least.Count <= x.Bounds.Few {
		return nil
	}
	src := x.sources(order{by: orderString, descending: o.descending, keys: o.keys[:1]})[0]
	at := slices.IndexFunc(x.accesses, func(a *clause.Access) bool {
		return !a.Negate && a.OneText() && a.Texts[0].Form == clause.TextBegins && a.Texts[0].Key == src.key && a.Texts[0].Text != "" && len(a.Texts[0].Text) <= projections.OrderBytes
	})
	if at < 0 {
		return nil
	}
	a, s := x.accesses[at], x.Statement()
	strays, err := x.Number(s, "select count(*) from (select 1 from "+s.Table("text")+" t where "+a.Texts[0].Condition(s, "t")+fmt.Sprintf(" and (t.ref & %d) = 0", src.flag)+
		" and t.ref < "+s.Arg(x.Before())+fmt.Sprintf(" limit %d) y", x.Bounds.Few+1))
	a.Ordered, a.Strays = err == nil && strays <= int64(x.Bounds.Few), strays > 0
	return err
}

// strays are the versions that have a string in the stretch of a clause and are sorted by one outside of it, with that.
func (x ask) strays(s *sql.Statement, sc clause.TextScan, src source, o order, from *valueEdge, limit int) string {
	inside := sc.Stretch(s, "u.val", true, true)
	sql := "select u.val as val, v.sid as sid from (select t.sid as sid, " + x.value1(s, orderString, o.keys[0], "t.sid") + " as val from (select distinct (t.ref >> 2) as sid from " + s.Table("text") + " t where " +
		sc.Condition(s, "t") + fmt.Sprintf(" and (t.ref & %d) = 0", src.flag) + " and t.ref < " + s.Arg(x.Before()) + ") t) u" + s.Versions("u.sid") + " and not (" + inside[len(" and "):] + ") and v.ledger = " + s.Arg(x.ledger)
	if from != nil {
		sql += " and (u.val, (u.sid << 2)) " + o.beyond() + " (" + s.Arg(from.value) + ", " + s.Arg(from.ref) + ")"
	}
	sql += " and " + x.visible(s, "v.sid") + x.probes(s, nil, "v.sid", "(v.sid << 2)", "v.main") + fmt.Sprintf(" order by u.val %s, u.sid %s limit %d", o.direction(), o.direction(), limit)
	return "select * from (" + sql + ") y"
}

// sieveTexts is valueRows for an order by strings, where sets in memory tell which versions answer the other clauses: the index of strings alone is read, and each of its rows held
// against the set, in place of asking every version. Done is false where there are no such sets, or strays.
func (x ask) sieveTexts(o order, own []*clause.Access, from *valueEdge, limit int) (found []match, done bool, err error) {
	src := x.sources(o)[0]
	if src.table != "text" || len(own) > 1 || len(own) == 1 && own[0].Strays || x.view() == nil || x.after.phase != start && from == nil {
		return nil, false, nil
	}
	if sets, ready := x.settable(true); len(sets) == 0 || !ready {
		return nil, false, nil
	}
	t, err := x.intersect(nil, false)
	if t == nil || err != nil {
		return nil, false, err
	}
	x = x.with(t.left)
	rows := min(2*limit+limit*int(x.living)/max(t.count(), 1), x.Bounds.Sorted)
	for more := true; more && len(found) < limit; rows = min(2*rows, x.Bounds.Sorted) {
		s := x.Statement()
		bounds, _ := src.bounds(s, own, o, from != nil)
		sql := "select t.head, t.ref from " + s.Table("text") + " t where t.key = " + s.Arg(src.key) + fmt.Sprintf(" and (t.ref & %d) <> 0", src.flag) + bounds + " and t.ref < " + s.Arg(x.Before())
		if from != nil {
			sql += " and (t.head, t.ref) " + o.beyond() + " (" + s.Arg(from.value) + ", " + s.Arg(from.ref) + ")"
		}
		sql += fmt.Sprintf(" order by t.head %s, t.ref %s limit %d", o.direction(), o.direction(), rows)
		read, candidates := 0, []candidate(nil)
		last := &valueEdge{}
		err := x.Query(s, sql, func(scan func(...any) error) error {
			read++
			var head []byte
			err := scan(&head, &last.ref)
			if sid := last.ref >> keys.RefBits; t.contains(uint32(sid - t.first)) {
				candidates = append(candidates, candidate{sid: sid})
			}
			if read == rows {
				last.value = append([]byte{}, head...)
			}
			return err
		})
		if err != nil {
			return nil, false, err
		}
		from, more = last, read == rows
		for len(candidates) > 0 && len(found) < limit {
			some := candidates[:min(len(candidates), 2*limit)]
			checked, err := x.loadChecked(some)
			if err != nil {
				return nil, false, err
			}
			found, candidates = append(found, checked...), candidates[len(some):]
		}
	}
	found = found[:min(len(found), limit)]
	for i := range found {
		found[i].phase = byValue
	}
	return found, true, nil
}
