package sqlterms

import (
	"math"
	"slices"

	"binnacle/projections/index/sql"
)

// The planner's estimates of what ways to answer cost, in microseconds.
const (
	sievedRow = 2     // a row that is read in order, to see whether it is in a set
	setMember = 0.015 // a member of a set that is held against the best so far
	walkedRow = 1     // a row of an order, and whether its version is current
	keyProbe  = 1.5   // a version that is asked for a key
	rowProbe  = 5     // or for a range or a string
	farProbe  = 50    // or along a reference
	setRow    = 0.25  // a row that is read for a set
	mergedKey = 50    // a key whose first rows are read to be merged with those of others
	sortedRow = 5     // a version that is read to be sorted
)

// walkCostsLess tells whether to walk the order of a date or string costs less than to read all versions of a clause and sort them. The matches may all
// stand at the end of the order: then, too, the walk must not cost several times as much.
func (x ask) walkCostsLess(driver *access, limit int) bool {
	return x.walkMayCostLess(driver, limit) && x.walkedAtMost()*x.walkedRow(nil) < 4*x.sortCost(driver)
}

// walkMayCostLess tells the same where the matches are spread over the order.
func (x ask) walkMayCostLess(driver *access, limit int) bool {
	if x.living <= 0 || driver.count <= limit {
		return false
	}
	positive := x.positive()
	if slices.ContainsFunc(positive, func(a *access) bool { return a.count < 0 }) {
		return false
	}
	return 2*float64(limit)*x.walkedAtMost()/max(x.expected(positive), 1)*x.walkedRow(nil) < x.sortCost(driver)
}

// sortCost is what it costs to read all versions of a clause, each asked for the others, and to sort them.
func (x ask) sortCost(driver *access) float64 {
	return float64(driver.count) * (sortedRow - walkedRow + x.walkedRow(driver))
}

// walkedRow is what a row of a walk costs over the rows of a clause, or of the type: its version is asked for each of the others that don't bound the walk.
func (x ask) walkedRow(walked *access) float64 {
	cost := float64(walkedRow)
	for _, a := range x.accesses {
		if a != walked && !a.ordered && !(a.aligned && x.byMain) {
			cost += a.probeCost()
		}
	}
	return cost
}

// probeCost is what it costs to ask one version.
func (a *access) probeCost() float64 {
	switch {
	case a.inside() && !a.resolved:
		return farProbe
	case len(a.scans)+len(a.texts) > 0:
		return rowProbe
	}
	return keyProbe
}

// likely is about how many rows a clause has. Where it is only known that they are more than so many, it is the geometric middle between that and all of the type.
func (x *search) likely(a *access) float64 {
	rows, all := float64(a.count), float64(x.rowsOfType())
	switch {
	case a.count < 0:
		return max(all, 0) / 2
	case (a.more || a.assumed) && all > rows:
		return math.Sqrt(rows * all)
	}
	return rows
}

// walkedAtMost is how many rows a walk of the order meets until its end.
func (x ask) walkedAtMost() float64 {
	rows := float64(x.rowsOfType())
	for _, a := range x.ordered() {
		rows = min(rows, x.likely(a))
	}
	return rows
}

// combine answers with sets, in the order of the main date or of lastUpdated, where clauses have many rows and no index has the matches in
// that order, or one that would be walked for long. done is false where another way is better, or sets cannot be had.
func (x ask) combine(o, walk order, driver *access, limit int) (found []match, done bool, err error) {
	if walk.by != orderMain && walk.by != orderUpdated || driver != nil && driver.held == nil && driver.count <= x.Bounds.Few/4 {
		return nil, false, nil
	}
	read := driver.toRead()
	if read != nil && x.byMain && o.by == orderMain && x.walkMayCostLess(driver, limit) {
		if found, done, err = x.tryWalk(o, x.Bounds.Tried, limit); done || err != nil {
			return found, done, err
		}
	}
	sets, ready := x.settable(true)
	if len(sets) == 0 && read == nil || driver == nil && walk.by == orderMain && x.walksWell() {
		return nil, false, nil
	}
	if driver == nil && !ready && walk.by == orderMain && x.merges() {
		x.prefetch(sets)
		return nil, false, nil
	}
	aligned := o.by == orderDate && !x.dates.without.empty() && !x.dated()
	if driver == nil && ready && walk.by == orderMain && !aligned && len(x.accesses) == 1 {
		if found, done, err = x.sieveAlone(x.accesses[0], o, limit); done || err != nil {
			return found, done, err
		}
	}
	if driver == nil && !ready && walk.by == orderMain && !aligned && x.after.phase != byMissing && !x.soonRead(sets) {
		if slices.ContainsFunc(sets, func(a *access) bool { return a.held != nil && a.follow != nil }) { // which a walk asks of each version
			x.prefetch(sets)
		}
		if found, done, err = x.walkMeanwhile(o, sets, limit); done || err != nil {
			return found, done, err
		}
	}
	if !aligned {
		return x.combined(o, walk, nil, byValue, driver, limit)
	}
	return x.inPhases(limit, func(phase phase, limit int) ([]match, bool, error) {
		if phase == byMissing {
			return x.combined(o, order{by: orderUpdated, descending: o.descending}, &x.dates.without, byMissing, driver, limit)
		}
		return x.combined(o, walk, &x.dates.with, byValue, driver, limit)
	})
}

// toRead is a clause of few rows if these have to be read to be combined with sets; else nil. The clause may be nil.
func (a *access) toRead() *access {
	if a == nil || a.asSet() != nil || a.held != nil {
		return nil
	}
	return a
}

// combined is combine for one phase, with one more clause. Where a clause has few rows it waits for little: to sort them takes less.
func (x ask) combined(o, by order, more *access, phase phase, driver *access, limit int) (found []match, done bool, err error) {
	if more != nil {
		x = x.also(more)
	}
	resume := x.after.phase == phase
	t, err := x.intersect(driver.toRead(), driver == nil)
	if t == nil || err != nil {
		return nil, false, err
	}
	if by.by == orderMain && t.count() > 0 {
		return x.firstByMain(t, o, phase, resume, limit)
	}
	return x.picked(t, by, phase, resume, limit)
}

// picked is pick, and says so.
func (x ask) picked(t *together, by order, phase phase, resume bool, limit int) (found []match, done bool, err error) {
	x.choose(byMerge, "so few match that to pick the first costs less than a walk")
	x.say("%s, the first of them by %s%s", x.describe(t), by.name(), x.checkedFor(t.left))
	found, err = x.pick(t, by, phase, resume, limit)
	return found, true, err
}

// firstByMain answers with the matches that come first by main date: it picks them by main dates in memory, or finds them in a list that is in this
// order, or reads and sorts all. For main dates that are not there it waits where that costs less. Done is false where none of these is possible.
func (x ask) firstByMain(t *together, o order, phase phase, resume bool, limit int) (found []match, done bool, err error) {
	matches, roomy := t.count(), t.sets.roomForMains()
	missing := t.sets.missingMains(t.found)
	if roomy && (matches > x.Bounds.Read || missing == 0) {
		if t.main, err = t.sets.mainsOf(t.found, false); err != nil {
			return nil, false, err
		}
	}
	pick, sort, sieve := float64(matches)*setMember, math.Inf(1), math.Inf(1)
	if t.main == nil {
		if pick += float64(missing*blockSids) * setRow; !roomy {
			pick = math.Inf(1)
		}
		if matches <= x.Bounds.Sorted {
			sort = float64(matches) * sortedRow
		}
	}
	key, rows := x.rarest()
	expected := float64(limit) * float64(rows) / float64(matches)
	if rows > 0 && !x.passing {
		sieve = expected * sievedRow
	}
	if t.main == nil && matches <= x.Bounds.Read {
		return x.collectMatches(t, o, phase, limit)
	}
	if sieve < min(pick, sort) {
		found, enough, err := x.sieve(t, key, o, phase, resume, int(2*expected)+limit, limit)
		if enough || err != nil {
			x.choose(byMerge, "so many match that a page is found in the order, each row held against the sets")
			x.say("%s, found in the order of the main date%s", x.describe(t), x.checkedFor(t.left))
			return found, true, err
		}
	}
	if sort < 2*pick {
		return x.collectMatches(t, o, phase, limit)
	}
	if t.main == nil && roomy {
		if t.main, err = t.sets.mainsOf(t.found, true); err != nil {
			return nil, false, err
		}
	}
	switch {
	case t.main != nil:
		return x.picked(t, order{by: orderMain, descending: o.descending}, phase, resume, limit)
	case !math.IsInf(sort, 1):
		return x.collectMatches(t, o, phase, limit)
	}
	return nil, false, nil
}

// rarest is the key with the fewest rows of those that sets are made of, and its rows; where none has fewer, that of the type, whose rows may not be known.
func (x ask) rarest() (key int64, rows int) {
	key, rows = x.ledger, int(x.living)
	for _, a := range x.positive() {
		if keys := a.asSet(); len(keys) == 1 && len(a.onRow) == 0 && (rows <= 0 || a.count > 0 && a.count < rows) {
			key, rows = keys[0], a.count
		}
	}
	return key, rows
}

// collectMatches reads the matches and sorts them.
func (x ask) collectMatches(t *together, o order, phase phase, limit int) ([]match, bool, error) {
	words := x.describe(t)
	x.say("all of %s, sorted%s", words, x.checkedFor(t.left))
	x.choose(byMerge, "the matches are few enough to be sorted")
	return x.with(t.left).collectPhase(o, t.access(words), phase, limit)
}

// soonRead tells whether what is missing of the sets of clauses is read within the time of a little walk.
func (x *search) soonRead(sets []*access) bool {
	rows := 0
	for _, a := range sets {
		if _, known := x.view().count(a.names()); known || a.held != nil {
			continue
		}
		if !a.readSoon(x.Bounds) {
			return false
		}
		rows += a.count
	}
	v := x.view()
	if v == nil || !v.soon(rows) {
		return false
	}
	known, _ := v.superseded()
	return known != nil
}

// walkMeanwhile walks the order over some rows before sets are used that are not in memory. Where these do not fill the page, the sets are read in the background; the walk goes on
// if by what it has found it ends sooner than that.
func (x ask) walkMeanwhile(o order, sets []*access, limit int) (found []match, enough bool, err error) {
	if found, enough, err = x.tryWalk(o, x.Bounds.Tried, limit); enough || err != nil {
		return found, enough, err
	}
	unread := x.prefetch(sets)
	expected := float64(x.Bounds.Tried*limit) / float64(len(found))
	if expected*x.walkedRow(x.walked()) < float64(unread)*setRow { // none found: never
		return x.tryWalk(o, int(2*expected), limit)
	}
	return nil, false, nil
}

// prefetch has the sets of clauses read in the background that are missing and have many rows. It returns about how many rows are missing.
func (x *search) prefetch(sets []*access) (rows int) {
	v := x.view()
	if v == nil {
		return 0
	}
	var names []setName
	for _, a := range sets {
		if _, known := v.count(a.names()); known || a.held != nil {
			continue
		}
		rows += int(x.likely(a))
		if a.more || a.count < 0 {
			if keys := a.asSet(); keys != nil {
				names = append(names, a.in().names(keys)...)
			}
		}
	}
	v.prefetch(names)
	return rows
}

// collectPhase is collect in the order of the main date, of versions that are one phase of an order.
func (x ask) collectPhase(o order, driver *access, phase phase, limit int) ([]match, bool, error) {
	if x.after.phase != phase {
		x.after = place{}
	}
	found, err := x.collect(order{by: orderMain, descending: o.descending}, driver, limit)
	for i := range found {
		found[i].phase = phase
	}
	return found, true, err
}

// name says what an order by one number is by.
func (o order) name() string {
	if o.by == orderUpdated {
		return "_lastUpdated"
	}
	return "main date"
}

// settable are the clauses that sets can answer, or with ranges those that sets can narrow; ready tells whether all of these sets are in memory.
func (x ask) settable(ranges bool) (sets []*access, ready bool) {
	ready = true
	for _, a := range x.positive() {
		if a.held != nil {
			sets = append(sets, a)
			continue
		}
		if a.asSet() == nil && (!ranges || !a.onlyScans() || len(a.scans) == 0 || a.aligned) {
			continue
		}
		sets = append(sets, a)
		count, known := x.view().count(a.names())
		if ready = ready && known; known && a.asSet() != nil {
			a.counts(count, false)
		}
	}
	return sets, ready
}

// walksWell tells whether to walk the rows of one clause in order is best, whatever sets know: they are all matches, or few.
func (x ask) walksWell() bool {
	walked := x.walked()
	if walked == nil || len(walked.walkKeys()) > sql.Inline {
		return false
	}
	return x.alone(walked) || walked.count >= 0 && walked.count <= x.Bounds.Few || x.othersAreAsked(walked)
}

// othersAreAsked tells whether all other clauses follow references and are asked of each version, whichever way it is found: a walk then asks no more versions than it takes
// to fill the page.
func (x ask) othersAreAsked(walked *access) bool {
	return !slices.ContainsFunc(x.accesses, func(a *access) bool {
		return a != walked && !a.aligned && (a.follow == nil || a.resolved || a.held != nil)
	})
}

// alone tells whether all rows of a clause are matches, within the bounds of the order.
func (x ask) alone(walked *access) bool {
	return !slices.ContainsFunc(x.accesses, func(a *access) bool { return a != walked && !a.aligned })
}

// merges tells whether to walk the rows of many keys of one clause, which are all matches, in order takes less than to read the sets that are missing: with
// these there may have to be main dates that don't fit in memory, which takes seconds.
func (x ask) merges() bool {
	walked := x.walked()
	v := x.view()
	if walked == nil || v == nil || !x.alone(walked) {
		return false
	}
	keys := walked.walkKeys()
	if len(keys) <= sql.Inline || !v.roomForMains() {
		return len(keys) > sql.Inline
	}
	rows := x.likely(walked)
	missing := 1 - float64(len(v.setsOf(walked.in(), keys)))/float64(len(keys))
	return rows*missing*setRow > float64(len(keys))*mergedKey
}

// narrow replaces the clauses that sets answer by their matches, where these are few enough to be read and sorted, and returns them; else the clause whose rows are read.
func (x ask) narrow(driver *access, most int) (ask, *access, error) {
	if sets, _ := x.settable(false); len(sets) == 0 && driver == nil || driver != nil && driver.held == nil && (driver.count <= x.Bounds.Few/4 || len(x.accesses) == 1) {
		return x, driver, nil
	}
	if driver != nil && driver.asSet() != nil {
		return x, driver, nil
	}
	t, err := x.intersect(driver.toRead(), driver == nil)
	if t == nil || err != nil || t.count() > most {
		return x, driver, err
	}
	driver = t.access(x.describe(t))
	return x.with(append([]*access{driver}, t.left...)), driver, nil
}

// access are the versions as a clause.
func (t *together) access(words string) *access {
	return &access{words: words, byID: true, current: true, sids: sidsIn(t.found, t.first), count: t.count()}
}
