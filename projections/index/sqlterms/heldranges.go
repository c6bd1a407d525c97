package sqlterms

import (
	"fmt"
	"strings"

	"binnacle/projections/index/sets"
)

// holdRanges finds, in memory, the versions that clauses of ranges find or, where their rows say more than their lower ends, those that may
// answer them. What is not in memory is read for this search alone, up to so many rows, and in the background as a whole when it is asked for again. What has too many
// rows, or is bounded by the order anyway, is left as it is. It tells whether nothing is left that could have been read.
func (x *search) holdRanges(accesses []*access, most int) (all bool, err error) {
	v := x.view()
	if v == nil {
		return false, nil
	}
	all = true
	for _, a := range accesses {
		if !a.canBeHeld() || a.held != nil || a.large {
			continue
		}
		if !a.once {
			held, whole, err := rangesOf(v, a)
			if err != nil {
				return false, err
			}
			if whole {
				a.hold(held)
				continue
			}
			a.once = true
		}
		among, err := x.amongMore(a, most)
		if err != nil {
			return false, err
		}
		if !among {
			if a.held, err = x.versionsUpTo(a, most); err != nil {
				return false, err
			}
		}
		if a.exact = true; a.held != nil {
			a.counts(int(a.held.GetCardinality()), false)
		}
		all = all && a.held != nil
	}
	return all, nil
}

// amongMore tells whether quantities in one unit stand among more rows than some, those of the other units: to find few of them takes as long as to read these.
func (x *search) amongMore(a *access, most int) (more bool, err error) {
	s := x.Statement()
	var parts []string
	for _, sc := range a.scans {
		if sc.also == highIs {
			sc.also = always
			parts = append(parts, "select * from (select 1 from "+s.Table("span")+" t where "+sc.condition(s, "t")+fmt.Sprintf(" limit 1 offset %d) y", most))
		}
	}
	if len(parts) == 0 {
		return false, nil
	}
	one := 0
	err = x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error { more = true; return scan(&one) })
	return more, err
}

// rangesOf returns the rows of ranges that a clause is about, all there are up to the snapshot at least; whole is false when they are not in memory.
func rangesOf(v *sets.View, a *access) (held map[sets.Name]*sets.Range, whole bool, err error) {
	held, whole = map[sets.Name]*sets.Range{}, true
	for _, name := range a.names() {
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
func (x *search) heldInMemory(accesses []*access) bool {
	for _, a := range accesses {
		if !a.canBeHeld() {
			continue
		}
		if !x.view().HaveRanges(a.names()) {
			return false
		}
	}
	return true
}
