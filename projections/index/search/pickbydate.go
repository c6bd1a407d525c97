package search

import (
	"binnacle/projections/index/sets"
	"binnacle/projections/index/step"
)

// mayPickByDate tells whether an order is by a date that is not the main date, of which no version has two values, and
// clauses are sets.
func (p *plan) mayPickByDate() bool {
	if p.order.By != step.OrderDate || p.Dates.Aligned || !p.Dates.Marks || p.Dates.Several || len(p.Ordered()) > 0 ||
		p.View() == nil || p.driver != nil && p.driver.Count <= p.Bounds.Few/4 {
		return false
	}
	sets, _ := p.Settable(true)
	return len(sets) > 0 || p.driver.ToRead() != nil
}

// pickByDate goes through the dates in memory and keeps what is in the sets, in place of a walk that asks every
// version. Done is false where another way is better, or what is held of the dates, or the sets, cannot be had.
func (p *plan) pickByDate() (found []step.Match, done bool, err error) {
	o, v := p.order, p.View()
	var held []*sets.Range
	rows := 0
	for _, src := range p.Sources(o) {
		r, err := v.RowsOfRange(sets.Kind{Table: src.Table}.Name(src.Key))
		if r == nil || r.Large || err != nil {
			return nil, false, err
		}
		held, rows = append(held, r), rows+len(r.Lows)
	}
	t, err := p.Intersect(p.driver.ToRead(), p.driver == nil)
	if t == nil || err != nil || !p.heldCostsLess(rows, t.Count(), p.limit) {
		return nil, false, err
	}
	p.Say("%s, the first of them by %s%s", p.Describe(t), o.Keys[0].Param, step.CheckedFor(t.Left))
	return p.InPhases(p.limit, func(phase step.Phase, limit int) ([]step.Match, bool, error) {
		var found []step.Match
		var err error
		if phase == step.ByMissing {
			found, err = p.WalkLacking(o, limit)
		} else {
			found, err = p.With(t.Left).PickHeld(t, held, o, limit)
		}
		return found, true, err
	})
}
