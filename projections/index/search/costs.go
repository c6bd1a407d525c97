package search

import (
	"math"
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/step"
)

// What the planner estimates, all in one place. Clauses are taken for independent of each other. The constants are
// microseconds, as they were measured at a million resources.
const (
	sievedRow = 2     // a row that is read in order, to see whether it is in a set
	setMember = 0.015 // a member of a set that is held against the best so far
	heldRow   = 0.03  // the place of a range in an order by its lower end that is looked up in memory
	walkedRow = 1     // a row of an order, and whether its version is current
	keyProbe  = 1.5   // a version that is asked for a key
	rowProbe  = 5     // or for a range or a string
	farProbe  = 50    // or along a reference
	setRow    = 0.25  // a row that is read for a set
	mergedKey = 50    // a key whose first rows are read to be merged with those of others
	sortedRow = 5     // a version that is read to be sorted
)

// estimate is what a way is expected to take.
type estimate struct {
	rows   float64 // that are walked; versions that are sorted, or match
	unread float64 // rows that are read for sets first
	time   float64 // microseconds
}

// likely is about how many rows a clause has. Where it is only known that they are more than so many, it is the
// geometric middle between that and all of the type.
func (x chooser) likely(a *clause.Access) float64 {
	rows, all := float64(a.Count), float64(x.rowsOfType())
	switch {
	case a.Count < 0:
		return max(all, 0) / 2
	case (a.More || a.Assumed) && all > rows:
		return math.Sqrt(rows * all)
	}
	return rows
}

// expected is how many versions of the type answer all of some clauses.
func (x chooser) expected(clauses []*clause.Access) float64 {
	all := float64(max(x.rowsOfType(), 1))
	matches := all
	for _, a := range clauses {
		if a.Count >= 0 {
			matches *= min(x.likely(a)/all, 1)
		}
	}
	return matches
}

// walkedRow is what a row of a walk costs over the rows of a clause, or of the type: its version is asked for each of
// the others that don't bound the walk.
func (x chooser) walkedRow(walked *clause.Access) float64 {
	cost := float64(walkedRow)
	for _, a := range x.Accesses {
		if a != walked && !a.Ordered && !(a.Aligned && x.By == step.OrderMain) {
			cost += probeCost(a)
		}
	}
	return cost
}

// walkedAtMost is how many rows a walk of the order meets until its end, over the rows of a clause or, nil, of the
// type.
func (x chooser) walkedAtMost(over *clause.Access) float64 {
	rows := float64(x.rowsOfType())
	for _, a := range x.Ordered() {
		rows = min(rows, x.likely(a))
	}
	if over != nil {
		rows = min(rows, x.likely(over))
	}
	return rows
}

// walkCost is what it takes to walk the order until a page is full, over the rows of a clause or, nil, of the type,
// where the matches are spread over the order.
func (x chooser) walkCost(over *clause.Access, limit int) estimate {
	rows := x.walkedAtMost(over)
	walked := min(rows, float64(limit)*rows/max(x.expected(x.Positive()), 1))
	return estimate{rows: walked, time: walked * x.walkedRow(over)}
}

// sortCost is what it takes to read all versions of a clause, each asked for the others, and to sort them.
func (x chooser) sortCost(driver *clause.Access) estimate {
	rows := float64(driver.Count)
	return estimate{rows: rows, time: rows * (sortedRow - walkedRow + x.walkedRow(driver))}
}

// walkCostsLess tells whether to walk the order of a date or string costs less than to read all versions of a clause
// and sort them. The matches may all stand at the end of the order: then, too, the walk must not cost several times as
// much.
func (x chooser) walkCostsLess(driver *clause.Access, limit int) bool {
	return x.walkMayCostLess(driver, limit) && x.walkedAtMost(nil)*x.walkedRow(nil) < 4*x.sortCost(driver).time
}

// walkMayCostLess tells the same where the matches are spread over the order.
func (x chooser) walkMayCostLess(driver *clause.Access, limit int) bool {
	if x.Living <= 0 || driver.Count <= limit || slices.ContainsFunc(x.Positive(), func(a *clause.Access) bool {
		return a.Count < 0
	}) {
		return false
	}
	walk, sort := x.walkCost(nil, limit), x.sortCost(driver)
	x.weigh(byWalk, walk)
	x.weigh(bySort, sort)
	return 2*walk.time < sort.time
}

// setsCost is what it takes to combine the sets of clauses, to ask what is in all of them for the other clauses, and to
// pick a page.
func (x chooser) setsCost(sets []*clause.Access, limit int) estimate {
	positive := x.Positive()
	e := estimate{rows: x.expected(positive), unread: x.unread(sets)}
	e.time = e.unread*setRow + min(e.rows, float64(limit))*walkedRow
	asked := min(x.expected(sets), float64(limit)*x.expected(sets)/max(e.rows, 1))
	for _, a := range positive {
		if !slices.Contains(sets, a) {
			e.time += asked * probeCost(a)
		}
	}
	if x.By == step.OrderMain || x.By == step.OrderUpdated {
		e.time += e.rows * setMember
	} else {
		e.time += e.rows * sortedRow
	}
	return e
}

// unread is how many rows have to be read for the sets of clauses that are not in memory.
func (x chooser) unread(sets []*clause.Access) (rows float64) {
	v := x.View()
	for _, a := range sets {
		if _, known := v.Count(a.Names()); v != nil && !known && a.Held == nil {
			rows += math.Floor(x.likely(a))
		}
	}
	return rows
}

// setsCostMore tells whether to read the sets that are missing takes longer than to walk on, by what a trial has met,
// and over how many rows to walk.
func (x chooser) setsCostMore(sets []*clause.Access, t *trial, limit int) (rows int, more bool) {
	if len(t.found) == 0 {
		return 0, false
	}
	expected := float64(t.rows*limit) / float64(len(t.found))
	walk := estimate{rows: expected, time: expected * x.walkedRow(x.Walked())}
	merge := estimate{rows: x.expected(x.Positive()), unread: x.unread(sets)}
	merge.time = merge.unread * setRow
	x.weigh(byWalk, walk)
	x.weigh(byMerge, merge)
	return int(2 * expected), walk.time < merge.time
}

// mergeCostsLess tells whether to merge the first rows of so many keys takes less than to read the sets of theirs that
// are missing.
func (x chooser) mergeCostsLess(walked *clause.Access, keys, inMemory int) bool {
	missing := 1 - float64(inMemory)/float64(keys)
	return x.likely(walked)*missing*setRow > float64(keys)*mergedKey
}

// heldCostsLess tells whether to go through so many rows of dates in memory, until a page of the matches is met, takes
// less than to sort the matches.
func (x chooser) heldCostsLess(rows, matches, limit int) bool {
	held := float64(rows) * min(1, float64(limit)/float64(max(matches, 1)))
	x.weigh(byMerge, estimate{rows: float64(matches), time: held * heldRow})
	return held*heldRow <= float64(matches)*sortedRow
}

// firstCosts are what it takes to find the first of an intersection by main date.
type firstCosts struct {
	pick     float64 // by main dates, those read that are missing
	sort     float64 // all are read
	sieve    float64 // the rows of a key are read in order
	key      int64   // sieve: this
	expected float64 // sieve: so many of them
}

// firstCost estimates them: infinite is what is not possible. held tells whether the main dates are in memory, roomy
// whether there is room for those that are missing.
func (x chooser) firstCost(t *step.Intersection, missing int, held, roomy bool, limit int) (c firstCosts) {
	matches := t.Count()
	c.pick, c.sort, c.sieve = float64(matches)*setMember, math.Inf(1), math.Inf(1)
	if !held {
		if c.pick += float64(missing*sets.BlockSids) * setRow; !roomy {
			c.pick = math.Inf(1)
		}
		if matches <= x.Bounds.Sorted {
			c.sort = float64(matches) * sortedRow
		}
	}
	key, rows := x.rarest()
	c.key, c.expected = key, float64(limit)*float64(rows)/float64(matches)
	if rows > 0 && !x.Passing {
		c.sieve = c.expected * sievedRow
	}
	x.weigh(byMerge, estimate{rows: float64(matches), time: min(c.pick, c.sort, c.sieve)})
	return c
}

// rarest is the key with the fewest rows of those that sets are made of, and its rows; where none has fewer, that of
// the type, whose rows may not be known.
func (x chooser) rarest() (key int64, rows int) {
	key, rows = x.Ledger, int(x.Living)
	for _, a := range x.Positive() {
		if keys := a.AsSet(); len(keys) == 1 && len(a.OnRow) == 0 && (rows <= 0 || a.Count > 0 && a.Count < rows) {
			key, rows = keys[0], a.Count
		}
	}
	return key, rows
}

// probeCost is what it costs to ask one version.
func probeCost(a *clause.Access) float64 {
	switch {
	case a.Inside() && !a.Resolved:
		return farProbe
	case len(a.Scans)+len(a.Texts) > 0:
		return rowProbe
	}
	return keyProbe
}
