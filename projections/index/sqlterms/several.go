package sqlterms

import (
	"math"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// walkSeveral answers an order by several keys of which the first is the date that the main date comes from: it walks the main dates and
// sorts what shares one by the other keys, so that it reads little more than a page. Versions without the date are one group, the last.
func (x *search) walkSeveral(o order, limit int) ([]match, error) {
	x.say("in the order of %s, and where it is equal of %d more keys%s", o.keys[0].Param, len(o.keys)-1, x.checked(nil))
	clauses, after, said := x.accesses, x.after, len(x.plan)
	defer func() { x.accesses, x.after, x.budget, x.plan = clauses, after, nil, x.plan[:said] }()
	x.after = place{} // where to go on is found in the groups
	missing := false
	if after.phase != start {
		last, err := x.known(o, []int64{after.sid})
		if err != nil || len(last) == 0 {
			return nil, notOfSnapshot(err)
		}
		missing = !last[0].values[0].has
		x.budget = &interval{x.last.main, math.MaxInt64}
		if o.descending {
			x.budget = &interval{math.MinInt64, x.last.main}
		}
	}
	var page []candidate
	if !missing {
		for n := 2 * limit; ; n *= 4 {
			if n > x.Bounds.Sorted {
				return nil, events.Errorf(events.TooCostly, op, "more than %d versions have the same %s, too many to be sorted by other keys; sort by one parameter, or narrow the search", x.Bounds.Sorted/4, o.keys[0].Param)
			}
			found, complete, err := x.groups(o, n)
			if err != nil {
				return nil, err
			}
			page = found
			if after.phase != start {
				at := slices.IndexFunc(found, func(c candidate) bool { return c.sid == after.sid })
				if at < 0 && complete {
					return nil, notOfSnapshot(nil)
				}
				page = found[at+1:]
				if at < 0 {
					continue
				}
			}
			if len(page) >= limit || complete {
				break
			}
		}
	}
	if len(page) < limit && !x.dates.without.empty() && !x.dated() {
		x.budget = nil
		rest, err := x.sorted(o, &x.dates.without)
		if err != nil {
			return nil, err
		}
		if missing {
			rest = rest[slices.IndexFunc(rest, func(c candidate) bool { return c.sid == after.sid })+1:]
		}
		page = append(page, rest...)
	}
	return x.load(page[:min(len(page), limit)])
}

func notOfSnapshot(err error) error {
	if err != nil {
		return err
	}
	return events.Errorf(events.Invalid, op, "the page token does not belong to this snapshot; give the snapshot of the first page, or start the search again")
}

// dated tells whether a clause leaves none without the date that is the order.
func (x *search) dated() bool {
	return slices.ContainsFunc(x.accesses, func(a *access) bool { return a.aligned && a.words == x.dates.with.words })
}

// groups reads n versions in the order of the main date, and sorts those whose main date they have all of.
func (x *search) groups(o order, n int) (found []candidate, complete bool, err error) {
	clauses := x.accesses
	if !x.dates.without.empty() && !x.dated() {
		x.accesses = append(slices.Clip(clauses), &x.dates.with)
	}
	matches, err := x.walkMain(order{by: orderMain, descending: o.descending}, n)
	x.accesses = clauses
	if err != nil {
		return nil, false, err
	}
	sids := make([]int64, len(matches))
	for i := range matches {
		sids[i] = matches[i].sid
	}
	if found, err = x.known(o, sids); err != nil || len(found) == 0 || len(matches) < n {
		return found, true, err
	}
	edge := found[len(found)-1].main
	return slices.DeleteFunc(found, func(c candidate) bool { return c.main == edge }), false, nil
}

// known sorts versions that are known to match.
func (x *search) known(o order, sids []int64) ([]candidate, error) {
	if len(sids) == 0 {
		return nil, nil
	}
	clauses := x.accesses
	x.accesses = nil
	defer func() { x.accesses = clauses }()
	return x.sorted(o, &access{byID: true, sids: sids})
}

// sorted reads the sort values of all matches among a clause's versions and sorts them.
func (x *search) sorted(o order, driver *access) ([]candidate, error) {
	found, err := x.readCandidates(o, driver)
	if err != nil {
		return nil, err
	}
	for i, k := range o.keys {
		if k.Kind == projections.Token && k.Param != projections.ParamID && k.Param != projections.ParamLastUpdated {
			if err := x.tokenValues(found, i, k); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return compareCandidates(o, &a, &b) })
	return found, nil
}
