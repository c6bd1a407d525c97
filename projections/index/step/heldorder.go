package step

import (
	"cmp"
	"sort"

	"binnacle/projections/index/sets"
)

// PickHeld returns those of the versions that come first by the lower ends of ranges, each checked for the clauses that
// are left.
func (x Ask) PickHeld(t *Intersection, held []*sets.Range, o Order, limit int) (page []Match, err error) {
	if x, err = x.locateValue(o); err != nil {
		return nil, err
	}
	var walks []*heldWalk
	for _, r := range held {
		walks = append(walks, newHeldWalk(r, o.Descending))
		if x.After.Phase == ByValue {
			walks[len(walks)-1].skip(sets.RangeRow{Low: x.Last.start, Sid: uint32(x.After.Sid - t.First)})
		}
	}
	n := limit
	if len(t.Left) > 0 {
		n += limit
	}
	for more := true; more && len(page) < limit; n = min(8*n, pickedAtOnce) {
		var candidates []Candidate
		for len(candidates) < n && more {
			var first *heldWalk
			for _, w := range walks {
				if w.left() && (first == nil || w.before(w.row(), first.row())) {
					first = w
				}
			}
			if more = first != nil; more {
				if row := first.next(); t.contains(row.Sid) {
					candidates = append(candidates, Candidate{Sid: t.First + int64(row.Sid)})
				}
			}
		}
		found, err := x.loadChecked(candidates)
		if err != nil {
			return nil, err
		}
		page = append(page, found...)
	}
	page = page[:min(len(page), limit)]
	return page, nil
}

// heldWalk goes through ranges in memory, in the order of their lower ends or the other way round.
type heldWalk struct {
	*sets.Range
	at, step int
}

func newHeldWalk(r *sets.Range, descending bool) *heldWalk {
	if descending {
		return &heldWalk{r, len(r.Lows) - 1, -1}
	}
	return &heldWalk{r, 0, 1}
}

func (w *heldWalk) left() bool { return w.at >= 0 && w.at < len(w.Lows) }

func (w *heldWalk) row() sets.RangeRow { return sets.RangeRow{Low: w.Lows[w.at], Sid: w.Sids[w.at]} }

func (w *heldWalk) next() sets.RangeRow {
	row := w.row()
	w.at += w.step
	return row
}

func (w *heldWalk) before(a, b sets.RangeRow) bool {
	return cmp.Or(cmp.Compare(a.Low, b.Low), cmp.Compare(a.Sid, b.Sid)) == -w.step
}

// skip goes beyond a row.
func (w *heldWalk) skip(last sets.RangeRow) {
	beyond := func(i int) bool {
		return sets.CompareRangeRows(sets.RangeRow{Low: w.Lows[i], Sid: w.Sids[i]}, last) > 0
	}
	if w.step > 0 {
		w.at = sort.Search(len(w.Lows), beyond)
		return
	}
	w.at = sort.Search(len(w.Lows), func(i int) bool {
		return sets.CompareRangeRows(sets.RangeRow{Low: w.Lows[i], Sid: w.Sids[i]}, last) >= 0
	}) - 1
}
