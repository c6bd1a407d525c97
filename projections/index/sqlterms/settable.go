package sqlterms

import (
	"slices"

	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// settable are the clauses that sets can answer, or with ranges those that sets can narrow; ready tells whether all of these sets are in
// memory.
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
		count, known := x.view().Count(a.names())
		if ready = ready && known; known && a.asSet() != nil {
			a.counts(count, false)
		}
	}
	return sets, ready
}

// soonRead tells whether what is missing of the sets of clauses is read within the time of a little walk.
func (x *search) soonRead(sets []*access) bool {
	rows := 0
	for _, a := range sets {
		if _, known := x.view().Count(a.names()); known || a.held != nil {
			continue
		}
		if !a.readSoon(x.Bounds) {
			return false
		}
		rows += a.count
	}
	v := x.view()
	if v == nil || !v.Soon(rows) {
		return false
	}
	known, _ := v.Superseded()
	return known != nil
}

// prefetch has the sets of clauses read in the background that are missing and have many rows.
func (x *search) prefetch(asked []*access) {
	v := x.view()
	if v == nil {
		return
	}
	var names []sets.Name
	for _, a := range asked {
		if _, known := v.Count(a.names()); !known && a.held == nil && (a.more || a.count < 0) {
			names = append(names, a.in().Names(a.asSet())...)
		}
	}
	v.Prefetch(names)
}

// walksWell tells whether to walk the rows of one clause in order is best, whatever sets know: they are all matches, or few.
func (x ask) walksWell() bool {
	walked := x.walked()
	if walked == nil || len(walked.walkKeys()) > sql.Inline {
		return false
	}
	return x.alone(walked) || walked.count >= 0 && walked.count <= x.Bounds.Few || x.othersAreAsked(walked)
}

// merges tells whether to walk the rows of many keys of one clause, which are all matches, in order takes less than to read the sets that
// are missing: with these there may have to be main dates that don't fit in memory, which takes seconds.
func (x ask) merges() bool {
	walked, v := x.walked(), x.view()
	if walked == nil || v == nil || !x.alone(walked) {
		return false
	}
	keys := walked.walkKeys()
	if len(keys) <= sql.Inline || !v.RoomForMains() {
		return len(keys) > sql.Inline
	}
	return x.mergeCostsLess(walked, len(keys), len(v.SetsOf(walked.in(), keys)))
}

// fewMatches is the same with the matches of the clauses that sets answer in place of these, where they are few enough to be read and
// sorted, and returns them; else what is asked, and the clause whose rows are read.
func (x ask) fewMatches(driver *access, most int) (ask, *access, error) {
	if sets, _ := x.settable(false); len(sets) == 0 && driver == nil {
		return x, driver, nil
	}
	if driver != nil && (driver.held == nil && (driver.count <= x.Bounds.Few/4 || len(x.accesses) == 1) || driver.asSet() != nil) {
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
func (t *intersection) access(words string) *access {
	return currentVersions(words, sets.SidsIn(t.found, t.first))
}

// anyNamed tells whether versions stand in the place of some clause's many keys.
func anyNamed(accesses []*access) bool { return slices.ContainsFunc(accesses, (*access).named) }
