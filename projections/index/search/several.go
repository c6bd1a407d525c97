package search

import (
	"math"
	"slices"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
)

// walkSeveral answers an order by several keys: it walks the order of the first and sorts what is equal in it by the others, so that it reads
// little more than a page. Versions without the first key follow in the order of the second, and so on.
func (x ask) walkSeveral(o order, limit int) ([]match, error) {
	x.say("in the order of %s%s, and where it is equal of %d more keys%s", o.keys[0].Param, within(x.ordered()), len(o.keys)-1, x.checked(x.ordered()...))
	after := x.after
	x.after = place{} // where to go on is found in the groups
	var from *candidate
	if after.phase != start {
		found, err := x.known(o, []int64{after.sid})
		if err != nil || len(found) == 0 {
			return nil, notOfSnapshot(err)
		}
		from = &found[0]
	}
	page, err := x.fromLevel(o, 0, from, limit)
	if err != nil {
		return nil, err
	}
	return x.load(page[:min(len(page), limit)])
}

// fromLevel returns, of the versions that have none of the keys before a level, those that follow a place, nil being the start: as many as are asked for and
// more, or all there are. Those that have the key of the level come before those that lack it; from the end, it is the other way round.
func (x ask) fromLevel(o order, level int, from *candidate, limit int) (page []candidate, err error) {
	if level == len(o.keys) {
		return x.unsorted(o, from, limit)
	}
	for i, lacking := range [2]bool{o.back, !o.back} {
		begin := from
		if from != nil && from.values[level].has == lacking { // the place is in the other part
			if i == 0 {
				continue
			}
			begin = nil
		}
		var found []candidate
		if lacking {
			found, err = x.lackingLevel(o, level, begin, limit-len(page))
		} else {
			found, err = x.groupsBeyond(o, level, begin, limit-len(page))
		}
		if page = append(page, found...); err != nil || len(page) >= limit {
			return page, err
		}
	}
	return page, nil
}

// lackingLevel is fromLevel of the versions that lack the key of the level, too.
func (x ask) lackingLevel(o order, level int, from *candidate, limit int) ([]candidate, error) {
	missing, few, err := x.withoutKey(o, level)
	if err != nil || missing == nil {
		return nil, err
	}
	if level++; few || level < len(o.keys) && !x.walkable(o.keys[level]) {
		return x.sortedBeyond(o, missing, from)
	}
	return x.also(missing).fromLevel(o, level, from, limit)
}

// walkable tells whether an index has the versions in the order of a key.
func (*search) walkable(key projections.SortKey) bool {
	one, err := orderOf([]projections.SortKey{key})
	return err == nil && one.by != orderToken && one.by != orderSeveral
}

// withoutKey are the versions without a key, nil when there are none; few tells that they may be read as a whole.
func (x ask) withoutKey(o order, at int) (missing *clause.Access, few bool, err error) {
	key := o.keys[at]
	if key.Param == projections.ParamID || key.Param == projections.ParamLastUpdated || at == 0 && (len(x.ordered()) > 0 || x.dates != nil && x.dates.Aligned && x.dated()) {
		return nil, false, nil
	}
	if missing, err = x.resolver().Lacking(key.Param); err != nil || missing.Empty() {
		return nil, false, err
	}
	if err = x.countUpTo(x.Bounds.Many, []*clause.Access{missing}); err != nil {
		return nil, false, err
	}
	return missing, missing.Count <= x.Bounds.Many, nil
}

// sortedBeyond sorts all matches among a clause's versions and returns those beyond a place among them; nil: all.
func (x ask) sortedBeyond(o order, driver *clause.Access, from *candidate) ([]candidate, error) {
	found, err := x.sorted(o, driver)
	if err != nil || from == nil {
		return found, err
	}
	at := slices.IndexFunc(found, func(c candidate) bool { return c.sid == from.sid })
	if at < 0 {
		return nil, notOfSnapshot(nil)
	}
	return found[at+1:], nil
}

// unsorted returns the versions that follow a place, nil being the start, where nothing is left to sort by.
func (x ask) unsorted(o order, from *candidate, limit int) ([]candidate, error) {
	if from != nil {
		x.after, x.last.at = place{phase: byValue, sid: from.sid}, from.at
	}
	matches, err := x.walkUpdated(order{by: orderUpdated, descending: o.descending}, nil, byValue, limit)
	found := make([]candidate, len(matches))
	for i := range matches {
		found[i].sid = matches[i].Sid
	}
	return found, err
}

// groupsBeyond returns, of the versions that have the key of a level, those that follow a place, nil being the start: as many as are asked for and more, or all
// there are.
func (x ask) groupsBeyond(o order, level int, from *candidate, limit int) ([]candidate, error) {
	for n := min(2*limit, x.Bounds.Sorted); ; n = min(4*n, x.Bounds.Sorted) {
		found, complete, err := x.groups(o, level, from, n)
		if err != nil {
			return nil, err
		}
		at := -1
		if from != nil {
			if at = slices.IndexFunc(found, func(c candidate) bool { return c.sid == from.sid }); at < 0 && complete {
				return nil, notOfSnapshot(nil)
			}
		}
		if rest := found[at+1:]; complete || len(rest) >= limit && (from == nil || at >= 0) {
			return rest, nil
		}
		if n == x.Bounds.Sorted {
			return nil, events.Errorf(events.TooCostly, op, "too many of the first %d versions have the same %s to be sorted by other keys; sort by one parameter, or narrow the search", n, o.keys[level].Param)
		}
	}
}

func notOfSnapshot(err error) error {
	if err != nil {
		return err
	}
	return events.Errorf(events.Invalid, op, "the page token does not belong to this snapshot; give the snapshot of the first page, or start the search again")
}

// dated tells whether a clause leaves none without the date that is the order.
func (x ask) dated() bool {
	return slices.ContainsFunc(x.accesses, func(a *clause.Access) bool { return a.Aligned && a.Words == x.dates.With.Words })
}

// groups reads n versions in the order of the key of a level, from the value of a place on, and sorts those of whose value they have all.
func (x ask) groups(o order, level int, from *candidate, n int) (found []candidate, complete bool, err error) {
	matches, err := x.walkLevel(o, level, from, n)
	if err != nil {
		return nil, false, err
	}
	sids := make([]int64, len(matches))
	for i := range matches {
		sids[i] = matches[i].Sid
	}
	if found, err = x.known(o, sids); err != nil || len(found) == 0 || len(matches) < n {
		return found, true, err
	}
	edge := found[len(found)-1].values[level]
	return slices.DeleteFunc(found, func(c candidate) bool { return c.values[level] == edge }), false, nil
}

// walkLevel reads n versions in the order of one of the keys, from the value of a place on.
func (x ask) walkLevel(o order, level int, from *candidate, n int) ([]match, error) {
	one, err := orderOf(o.keys[level : level+1])
	if err != nil {
		return nil, err
	}
	outermost := int64(math.MinInt64) // before all that share a value
	if one.descending {
		outermost = math.MaxInt64
	}
	switch {
	case one.by == orderUpdated:
		if from != nil {
			x.after, x.last.at = place{phase: byValue, sid: outermost}, from.at
		}
		return x.walkUpdated(one, nil, byValue, n)
	case one.by == orderID:
		if from != nil {
			x.after, x.last.id = place{phase: byValue}, from.id
		}
		return x.walkIDs(one, one.beyond()+"=", n)
	case level == 0 && one.by == orderDate && x.dates.Aligned:
		if from != nil {
			x.within = &sets.Interval{Low: from.main, High: math.MaxInt64}
			if o.descending {
				x.within = &sets.Interval{Low: math.MinInt64, High: from.main}
			}
		}
		if !x.dates.Without.Empty() && !x.dated() {
			x = x.also(&x.dates.With)
		}
		return x.walkMain(order{by: orderMain, descending: o.descending}, n)
	}
	var edge *valueEdge
	if from != nil {
		edge = &valueEdge{from.values[level].number, outermost}
		if one.by == orderString {
			edge.value = []byte(from.values[level].text)
		}
	}
	return x.valueRows(one, edge, n)
}

// known sorts versions that are known to match.
func (x ask) known(o order, sids []int64) ([]candidate, error) {
	if len(sids) == 0 {
		return nil, nil
	}
	return x.with(nil).sorted(o, clause.CurrentVersions("", sids))
}

// sorted reads the sort values of all matches among a clause's versions and sorts them.
func (x ask) sorted(o order, driver *clause.Access) ([]candidate, error) {
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
