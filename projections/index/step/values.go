package step

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// WalkValues reads the values of a date or string parameter in order, then the versions that have none.
func (x Ask) WalkValues(o Order, limit int) ([]Match, error) {
	own := x.Ordered()
	x.Say("in the order of %s%s%s", o.Keys[0].Param, within(own), x.Checked(own...))
	found, _, err := x.InPhases(limit, func(phase Phase, limit int) ([]Match, bool, error) {
		if phase == ByMissing {
			if len(own) > 0 { // a version without the parameter does not answer them
				return nil, true, nil
			}
			found, err := x.WalkLacking(o, limit)
			return found, true, err
		}
		at, err := x.locateValue(o)
		if err != nil {
			return nil, false, err
		}
		var from *valueEdge
		if at.After.Phase == ByValue {
			from = &valueEdge{at.lastValue(o), at.edgeRef(o)}
		}
		found, err := at.valueRows(o, from, limit)
		return found, true, err
	})
	return found, err
}

// WalkLacking reads the versions without the parameter that is the order.
func (x Ask) WalkLacking(o Order, limit int) ([]Match, error) {
	var missing *clause.Access
	if x.Dates != nil {
		missing = &x.Dates.Without
	} else {
		var err error
		if missing, err = x.Resolver().Lacking(o.Keys[0].Param); err != nil {
			return nil, err
		}
	}
	if missing.Empty() {
		return nil, nil
	}
	return x.WalkUpdated(o, missing, ByMissing, limit)
}

// Ordered are the clauses that bound a walk in the order of their parameter.
func (x Ask) Ordered() []*clause.Access {
	return slices.DeleteFunc(slices.Clone(x.Accesses), func(a *clause.Access) bool { return !a.Ordered })
}

// WalkedBy is the order whose index is walked for an order. It marks the clauses about the date that is the order,
// where no version has two values of it: the value that such a clause speaks of is then the one that a version is
// sorted by. Where no clause is marked, an order by the parameter that the main date comes from is that of the main
// date, however long its ranges are.
func (x Ask) WalkedBy(o Order) OrderBy {
	if x.Dates != nil && !x.Dates.Aligned {
		if x.Dates.Marks && !x.Dates.Several && o.Keys[0].Kind == projections.Date {
			for _, a := range x.Accesses {
				a.Ordered = !a.Negate && a.Dated == x.Dates.Param
			}
		}
		x.Dates.Aligned = x.Dates.Main && len(x.Ordered()) == 0
	}
	if o.By == OrderDate && x.Dates.Aligned {
		return OrderMain
	}
	return o.By
}

// within says which clauses bound a walk.
func within(own []*clause.Access) string {
	if len(own) == 0 {
		return ""
	}
	return " within the bounds of the search"
}

// valueEdge is the place in the order of values that a walk goes on beyond.
type valueEdge struct {
	value any // as the column has it
	ref   int64
}

// valueRows reads versions in the order of the first key's values, the clauses that bound it being bounds.
func (x Ask) valueRows(o Order, from *valueEdge, limit int) ([]Match, error) {
	own := x.Ordered()
	x = x.With(slices.DeleteFunc(slices.Clone(x.Accesses), func(a *clause.Access) bool { return a.Ordered }))
	if found, done, err := x.sieveTexts(o, own, from, limit); done || err != nil {
		return found, err
	}
	s := x.Statement()
	var stretches []string
	for _, src := range x.Sources(o) {
		bounds, possible := src.bounds(s, own, o, from != nil)
		if !possible {
			continue
		}
		sql := "select t." + src.column + " as val, v.sid as sid from " + s.Table(src.Table) + " t" +
			s.Versions("(t.ref >> 2)") + " and t.key = " + s.Arg(src.Key) +
			fmt.Sprintf(" and (t.ref & %d) <> 0", src.flag) + bounds + " and t.ref < " + s.Arg(x.Before()) +
			" and v.ledger = " + s.Arg(x.Ledger)
		if from != nil {
			sql += " and (t." + src.column + ", t.ref) " + o.Beyond() + " (" + s.Arg(from.value) + ", " +
				s.Arg(from.ref) + ")"
		}
		sql += " and " + x.visible(s, "(t.ref >> 2)") + x.Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main") +
			fmt.Sprintf(" order by t.%s %s, t.ref %s limit %d", src.column, o.Direction(), o.Direction(), limit)
		stretches = append(stretches, "select * from ("+sql+") y")
		if len(own) > 0 && own[0].Strays {
			stretches = append(stretches, x.strays(s, own[0].Texts[0], src, o, from, limit))
		}
	}
	if len(stretches) == 0 {
		return nil, nil
	}
	sql := "select " + rows.StoredColumns + " from (select val, sid from (" + strings.Join(stretches, " union all ") +
		") u " +
		fmt.Sprintf("order by val %s, sid %s limit %d", o.Direction(), o.Direction(), limit) + ") w" +
		s.Versions("w.sid") +
		" order by w.val " + o.Direction() + ", w.sid " + o.Direction()
	return x.matches(s, sql, ByValue, 0, nil)
}

// source is a stretch of an index that is walked for an order.
type source struct {
	Table, column string
	Key, flag     int64
	end           int64 // of long dates: the key of their rows by the end
}

func (x *Whole) Sources(o Order) []source {
	k := o.Keys[0]
	param := x.Kept(x.Ledger, k.Param, k.Shares)[0]
	if o.By == OrderString {
		flag := int64(keys.Smallest)
		if x.sortedByLargest(o.Descending) {
			flag = keys.Largest
		}
		return []source{{Table: "text", column: "head", Key: x.Of(param, keys.RoleText), flag: flag}}
	}
	return []source{{Table: "span", column: "low", Key: x.Of(param, keys.RoleShort), flag: keys.Smallest},
		{Table: "span", column: "low", Key: x.Of(param, keys.RoleLong), flag: keys.Smallest,
			end: x.Of(param, keys.RoleEnd)}}
}

// bounds are the conditions on rows, as t, that clauses of one value of the parameter make; possible is false where no
// row can answer one of them. The index is bounded once at each end, and where a page goes on by the page before.
func (src source) bounds(s *sql.Statement, own []*clause.Access, o Order, resume bool) (sql string, possible bool) {
	r := sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
	for _, a := range own {
		answers := len(a.Texts) > 0
		for _, sc := range a.Texts {
			sql += sc.Stretch(s, "t.head", o.Descending || !resume, !o.Descending || !resume)
		}
		for _, sc := range a.Scans {
			switch sc.Key {
			case src.Key:
				r.Low, r.High = max(r.Low, sc.Min), min(r.High, sc.Max)
				sql += sc.OnEnds(s, "t.low", "t.high")
			case src.end: // the other way round
				sql += " and t.high >= " + s.Arg(sc.Min) + " and t.high <= " + s.Arg(sc.Max) +
					sc.OnEnds(s, "t.high", "t.low")
			default:
				continue
			}
			answers = true
		}
		if !answers {
			return "", false
		}
	}
	if r.Low > math.MinInt64 && (o.Descending || !resume) {
		sql += " and t." + src.column + " >= " + s.Arg(r.Low)
	}
	if r.High < math.MaxInt64 && (!o.Descending || !resume) {
		sql += " and t." + src.column + " <= " + s.Arg(r.High)
	}
	return sql, r.Low <= r.High
}

func (x Ask) lastValue(o Order) any {
	if o.By == OrderString {
		return append([]byte{}, x.Last.head...) // a driver may read an empty value as nil, which would be no value
	}
	return x.Last.start
}

// locateValue looks up the value that the page before ended with.
func (x Ask) locateValue(o Order) (Ask, error) {
	if x.After.Phase != ByValue {
		return x, nil
	}
	s := x.Statement()
	err := x.Query(s, "select "+x.value1(s, o.By, o.Keys[0], s.Arg(x.After.Sid)), func(scan func(...any) error) error {
		if o.By == OrderString {
			return scan(&x.Last.head)
		}
		return scan(&x.Last.start)
	})
	return x, err
}

// value1 is a scalar SELECT of the sort value of one version.
func (x *Whole) value1(s *sql.Statement, by OrderBy, key projections.SortKey, sid string) string {
	var keys []int64
	sources := x.Sources(Order{By: by, Descending: key.Descending, Keys: []projections.SortKey{key}})
	for _, src := range sources {
		keys = append(keys, src.Key)
	}
	src := sources[0]
	return "(select p." + src.column + " from " + s.Table(src.Table) + " p where p.ref >= (" + sid +
		" << 2) and p.ref <= (" + sid + " << 2) + 3 and +p.key " + s.In(keys) +
		fmt.Sprintf(" and (p.ref & %d) <> 0 limit 1)", src.flag)
}
