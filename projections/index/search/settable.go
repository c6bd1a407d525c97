package search

import (
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// soonRead tells whether what is missing of the sets of clauses is read within the time of a little walk.
func (x chooser) soonRead(sets []*clause.Access) bool {
	rows := 0
	for _, a := range sets {
		if _, known := x.View().Count(a.Names()); known || a.Held != nil {
			continue
		}
		if !a.ReadSoon(x.Bounds) {
			return false
		}
		rows += a.Count
	}
	v := x.View()
	if v == nil || !v.Soon(rows) {
		return false
	}
	known, _ := v.Superseded()
	return known != nil
}

// prefetch has the sets of clauses read in the background that are missing and have many rows.
func (x chooser) prefetch(asked []*clause.Access) {
	v := x.View()
	if v == nil {
		return
	}
	var names []sets.Name
	for _, a := range asked {
		if _, known := v.Count(a.Names()); !known && a.Held == nil && (a.More || a.Count < 0) {
			names = append(names, a.Kind().Names(a.AsSet())...)
		}
	}
	v.Prefetch(names)
}

// walksWell tells whether to walk the rows of one clause in order is best, whatever sets know: they are all matches, or
// few.
func (x chooser) walksWell() bool {
	walked := x.Walked()
	if walked == nil || len(walked.WalkKeys()) > sql.Inline {
		return false
	}
	return x.Alone(walked) || walked.Count >= 0 && walked.Count <= x.Bounds.Few || x.OthersAreAsked(walked)
}

// merges tells whether to walk the rows of many keys of one clause, which are all matches, in order takes less than to
// read the sets that are missing: with these there may have to be main dates that don't fit in memory, which takes
// seconds.
func (x chooser) merges() bool {
	walked, v := x.Walked(), x.View()
	if walked == nil || v == nil || !x.Alone(walked) {
		return false
	}
	keys := walked.WalkKeys()
	if len(keys) <= sql.Inline || !v.RoomForMains() {
		return len(keys) > sql.Inline
	}
	return x.mergeCostsLess(walked, len(keys), len(v.SetsOf(walked.Kind(), keys)))
}

// fewMatches puts what sets find in the place of the clauses that they answer. Where these matches are few enough to
// be read and sorted, it returns the search with them, and them as the clause whose rows are read. Else it returns the
// search as it was, and the driver.
func (x chooser) fewMatches(driver *clause.Access, most int) (chooser, *clause.Access, error) {
	if sets, _ := x.Settable(false); len(sets) == 0 && driver == nil {
		return x, driver, nil
	}
	if driver != nil && (driver.Held == nil && (driver.Count <= x.Bounds.Few/4 || len(x.Accesses) == 1) ||
		driver.AsSet() != nil) {
		return x, driver, nil
	}
	t, err := x.Intersect(driver.ToRead(), driver == nil)
	if t == nil || err != nil || t.Count() > most {
		return x, driver, err
	}
	driver = t.Access(x.Describe(t))
	return x.asking(x.With(append([]*clause.Access{driver}, t.Left...))), driver, nil
}

// anyNamed tells whether versions stand in the place of some clause's many keys.
func anyNamed(accesses []*clause.Access) bool {
	return slices.ContainsFunc(accesses, (*clause.Access).Named)
}
