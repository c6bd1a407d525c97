package search

import (
	"slices"

	"binnacle/projections/index/clause"
)

// learn finds out what the choice depends on, and marks it on the clauses: how many rows each of them has, the rows of those that are read
// anyway, whether most rows of the type are superseded, and which clauses bound a walk. Where what it would read takes longer than a little
// walk, it tries one first: done is true when that has filled the page.
func (p *plan) learn() (found []match, done bool, err error) {
	if err := p.readManyKeys(); err != nil {
		return nil, false, err
	}
	p.mayWait = p.by == orderMain && (p.order.by == orderMain || p.after.phase != byMissing && !p.inParts())
	further, err := p.countFirst()
	if err != nil || p.nothing != "" {
		return nil, false, err
	}
	if further, err = p.learnCurrent(further); err != nil {
		return nil, false, err
	}
	if further {
		if p.mayWait && !p.heldInMemory(p.counting()) {
			if found, done, err = p.tryBeforeRanges(); done || err != nil {
				return found, done, err
			}
		}
		if err := p.countFurther(); err != nil {
			return nil, false, err
		}
	}
	if found, done, err = p.tryBeforeChains(); done || err != nil || p.nothing != "" {
		return found, done, err
	}
	if err := p.orderTexts(p.order); err != nil {
		return nil, false, err
	}
	p.driver = p.rareClause()
	return nil, false, nil
}

// learnCurrent adds what is current of the type to the clauses where most of its rows are superseded. further tells whether the choice
// still depends on how many rows clauses have that were not counted.
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
	least := least(x.counting())
	if least == nil || least.Count < 0 || least.Count > x.Bounds.Many || x.by == orderMain && least.InOrder() {
		return nil
	}
	if x.by == orderMain && least.Count > x.Bounds.Few && least.WalkKeys() != nil {
		return nil
	}
	return least
}

// tryBeforeRanges walks a little where ranges are not in memory: two pages of rows, and if the ranges then turn out to have many rows some
// more.
func (p *plan) tryBeforeRanges() (found []match, done bool, err error) {
	if found, done, err = p.tryWalk(min(2*p.limit, p.Bounds.Tried)); done || err != nil {
		return found, done, err
	}
	few, err := p.holdRanges(p.counting(), p.Bounds.Many)
	if few || err != nil {
		return nil, false, err
	}
	return p.tryWalk(p.Bounds.Tried)
}

// tryBeforeChains walks a little where chains lead to many resources, so that many versions are likely to match, before these are looked up.
func (p *plan) tryBeforeChains() (found []match, done bool, err error) {
	p.mayWait = false
	late := slices.DeleteFunc(slices.Clone(p.accesses), func(a *clause.Access) bool { return !a.Late })
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
