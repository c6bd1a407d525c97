package search

import (
	"fmt"
	"strings"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
)

// holdRanges finds, in memory, the versions that clauses of ranges find or, where their rows say more than their lower
// ends, those that may answer them. What is not in memory is read for this search alone, up to so many rows, and in the
// background as a whole when it is asked for again. What has too many rows, or is bounded by the order anyway, is left
// as it is. It tells whether nothing is left that could have been read.
func (x chooser) holdRanges(accesses []*clause.Access, most int) (all bool, err error) {
	v := x.View()
	if v == nil {
		return false, nil
	}
	all = true
	for _, a := range accesses {
		if !a.CanBeHeld() || a.Held != nil || a.Large {
			continue
		}
		if !a.Once {
			held, whole, err := rangesOf(v, a)
			if err != nil {
				return false, err
			}
			if whole {
				a.Hold(held)
				continue
			}
			a.Once = true
		}
		among, err := x.amongMore(a, most)
		if err != nil {
			return false, err
		}
		if !among {
			if a.Held, err = x.VersionsUpTo(a, most); err != nil {
				return false, err
			}
		}
		if a.Exact = true; a.Held != nil {
			a.Counts(int(a.Held.GetCardinality()), false)
		}
		all = all && a.Held != nil
	}
	return all, nil
}

// amongMore tells whether quantities in one unit stand among more rows than some, those of the other units: to find few
// of them takes as long as to read these.
func (x chooser) amongMore(a *clause.Access, most int) (more bool, err error) {
	s := x.Statement()
	var parts []string
	for _, sc := range a.Scans {
		if sc.Also == clause.HighIs {
			sc.Also = clause.Always
			parts = append(parts, "select * from (select 1 from "+s.Table("span")+" t where "+sc.Condition(s,
				"t")+fmt.Sprintf(" limit 1 offset %d) y", most))
		}
	}
	if len(parts) == 0 {
		return false, nil
	}
	one := 0
	err = x.Query(s, strings.Join(parts, " union all "),
		func(scan func(...any) error) error { more = true; return scan(&one) })
	return more, err
}

// rangesOf returns the rows of ranges that a clause is about, all there are up to the snapshot at least; whole is false
// when they are not in memory.
func rangesOf(v *sets.View, a *clause.Access) (held map[sets.Name]*sets.Range, whole bool, err error) {
	held, whole = map[sets.Name]*sets.Range{}, true
	for _, name := range a.Names() {
		r, err := v.RowsOfRange(name)
		if err != nil {
			return nil, false, err
		}
		held[name] = r
		whole = whole && r != nil
	}
	return held, whole, nil
}

// heldInMemory tells whether the rows of the clauses that can be held are in memory.
func (x chooser) heldInMemory(accesses []*clause.Access) bool {
	for _, a := range accesses {
		if !a.CanBeHeld() {
			continue
		}
		if !x.View().HaveRanges(a.Names()) {
			return false
		}
	}
	return true
}
