package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/step"
)

// Clauses about the date that the main date comes from are a stretch of the type's list, which is in the order of the
// main date: to count what lies in it, the stretch is read and nothing else. Only near its ends a version may have a
// main date inside and not match.

// countDates counts with the stretch that clauses about the main date bound; known is false where there are none, or
// another clause has few rows.
func (x chooser) countDates() (n int64, known bool, err error) {
	var dates, others []*clause.Access
	for _, a := range x.Accesses {
		if a.Aligned && !a.Negate {
			dates = append(dates, a)
		} else {
			others = append(others, a)
		}
	}
	if len(dates) == 0 || x.View() == nil {
		return 0, false, nil
	}
	if err := x.asking(x.Walking(step.OrderMain)).count(); err != nil || x.Nothing != "" {
		return 0, x.Nothing != "", err
	}
	if least := step.Least(slices.DeleteFunc(step.Positive(others),
		func(a *clause.Access) bool { return a.Count < 0 })); least != nil && least.Count <= x.Bounds.Few {
		return 0, false, nil
	}
	sure, edges, err := x.readStretch(dates)
	if err != nil {
		return 0, false, err
	}
	words := ""
	for _, part := range []struct {
		found *roaring.Bitmap
		also  []*clause.Access
	}{{sure, others}, {edges, x.Accesses}} {
		if part.found.IsEmpty() {
			continue
		}
		stretch := clause.HeldAs("the dates", part.found)
		more, counted, known, err := x.asking(x.With(part.also).Also(stretch)).countSets()
		if err != nil || !known {
			return 0, false, err
		}
		n, words = n+more, counted
	}
	if words != "" {
		x.Say("counted over %s", words)
	}
	return n, true, nil
}

// readStretch reads the versions of the type whose main date clauses let pass: those that all of them let pass for
// sure, and those that have to be asked. It reads portions, so that the memory it takes is bounded.
func (x chooser) readStretch(dates []*clause.Access) (sure, edges *roaring.Bitmap, err error) {
	within, inside := x.MainBetween(nil), sets.Interval{Low: math.MinInt64, High: math.MaxInt64}
	for _, a := range dates {
		if a.Sure == nil {
			inside = sets.Interval{Low: math.MaxInt64, High: math.MinInt64}
			break
		}
		inside = sets.Interval{Low: max(inside.Low, a.Sure.Low), High: min(inside.High, a.Sure.High)}
	}
	found := [2]*roaring.Bitmap{roaring.New(), roaring.New()}
	main, ref := within.Low, int64(-1) // of the row that was read last
	for more := within.Low <= within.High; more; {
		s := x.Statement()
		sql := "select " + s.List("y.sort") + ", " + s.List("y.ref") + " from (select t.sort, t.ref from " +
			s.Table("term") + " t where t.key = " + s.Arg(x.Ledger) +
			" and (t.sort, t.ref) > (" + s.Arg(main) + ", " + s.Arg(ref) + ") and t.sort <= " + s.Arg(within.High) +
			" and t.ref < " + s.Arg(x.Before()) +
			fmt.Sprintf(" order by t.sort, t.ref limit %d) y", x.Bounds.Rows)
		var mains []int64
		var numbers [2][]uint32
		err := x.Query(s, sql, func(scan func(...any) error) error {
			first, second := s.Listed(), s.Listed()
			if err := scan(first.Into(), second.Into()); err != nil {
				return err
			}
			first.Each(func(at int64) { mains = append(mains, at) })
			at := 0
			second.Each(func(row int64) {
				part := 0
				if main, ref = mains[at], row; main < inside.Low || main > inside.High {
					part = 1
				}
				numbers[part] = append(numbers[part], uint32(row>>keys.RefBits-x.Origin()))
				at++
			})
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		for i := range found {
			found[i].Or(sets.BitmapOf(numbers[i]))
		}
		more = len(mains) == x.Bounds.Rows
	}
	return found[0], found[1], nil
}
