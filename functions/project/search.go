package project

import (
	"binnacle/events"
	"binnacle/projections"
)

// laterPage is how many matches of a condition are read at once when its first page does not decide.
const laterPage = 1_000

// search returns up to two resources that a condition matches now.
func (e *decidingEvent) search(query projections.Query, condition string) (found []*entry, err error) {
	first := func(query projections.Query) (projections.Page, error) {
		return e.line.searchFirst(e.ctx, query, condition)
	}
	err = e.matching(asCondition(query), first, func(match *entry) bool {
		found = append(found, match)
		return len(found) < 2
	})
	return found, err
}

// matching calls visit with the resources that a query matches now, until it returns false: those that are committed,
// with what the chunk and the event have made of them, and what the chunk in flight has. first answers with the first
// page of those that are committed.
func (e *decidingEvent) matching(
	query projections.Query, first func(projections.Query) (projections.Page, error), visit func(*entry) bool,
) error {
	layers, stopped := e.layers(), false
	for depth, layer := range layers {
		if err := layer.match(query, func(match *entry) bool {
			for _, above := range layers[:depth] {
				if above.entries[match.version.Key] != nil {
					return true
				}
			}
			stopped = !visit(match)
			return !stopped
		}); err != nil || stopped {
			return err
		}
	}
	return e.committedMatches(query, first, visit)
}

// committedMatches calls visit with what a query matches in the index and neither the event, nor its chunk, nor the one
// in flight has changed, until it returns false.
func (e *decidingEvent) committedMatches(
	query projections.Query, first func(projections.Query) (projections.Page, error), visit func(*entry) bool,
) error {
	page, err := first(query)
	for err == nil {
		for _, version := range page.Versions {
			if e.layer.entries[version.Key] == nil && e.earlier(version.Key) == nil &&
				!visit(&entry{version: version}) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Limit, query.After, query.Snapshot = max(query.Limit, laterPage), page.Next, page.Snapshot
		page, err = e.line.index.Search(e.ctx, query)
	}
	return tooCostly(err)
}

// searchAll answers with a first page as the index has it: what takes many is asked once.
func (e *decidingEvent) searchAll(query projections.Query) (projections.Page, error) {
	return e.line.index.Search(e.ctx, query)
}

// asCondition asks for the matches of a condition as they decide.
func asCondition(query projections.Query) projections.Query {
	query.Total, query.Limit, query.NoTimeLimit = projections.TotalNone, searchPage, true
	return query
}

// asMany asks for all matches of a condition, as far as they are fewer than so many, at once.
func asMany(query projections.Query, most int) projections.Query {
	query = asCondition(query)
	query.Limit = min(max(most, searchPage), 10*laterPage)
	return query
}

// tooCostly makes the refusal of an event of a search that is beyond the index's bounds, which are not of time: tried
// again it would be beyond them again.
func tooCostly(err error) error {
	if events.KindOf(err) != events.TooCostly {
		return err
	}
	return &refused{events.Refusal{Kind: events.TooCostly, Text: events.TextOf(err)}}
}
