package search

import (
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/step"
)

// learn finds out what the choice depends on, and marks it on the clauses: how many rows each of them has, the rows of
// those that are read anyway, whether most rows of the type are superseded, and which clauses bound a walk. Where what
// it would read takes longer than a little walk, it tries one first: done is true when that has filled the page.
func (p *plan) learn() (found []step.Match, done bool, err error) {
	if err := p.readManyKeys(); err != nil {
		return nil, false, err
	}
	p.MayWait = p.By == step.OrderMain && (p.order.By == step.OrderMain ||
		p.After.Phase != step.ByMissing && !p.inParts())
	further, err := p.countFirst()
	if err != nil || p.Nothing != "" {
		return nil, false, err
	}
	if further, err = p.learnCurrent(further); err != nil {
		return nil, false, err
	}
	if further {
		if p.MayWait && !p.heldInMemory(p.Counting()) {
			if found, done, err = p.tryBeforeRanges(); done || err != nil {
				return found, done, err
			}
		}
		if err := p.countFurther(); err != nil {
			return nil, false, err
		}
	}
	if found, done, err = p.tryBeforeChains(); done || err != nil || p.Nothing != "" {
		return found, done, err
	}
	if err := p.OrderTexts(p.order); err != nil {
		return nil, false, err
	}
	p.driver = p.rareClause()
	return nil, false, nil
}

// learnCurrent adds what is current of the type to the clauses where most of its rows are superseded. further tells
// whether the choice still depends on how many rows clauses have that were not counted.
func (p *plan) learnCurrent(further bool) (bool, error) {
	current, err := p.onlyCurrent(p.order)
	if current == nil || err != nil {
		return further, err
	}
	if p.chooser, err = p.askCurrent(current); err != nil {
		return false, err
	}
	if further = further && current.Count > p.Bounds.Few; !further {
		p.assumeMany()
	}
	return further, nil
}

// rareClause is the clause whose versions are all read and sorted; nil when the order is walked.
func (x chooser) rareClause() *clause.Access {
	least := step.Least(x.Counting())
	if least == nil || least.Count < 0 || least.Count > x.Bounds.Many || x.By == step.OrderMain && least.InOrder() {
		return nil
	}
	if x.By == step.OrderMain && least.Count > x.Bounds.Few && least.WalkKeys() != nil {
		return nil
	}
	return least
}

// tryBeforeRanges walks a little where ranges are not in memory: two pages of rows, and if the ranges then turn out to
// have many rows some more.
func (p *plan) tryBeforeRanges() (found []step.Match, done bool, err error) {
	if found, done, err = p.tryWalk(min(2*p.limit, p.Bounds.Tried)); done || err != nil {
		return found, done, err
	}
	few, err := p.holdRanges(p.Counting(), p.Bounds.Many)
	if few || err != nil {
		return nil, false, err
	}
	return p.tryWalk(p.Bounds.Tried)
}

// tryBeforeChains walks a little where chains lead to many resources, so that many versions are likely to match, before
// these are looked up.
func (p *plan) tryBeforeChains() (found []step.Match, done bool, err error) {
	p.MayWait = false
	late := slices.DeleteFunc(slices.Clone(p.Accesses), func(a *clause.Access) bool { return !a.Late })
	if len(late) == 0 {
		return nil, false, nil
	}
	if found, done, err = p.tryWalk(10 * p.limit); done || err != nil {
		return found, done, err
	}
	for _, a := range late {
		a.Late = false
		if err := p.lookUp(a); err != nil {
			return nil, false, err
		}
	}
	return nil, false, p.count()
}
