package step

import (
	"math"
	"slices"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/clause"
	"binnacle/projections/index/sets"
)

// WalkSeveral answers an order by several keys: it walks the order of the first and sorts what is equal in it by the
// others, so that it reads little more than a page. Versions without the first key follow in the order of the second,
// and so on.
func (x Ask) WalkSeveral(o Order, limit int) ([]Match, error) {
	x.Say("in the order of %s%s, and where it is equal of %d more keys%s", o.Keys[0].Param, within(x.Ordered()),
		len(o.Keys)-1, x.Checked(x.Ordered()...))
	after := x.After
	x.After = Place{} // where to go on is found in the groups
	var from *Candidate
	if after.Phase != Start {
		found, err := x.known(o, []int64{after.Sid})
		if err != nil || len(found) == 0 {
			return nil, NotOfSnapshot(err)
		}
		from = &found[0]
	}
	page, err := x.fromLevel(o, 0, from, limit)
	if err != nil {
		return nil, err
	}
	return x.Load(page[:min(len(page), limit)])
}

// fromLevel looks at the versions that have none of the keys before a level, and returns those that follow a place
// (nil: the start): at least limit of them, or all there are. Those that have the key of the level come before those
// that lack it; from the end, it is the other way round.
func (x Ask) fromLevel(o Order, level int, from *Candidate, limit int) (page []Candidate, err error) {
	if level == len(o.Keys) {
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
		var found []Candidate
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
func (x Ask) lackingLevel(o Order, level int, from *Candidate, limit int) ([]Candidate, error) {
	missing, few, err := x.withoutKey(o, level)
	if err != nil || missing == nil {
		return nil, err
	}
	if level++; few || level < len(o.Keys) && !x.Walkable(o.Keys[level]) {
		return x.sortedBeyond(o, missing, from)
	}
	return x.Also(missing).fromLevel(o, level, from, limit)
}

// Walkable tells whether an index has the versions in the order of a key.
func (*Whole) Walkable(key projections.SortKey) bool {
	one, err := OrderOf([]projections.SortKey{key})
	return err == nil && one.By != OrderToken && one.By != OrderSeveral
}

// withoutKey are the versions without a key, nil when there are none; few tells that they may be read as a whole.
func (x Ask) withoutKey(o Order, at int) (missing *clause.Access, few bool, err error) {
	key := o.Keys[at]
	if key.Param == projections.ParamID || key.Param == projections.ParamLastUpdated ||
		at == 0 && (len(x.Ordered()) > 0 || x.Dates != nil && x.Dates.Aligned && x.Dated()) {
		return nil, false, nil
	}
	if missing, err = x.Resolver().Lacking(key.Param); err != nil || missing.Empty() {
		return nil, false, err
	}
	if err = x.CountUpTo(x.Bounds.Many, []*clause.Access{missing}); err != nil {
		return nil, false, err
	}
	return missing, missing.Count <= x.Bounds.Many, nil
}

// sortedBeyond sorts all matches among a clause's versions and returns those beyond a place among them; nil: all.
func (x Ask) sortedBeyond(o Order, driver *clause.Access, from *Candidate) ([]Candidate, error) {
	found, err := x.sorted(o, driver)
	if err != nil || from == nil {
		return found, err
	}
	at := slices.IndexFunc(found, func(c Candidate) bool { return c.Sid == from.Sid })
	if at < 0 {
		return nil, NotOfSnapshot(nil)
	}
	return found[at+1:], nil
}

// unsorted returns the versions that follow a place, nil being the start, where nothing is left to sort by.
func (x Ask) unsorted(o Order, from *Candidate, limit int) ([]Candidate, error) {
	if from != nil {
		x.After, x.Last.At = Place{Phase: ByValue, Sid: from.Sid}, from.at
	}
	matches, err := x.WalkUpdated(Order{By: OrderUpdated, Descending: o.Descending}, nil, ByValue, limit)
	found := make([]Candidate, len(matches))
	for i := range matches {
		found[i].Sid = matches[i].Sid
	}
	return found, err
}

// groupsBeyond looks at the versions that have the key of a level, and returns those that follow a place (nil: the
// start): at least limit of them, or all there are.
func (x Ask) groupsBeyond(o Order, level int, from *Candidate, limit int) ([]Candidate, error) {
	for n := min(2*limit, x.Bounds.Sorted); ; n = min(4*n, x.Bounds.Sorted) {
		found, complete, err := x.groups(o, level, from, n)
		if err != nil {
			return nil, err
		}
		at := -1
		if from != nil {
			if at = slices.IndexFunc(found, func(c Candidate) bool { return c.Sid == from.Sid }); at < 0 && complete {
				return nil, NotOfSnapshot(nil)
			}
		}
		if rest := found[at+1:]; complete || len(rest) >= limit && (from == nil || at >= 0) {
			return rest, nil
		}
		if n == x.Bounds.Sorted {
			return nil, events.Errorf(events.TooCostly, Op, "too many of the first %d versions have the same %s to "+
				"be sorted by other keys; sort by one parameter, or narrow the search", n, o.Keys[level].Param)
		}
	}
}

func NotOfSnapshot(err error) error {
	if err != nil {
		return err
	}
	return events.Errorf(events.Invalid, Op, "the page token does not belong to this snapshot; give the snapshot of "+
		"the first page, or start the search again")
}

// Dated tells whether a clause leaves none without the date that is the order.
func (x Ask) Dated() bool {
	return slices.ContainsFunc(x.Accesses, func(a *clause.Access) bool {
		return a.Aligned && a.Words == x.Dates.With.Words
	})
}

// groups reads n versions in the order of the key of a level, from the value of a place on, and sorts those of whose
// value they have all.
func (x Ask) groups(o Order, level int, from *Candidate, n int) (found []Candidate, complete bool, err error) {
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
	return slices.DeleteFunc(found, func(c Candidate) bool { return c.values[level] == edge }), false, nil
}

// walkLevel reads n versions in the order of one of the keys, from the value of a place on.
func (x Ask) walkLevel(o Order, level int, from *Candidate, n int) ([]Match, error) {
	one, err := OrderOf(o.Keys[level : level+1])
	if err != nil {
		return nil, err
	}
	outermost := int64(math.MinInt64) // before all that share a value
	if one.Descending {
		outermost = math.MaxInt64
	}
	switch {
	case one.By == OrderUpdated:
		if from != nil {
			x.After, x.Last.At = Place{Phase: ByValue, Sid: outermost}, from.at
		}
		return x.WalkUpdated(one, nil, ByValue, n)
	case one.By == OrderID:
		if from != nil {
			x.After, x.Last.ID = Place{Phase: ByValue}, from.id
		}
		return x.WalkIDs(one, one.Beyond()+"=", n)
	case level == 0 && one.By == OrderDate && x.Dates.Aligned:
		if from != nil {
			x.within = &sets.Interval{Low: from.main, High: math.MaxInt64}
			if o.Descending {
				x.within = &sets.Interval{Low: math.MinInt64, High: from.main}
			}
		}
		if !x.Dates.Without.Empty() && !x.Dated() {
			x = x.Also(&x.Dates.With)
		}
		return x.WalkMain(Order{By: OrderMain, Descending: o.Descending}, n)
	}
	var edge *valueEdge
	if from != nil {
		edge = &valueEdge{from.values[level].number, outermost}
		if one.By == OrderString {
			edge.value = []byte(from.values[level].text)
		}
	}
	return x.valueRows(one, edge, n)
}

// known sorts versions that are known to match.
func (x Ask) known(o Order, sids []int64) ([]Candidate, error) {
	if len(sids) == 0 {
		return nil, nil
	}
	return x.With(nil).sorted(o, clause.CurrentVersions("", sids))
}

// sorted reads the sort values of all matches among a clause's versions and sorts them.
func (x Ask) sorted(o Order, driver *clause.Access) ([]Candidate, error) {
	found, err := x.readCandidates(o, driver)
	if err != nil {
		return nil, err
	}
	for i, k := range o.Keys {
		if k.Kind == projections.Token && k.Param != projections.ParamID && k.Param != projections.ParamLastUpdated {
			if err := x.tokenValues(found, i, k); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(found, func(a, b Candidate) int { return compareCandidates(o, &a, &b) })
	return found, nil
}
