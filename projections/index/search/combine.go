package search

import (
	"math"
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/step"
)

// helpfulSets are the clauses that sets can answer, or narrow.
type helpfulSets struct {
	list  []*clause.Access
	ready bool // all of them are in memory
	help  bool // they are worth it
}

// mayCombine tells whether sets may be combined at all: in the order of the main date or of lastUpdated, and where no
// clause has very few rows.
func (p *plan) mayCombine() bool {
	return (p.By == step.OrderMain || p.By == step.OrderUpdated) &&
		(p.driver == nil || p.driver.Held != nil || p.driver.Count > p.Bounds.Few/4)
}

// setsHelp tells whether there are sets, and no index has the matches in order, or one that would be walked for long.
func (p *plan) setsHelp() bool {
	if !p.mayCombine() {
		return false
	}
	if p.sets == nil {
		list, ready := p.Settable(true)
		p.sets = &helpfulSets{list: list, ready: ready}
		switch walk := p.driver == nil && p.By == step.OrderMain; {
		case len(list) == 0 && p.driver.ToRead() == nil, walk && p.walksWell():
		case walk && !ready && p.merges():
			p.prefetch(list)
		default:
			p.sets.help = true
		}
	}
	return p.sets.help
}

// mayTryBeforeRows tells whether a walk is tried before the rows of a clause are read to be combined with sets.
func (p *plan) mayTryBeforeRows() bool {
	return p.mayCombine() && p.driver.ToRead() != nil && p.order.By == step.OrderMain &&
		p.walkMayCostLess(p.driver, p.limit)
}

func (p *plan) tryBeforeRows() (found []step.Match, enough bool, err error) {
	return p.tryWalk(p.Bounds.Tried)
}

// mayTryBeforeSets tells whether a walk is tried first, because some sets are not in memory and would take long to
// read.
func (p *plan) mayTryBeforeSets() bool {
	return p.setsHelp() && p.driver == nil && !p.sets.ready && p.By == step.OrderMain && !p.inParts() &&
		p.After.Phase != step.ByMissing && !p.soonRead(p.sets.list)
}

// tryBeforeSets walks the order over some rows. Where these do not fill the page, the sets are read in the background;
// the walk goes on if by what it has found it ends sooner than that.
func (p *plan) tryBeforeSets() (found []step.Match, enough bool, err error) {
	sets := p.sets.list
	// which a walk asks of each version
	if slices.ContainsFunc(sets, func(a *clause.Access) bool { return a.Held != nil && a.Follow != nil }) {
		p.prefetch(sets)
	}
	if found, enough, err = p.tryWalk(p.Bounds.Tried); enough || err != nil {
		return found, enough, err
	}
	p.prefetch(sets)
	if rows, more := p.setsCostMore(sets, &p.trial, p.limit); more {
		return p.tryWalk(rows)
	}
	return nil, false, nil
}

// combine answers with sets. Done is false where another way is better, or they can't be had.
func (p *plan) combine() (found []step.Match, done bool, err error) {
	if !p.inParts() {
		return p.combined(p.order, p.walkedOrder(), nil, step.ByValue, p.driver, p.limit)
	}
	return p.InPhases(p.limit, func(phase step.Phase, limit int) ([]step.Match, bool, error) {
		if phase == step.ByMissing {
			return p.combined(p.order, step.Order{By: step.OrderUpdated, Descending: p.order.Descending},
				&p.Dates.Without, step.ByMissing, p.driver, limit)
		}
		return p.combined(p.order, p.walkedOrder(), &p.Dates.With, step.ByValue, p.driver, limit)
	})
}

// combined is combine for one phase, with one more clause. Where a clause has few rows it waits for little: to sort
// them takes less.
func (x chooser) combined(
	o, by step.Order, more *clause.Access, phase step.Phase, driver *clause.Access, limit int,
) (found []step.Match, done bool, err error) {
	if more != nil {
		x.Ask = x.Also(more)
	}
	resume := x.After.Phase == phase
	t, err := x.Intersect(driver.ToRead(), driver == nil)
	if t == nil || err != nil {
		return nil, false, err
	}
	if by.By == step.OrderMain && t.Count() > 0 {
		return x.firstByMain(t, o, phase, resume, limit)
	}
	return x.picked(t, by, phase, resume, limit)
}

// picked is pick, and says so.
func (x chooser) picked(
	t *step.Intersection, by step.Order, phase step.Phase, resume bool, limit int,
) (found []step.Match, done bool, err error) {
	x.choose(byMerge, "so few match that to pick the first costs less than a walk")
	x.Say("%s, the first of them by %s%s", x.Describe(t), by.Name(), step.CheckedFor(t.Left))
	found, err = x.Pick(t, by, phase, resume, limit)
	return found, true, err
}

// firstByMain answers with the matches that come first by main date: it picks them by main dates in memory, or finds
// them in a list that is in this order, or reads and sorts all. For main dates that are not there it waits where that
// costs less. Done is false where none of these is possible.
func (x chooser) firstByMain(
	t *step.Intersection, o step.Order, phase step.Phase, resume bool, limit int,
) (found []step.Match, done bool, err error) {
	matches, roomy := t.Count(), t.Sets.RoomForMains()
	missing := t.Sets.MissingMains(t.Found)
	if roomy && (matches > x.Bounds.Read || missing == 0) {
		if t.Main, err = t.Sets.MainsOf(t.Found, false); err != nil {
			return nil, false, err
		}
	}
	c := x.firstCost(t, missing, t.Main != nil, roomy, limit)
	if t.Main == nil && matches <= x.Bounds.Read {
		return x.collectMatches(t, o, phase, limit)
	}
	if c.sieve < min(c.pick, c.sort) {
		found, enough, err := x.Sieve(t, c.key, o, phase, resume, int(2*c.expected)+limit, limit)
		if enough || err != nil {
			x.choose(byMerge, "so many match that a page is found in the order, each row held against the sets")
			x.Say("%s, found in the order of the main date%s", x.Describe(t), step.CheckedFor(t.Left))
			return found, true, err
		}
	}
	if c.sort < 2*c.pick {
		return x.collectMatches(t, o, phase, limit)
	}
	if t.Main == nil && roomy {
		if t.Main, err = t.Sets.MainsOf(t.Found, true); err != nil {
			return nil, false, err
		}
	}
	switch {
	case t.Main != nil:
		return x.picked(t, step.Order{By: step.OrderMain, Descending: o.Descending}, phase, resume, limit)
	case !math.IsInf(c.sort, 1):
		return x.collectMatches(t, o, phase, limit)
	}
	return nil, false, nil
}

// collectMatches reads the matches and sorts them.
func (x chooser) collectMatches(
	t *step.Intersection, o step.Order, phase step.Phase, limit int,
) ([]step.Match, bool, error) {
	words := x.Describe(t)
	x.Say("all of %s, sorted%s", words, step.CheckedFor(t.Left))
	x.choose(byMerge, "the matches are few enough to be sorted")
	return x.With(t.Left).CollectPhase(o, t.Access(words), phase, limit)
}
