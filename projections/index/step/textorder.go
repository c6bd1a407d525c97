package step

import (
	"fmt"
	"slices"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// A clause that says what a string begins with is a stretch of the very index that gives an order by these strings. A
// version may have several, and be sorted by one outside the stretch: such strays are few or none as a rule, and are
// looked up beside the walk.

// OrderTexts marks a clause that says what a string begins with, when the order is by these strings. It does so where
// no clause has so few rows that these are sorted, and the strays are few.
func (x Ask) OrderTexts(o Order) error {
	if len(o.Keys) == 0 || o.Keys[0].Kind != projections.String || o.Keys[0].Param == projections.ParamID {
		return nil
	}
	if least := Least(x.Counting()); least != nil && least.Count <= x.Bounds.Few {
		return nil
	}
	src := x.Sources(Order{By: OrderString, Descending: o.Descending, Keys: o.Keys[:1]})[0]
	at := slices.IndexFunc(x.Accesses, func(a *clause.Access) bool {
		return !a.Negate && a.OneText() && a.Texts[0].Form == clause.TextBegins && a.Texts[0].Key == src.Key &&
			a.Texts[0].Text != "" && len(a.Texts[0].Text) <= projections.OrderBytes
	})
	if at < 0 {
		return nil
	}
	a, s := x.Accesses[at], x.Statement()
	strays, err := x.Number(s, "select count(*) from (select 1 from "+s.Table("text")+" t where "+
		a.Texts[0].Condition(s, "t")+fmt.Sprintf(" and (t.ref & %d) = 0", src.flag)+
		" and t.ref < "+s.Arg(x.Before())+fmt.Sprintf(" limit %d) y", x.Bounds.Few+1))
	a.Ordered, a.Strays = err == nil && strays <= int64(x.Bounds.Few), strays > 0
	return err
}

// strays is a SELECT of the versions that have a string in the stretch of a clause and are sorted by one outside of
// it, with the string that they are sorted by.
func (x Ask) strays(s *sql.Statement, sc clause.TextScan, src source, o Order, from *valueEdge, limit int) string {
	inside := sc.Stretch(s, "u.val", true, true)
	sql := "select u.val as val, v.sid as sid from (select t.sid as sid, " + x.value1(s, OrderString, o.Keys[0],
		"t.sid") + " as val from (select distinct (t.ref >> 2) as sid from " + s.Table("text") + " t where " +
		sc.Condition(s, "t") + fmt.Sprintf(" and (t.ref & %d) = 0", src.flag) + " and t.ref < " + s.Arg(x.Before()) +
		") t) u" + s.Versions("u.sid") + " and not (" + inside[len(" and "):] + ") and v.ledger = " +
		s.Arg(x.Ledger)
	if from != nil {
		sql += " and (u.val, (u.sid << 2)) " + o.Beyond() + " (" + s.Arg(from.value) + ", " + s.Arg(from.ref) + ")"
	}
	sql += " and " + x.visible(s, "v.sid") + x.Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main") +
		fmt.Sprintf(" order by u.val %s, u.sid %s limit %d", o.Direction(), o.Direction(), limit)
	return "select * from (" + sql + ") y"
}

// sieveTexts is valueRows for an order by strings, where sets in memory tell which versions answer the other clauses:
// the index of strings alone is read, and each of its rows held against the set, in place of asking every version. Done
// is false where there are no such sets, or strays.
func (x Ask) sieveTexts(
	o Order, own []*clause.Access, from *valueEdge, limit int,
) (found []Match, done bool, err error) {
	src := x.Sources(o)[0]
	if src.Table != "text" || len(own) > 1 || len(own) == 1 && own[0].Strays || x.View() == nil ||
		x.After.Phase != Start && from == nil {
		return nil, false, nil
	}
	if sets, ready := x.Settable(true); len(sets) == 0 || !ready {
		return nil, false, nil
	}
	t, err := x.Intersect(nil, false)
	if t == nil || err != nil {
		return nil, false, err
	}
	x = x.With(t.Left)
	rows := min(2*limit+limit*int(x.Living)/max(t.Count(), 1), x.Bounds.Sorted)
	for more := true; more && len(found) < limit; rows = min(2*rows, x.Bounds.Sorted) {
		s := x.Statement()
		bounds, _ := src.bounds(s, own, o, from != nil)
		sql := "select t.head, t.ref from " + s.Table("text") + " t where t.key = " + s.Arg(src.Key) +
			fmt.Sprintf(" and (t.ref & %d) <> 0", src.flag) + bounds + " and t.ref < " + s.Arg(x.Before())
		if from != nil {
			sql += " and (t.head, t.ref) " + o.Beyond() + " (" + s.Arg(from.value) + ", " + s.Arg(from.ref) + ")"
		}
		sql += fmt.Sprintf(" order by t.head %s, t.ref %s limit %d", o.Direction(), o.Direction(), rows)
		read, candidates := 0, []Candidate(nil)
		last := &valueEdge{}
		err := x.Query(s, sql, func(scan func(...any) error) error {
			read++
			var head []byte
			err := scan(&head, &last.ref)
			if sid := last.ref >> keys.RefBits; t.contains(uint32(sid - t.First)) {
				candidates = append(candidates, Candidate{Sid: sid})
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
		found[i].Phase = ByValue
	}
	return found, true, nil
}
