package project

import (
	"cmp"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// removal is a deletion that a delete makes beside that of the resource that it names.
type removal struct {
	key    projections.Key
	before projections.Version // what it deletes
}

// deletes calls yield with all that a delete takes, until it returns false: the resource that it names, and the others
// by type and id.
func (w *work) deletes(yield func(projections.Key) bool) {
	if w.writes() && !yield(w.key) {
		return
	}
	for i := range w.removed {
		if !yield(w.removed[i].key) {
			return
		}
	}
}

// remove has a delete take further resources, as they are before the event. The order in which they were found doesn't
// count: it depends on the batches.
func (e *decidingEvent) remove(n int, w *work, found []*entry) {
	for _, match := range found {
		before := match.version
		w.disposition = events.Deleted
		w.removed = append(w.removed, removal{before.Key, before})
		e.layer.put(&entry{version: projections.Version{Key: before.Key, Number: before.Number + 1,
			Position: e.item.raw.Position, Change: n, Time: e.state.Time, Deleted: true}})
	}
	slices.SortFunc(w.removed, func(a, b removal) int {
		return cmp.Or(strings.Compare(a.key.Type, b.key.Type), strings.Compare(a.key.ID, b.key.ID))
	})
}

// many finds all that a delete of many means.
func (e *decidingEvent) many(n int, w *work) error {
	w.disposition = events.NoEffect
	if w.IfMatch != 0 || w.IfNoneMatch {
		return refuse(events.Invalid, n, w, inIfMatch, "a precondition names the version of one resource, and this is a delete of "+
			"all that %s matches; leave it out", w.name())
	}
	query := projections.Query{Tenant: e.item.event.Tenant, Type: w.Type}
	if w.Condition != "" {
		var err error
		if query, err = e.query(n, w); err != nil {
			return err
		}
	}
	var found []*entry
	var again *entry // changed by the event
	if err := e.matching(asMany(query, w.Many+1), e.searchAll, func(match *entry) bool {
		if e.layer.entries[match.version.Key] == match {
			again = match
			return false
		}
		found = append(found, match)
		return len(found) <= w.Many
	}); err != nil {
		return err
	}
	switch {
	case again != nil:
		return refuse(events.Invalid, n, w, inURL, "%s matches %s/%s, which is changed by another entry of the same "+
			"transaction; a resource may stand in a transaction once", w.name(), w.Type, again.version.ID)
	case len(found) > w.Many:
		return refuse(events.TooCostly, n, w, inURL, "%s matches more than the %d resources that one delete may take here "+
			"(--conditional-delete-limit); make it select fewer, and delete the others after them", w.name(), w.Many)
	}
	e.remove(n, w, found)
	return nil
}

// cascadeSteps is over how many references a cascade goes, one after the other: each step asks the index again, while
// everything behind the event waits. It is a constant, because what is decided must not depend on where or when.
const cascadeSteps = 100

// cascade has a delete take what refers to what goes, and what refers to that, as far as search parameters tell. What
// the event writes itself stays: it is there after the event as the event says.
func (e *decidingEvent) cascade(n int, w *work) error {
	going := slices.Collect(w.deletes)
	for left, step := w.Cascade, 1; len(going) > 0; step++ {
		found, err := e.dependents(going, left+1)
		if err != nil {
			return err
		}
		if left -= len(found); left < 0 {
			return refuse(events.TooCostly, n, w, inURL, "more than the %d resources that may go with one delete here "+
				"(--cascade) refer to %s, or to what goes with it; delete some of them before", w.Cascade, w.name())
		}
		if step > cascadeSteps && len(found) > 0 {
			return refuse(events.TooCostly, n, w, inURL, "what refers to %s is referred to in turn, over more than %d "+
				"steps; delete the end of that chain before", w.name(), cascadeSteps)
		}
		if err := e.holdMatched(n, w, found); err != nil {
			return err
		}
		e.remove(n, w, found)
		going = going[:0]
		for _, match := range found {
			going = append(going, match.version.Key)
		}
	}
	return nil
}

// holdMatched refuses to delete what another entry of the transaction has found by its condition, and answers with.
func (e *decidingEvent) holdMatched(n int, w *work, found []*entry) error {
	if e.matched == nil {
		e.matched = make(map[projections.Key]int)
		for _, other := range e.item.works {
			if other.disposition == events.Matched {
				e.matched[other.key] = other.Entry
			}
		}
	}
	first := ""
	for _, match := range found {
		if _, held := e.matched[match.version.Key]; held {
			if name := match.version.Type + "/" + match.version.ID; first == "" || name < first {
				first = name
			}
		}
	}
	if first == "" {
		return nil
	}
	return refuse(events.Conflict, n, w, inURL, "%s refers to %s, or to what goes with it, and would be deleted, but another "+
		"entry of the same transaction has found it by its condition; send them one after the other", first, w.name())
}

// referringAtOnce is how many resources are named in one search for what refers to them.
const referringAtOnce = 200

// dependents returns what refers to some resources that are going, the event's own apart, each once and at least so
// many where there are more.
func (e *decidingEvent) dependents(going []projections.Key, most int) ([]*entry, error) {
	if err := e.ask(going); err != nil {
		return nil, err
	}
	seen := make(map[projections.Key]bool)
	var found []*entry
	add := func(match *entry) bool {
		if key := match.version.Key; !seen[key] && e.layer.entries[key] == nil {
			seen[key] = true
			found = append(found, match)
		}
		return len(found) < most
	}
	type way struct {
		to string // the type
		at int    // the place among its referrers
	}
	ways, named := []way{}, make(map[way][]projections.Key)
	for _, key := range going {
		if err := referring(e.layers(), key, e.item.dialect.Referrers(key.Type), func(other *entry, _ int) {
			add(other)
		}); err != nil {
			return nil, err
		}
		for _, at := range e.line.referred[key] {
			by := way{key.Type, at}
			if named[by] == nil {
				ways = append(ways, by)
			}
			named[by] = append(named[by], key)
		}
	}
	for _, by := range ways {
		referrer := &e.item.dialect.Referrers(by.to)[by.at]
		for some := range slices.Chunk(named[by], referringAtOnce) {
			if len(found) >= most {
				return found, nil
			}
			query := asMany(referringQuery(referrer, some...), most)
			if err := e.committedMatches(query, e.searchAll, add); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
