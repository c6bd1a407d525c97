package search

import (
	"math"
	"slices"

	"binnacle/projections/index/clause"
)

// helpfulSets are the clauses that sets can answer, or narrow.
type helpfulSets struct {
	list  []*clause.Access
	ready bool // all of them are in memory
	help  bool // they are worth it
}

// mayCombine tells whether sets may be combined at all: in the order of the main date or of lastUpdated, and where no clause has very few
// rows.
func (p *plan) mayCombine() bool {
	return (p.by == orderMain || p.by == orderUpdated) && (p.driver == nil || p.driver.Held != nil || p.driver.Count > p.Bounds.Few/4)
}

// setsHelp tells whether there are sets, and no index has the matches in order, or one that would be walked for long.
func (p *plan) setsHelp() bool {
	if !p.mayCombine() {
		return false
	}
	if p.sets == nil {
		list, ready := p.settable(true)
		p.sets = &helpfulSets{list: list, ready: ready}
		switch walk := p.driver == nil && p.by == orderMain; {
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
	return p.mayCombine() && p.driver.ToRead() != nil && p.order.by == orderMain && p.walkMayCostLess(p.driver, p.limit)
}

func (p *plan) tryBeforeRows() (found []match, enough bool, err error) {
	return p.tryWalk(p.Bounds.Tried)
}

// mayTryBeforeSets tells whether a walk is tried before sets are used that are not in memory, and are not read soon.
func (p *plan) mayTryBeforeSets() bool {
	return p.setsHelp() && p.driver == nil && !p.sets.ready && p.by == orderMain && !p.inParts() && p.after.phase != byMissing && !p.soonRead(p.sets.list)
}

// tryBeforeSets walks the order over some rows. Where these do not fill the page, the sets are read in the background; the walk goes on if
// by what it has found it ends sooner than that.
func (p *plan) tryBeforeSets() (found []match, enough bool, err error) {
	sets := p.sets.list
	if slices.ContainsFunc(sets, func(a *clause.Access) bool { return a.Held != nil && a.Follow != nil }) { // which a walk asks of each version
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
func (p *plan) combine() (found []match, done bool, err error) {
	if !p.inParts() {
		return p.combined(p.order, p.walkedOrder(), nil, byValue, p.driver, p.limit)
	}
	return p.inPhases(p.limit, func(phase phase, limit int) ([]match, bool, error) {
		if phase == byMissing {
			return p.combined(p.order, order{by: orderUpdated, descending: p.order.descending}, &p.dates.Without, byMissing, p.driver, limit)
		}
		return p.combined(p.order, p.walkedOrder(), &p.dates.With, byValue, p.driver, limit)
	})
}

// combined is combine for one phase, with one more clause. Where a clause has few rows it waits for little: to sort them takes less.
func (x chooser) combined(o, by order, more *clause.Access, phase phase, driver *clause.Access, limit int) (found []match, done bool, err error) {
	if more != nil {
		x.ask = x.also(more)
	}
	resume := x.after.phase == phase
	t, err := x.intersect(driver.ToRead(), driver == nil)
	if t == nil || err != nil {
		return nil, false, err
	}
	if by.by == orderMain && t.count() > 0 {
		return x.firstByMain(t, o, phase, resume, limit)
	}
	return x.picked(t, by, phase, resume, limit)
}

// picked is pick, and says so.
func (x chooser) picked(t *intersection, by order, phase phase, resume bool, limit int) (found []match, done bool, err error) {
	x.choose(byMerge, "so few match that to pick the first costs less than a walk")
	x.say("%s, the first of them by %s%s", x.describe(t), by.name(), checkedFor(t.left))
	found, err = x.pick(t, by, phase, resume, limit)
	return found, true, err
}

// firstByMain answers with the matches that come first by main date: it picks them by main dates in memory, or finds them in a list that
// is in this order, or reads and sorts all. For main dates that are not there it waits where that costs less. Done is false where none of
// these is possible.
func (x chooser) firstByMain(t *intersection, o order, phase phase, resume bool, limit int) (found []match, done bool, err error) {
	matches, roomy := t.count(), t.sets.RoomForMains()
	missing := t.sets.MissingMains(t.found)
	if roomy && (matches > x.Bounds.Read || missing == 0) {
		if t.main, err = t.sets.MainsOf(t.found, false); err != nil {
			return nil, false, err
		}
	}
	c := x.firstCost(t, missing, t.main != nil, roomy, limit)
	if t.main == nil && matches <= x.Bounds.Read {
		return x.collectMatches(t, o, phase, limit)
	}
	if c.sieve < min(c.pick, c.sort) {
		found, enough, err := x.sieve(t, c.key, o, phase, resume, int(2*c.expected)+limit, limit)
		if enough || err != nil {
			x.choose(byMerge, "so many match that a page is found in the order, each row held against the sets")
			x.say("%s, found in the order of the main date%s", x.describe(t), checkedFor(t.left))
			return found, true, err
		}
	}
	if c.sort < 2*c.pick {
		return x.collectMatches(t, o, phase, limit)
	}
	if t.main == nil && roomy {
		if t.main, err = t.sets.MainsOf(t.found, true); err != nil {
			return nil, false, err
		}
	}
	switch {
	case t.main != nil:
		return x.picked(t, order{by: orderMain, descending: o.descending}, phase, resume, limit)
	case !math.IsInf(c.sort, 1):
		return x.collectMatches(t, o, phase, limit)
	}
	return nil, false, nil
}

// collectMatches reads the matches and sorts them.
func (x chooser) collectMatches(t *intersection, o order, phase phase, limit int) ([]match, bool, error) {
	words := x.describe(t)
	x.say("all of %s, sorted%s", words, checkedFor(t.left))
	x.choose(byMerge, "the matches are few enough to be sorted")
	return x.with(t.left).collectPhase(o, t.access(words), phase, limit)
}
