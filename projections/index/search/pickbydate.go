package search

import "binnacle/projections/index/sets"

// mayPickByDate tells whether an order is by a date that is not the main date, of which no version has two values, and clauses are sets.
func (p *plan) mayPickByDate() bool {
	if p.order.by != orderDate || p.dates.Aligned || !p.dates.Marks || p.dates.Several || len(p.ordered()) > 0 ||
		p.view() == nil || p.driver != nil && p.driver.Count <= p.Bounds.Few/4 {
		return false
	}
	sets, _ := p.settable(true)
	return len(sets) > 0 || p.driver.ToRead() != nil
}

// pickByDate goes through the dates in memory and keeps what is in the sets, in place of a walk that asks every version. Done is false where
// another way is better, or what is held of the dates, or the sets, cannot be had.
func (p *plan) pickByDate() (found []match, done bool, err error) {
	o, v := p.order, p.view()
	var held []*sets.Range
	rows := 0
	for _, src := range p.sources(o) {
		r, err := v.RowsOfRange(sets.Kind{Table: src.table}.Name(src.key))
		if r == nil || r.Large || err != nil {
			return nil, false, err
		}
		held, rows = append(held, r), rows+len(r.Lows)
	}
	t, err := p.intersect(p.driver.ToRead(), p.driver == nil)
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
