package sqlterms

import (
	"cmp"
	"sort"
)

// mayPickByDate tells whether an order is by a date that is not the main date, of which no version has two values, and clauses are sets.
func (p *plan) mayPickByDate() bool {
	if p.order.by != orderDate || p.dates.aligned || !p.dates.marks || p.dates.several || len(p.ordered()) > 0 ||
		p.view() == nil || p.driver != nil && p.driver.count <= p.Bounds.Few/4 {
		return false
	}
	sets, _ := p.settable(true)
	return len(sets) > 0 || p.driver.toRead() != nil
}

// pickByDate goes through the dates in memory and keeps what is in the sets, in place of a walk that asks every version. Done is false where
// another way is better, or what is held of the dates, or the sets, cannot be had.
func (p *plan) pickByDate() (found []match, done bool, err error) {
	o, v := p.order, p.view()
	var held []*rangeSet
	rows := 0
	for _, src := range p.sources(o) {
		r, err := v.rowsOfRange(rowKind{table: src.table}.name(src.key))
		if r == nil || r.large || err != nil {
			return nil, false, err
		}
		held, rows = append(held, r), rows+len(r.lows)
	}
	t, err := p.intersect(p.driver.toRead(), p.driver == nil)
	if t == nil || err != nil || !p.heldCostsLess(rows, t.count(), p.limit) {
		return nil, false, err
	}
	p.say("%s, the first of them by %s%s", p.describe(t), o.keys[0].Param, checkedFor(t.left))
	return p.inPhases(p.limit, func(phase phase, limit int) ([]match, bool, error) {
		var found []match
		var err error
		if phase == byMissing {
			found, err = p.walkLacking(o, limit)
		} else {
			found, err = p.with(t.left).pickHeld(t, held, o, limit)
		}
		return found, true, err
	})
}

// pickHeld returns those of the versions that come first by the lower ends of ranges, each checked for the clauses that are left.
func (x ask) pickHeld(t *intersection, held []*rangeSet, o order, limit int) (page []match, err error) {
	if x, err = x.locateValue(o); err != nil {
		return nil, err
	}
	var walks []*heldWalk
	for _, r := range held {
		walks = append(walks, newHeldWalk(r, o.descending))
		if x.after.phase == byValue {
			walks[len(walks)-1].skip(rangeRow{x.last.start, uint32(x.after.sid - t.first)})
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
				if row := first.next(); t.contains(row.sid) {
					candidates = append(candidates, candidate{sid: t.first + int64(row.sid)})
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
	*rangeSet
	at, step int
}

func newHeldWalk(r *rangeSet, descending bool) *heldWalk {
	if descending {
		return &heldWalk{r, len(r.lows) - 1, -1}
	}
	return &heldWalk{r, 0, 1}
}

func (w *heldWalk) left() bool { return w.at >= 0 && w.at < len(w.lows) }

func (w *heldWalk) row() rangeRow { return rangeRow{w.lows[w.at], w.sids[w.at]} }

func (w *heldWalk) next() rangeRow {
	row := w.row()
	w.at += w.step
	return row
}

func (w *heldWalk) before(a, b rangeRow) bool {
	return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.sid, b.sid)) == -w.step
}

// skip goes beyond a row.
func (w *heldWalk) skip(last rangeRow) {
	beyond := func(i int) bool { return compareRangeRows(rangeRow{w.lows[i], w.sids[i]}, last) > 0 }
	if w.step > 0 {
		w.at = sort.Search(len(w.lows), beyond)
		return
	}
	w.at = sort.Search(len(w.lows), func(i int) bool { return compareRangeRows(rangeRow{w.lows[i], w.sids[i]}, last) >= 0 }) - 1
}
