package search

import (
	"cmp"
	"sort"

	"binnacle/projections/index/sets"
)

// pickHeld returns those of the versions that come first by the lower ends of ranges, each checked for the clauses that are left.
func (x ask) pickHeld(t *intersection, held []*sets.Range, o order, limit int) (page []match, err error) {
	if x, err = x.locateValue(o); err != nil {
		return nil, err
	}
	var walks []*heldWalk
	for _, r := range held {
		walks = append(walks, newHeldWalk(r, o.descending))
		if x.after.phase == byValue {
			walks[len(walks)-1].skip(sets.RangeRow{Low: x.last.start, Sid: uint32(x.after.sid - t.first)})
		}
	}
	n := limit
	if len(t.left) > 0 {
		n += limit
	}
	for more := true; more && len(page) < limit; n = min(8*n, pickedAtOnce) {
		var candidates []candidate
		for len(candidates) < n && more {
			var first *heldWalk
			for _, w := range walks {
				if w.left() && (first == nil || w.before(w.row(), first.row())) {
					first = w
				}
			}
			if more = first != nil; more {
				if row := first.next(); t.contains(row.Sid) {
					candidates = append(candidates, candidate{sid: t.first + int64(row.Sid)})
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
