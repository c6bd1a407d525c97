package project

import (
	"context"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// prefetchReferrers asks, once for all that a chunk names and deletes, by which parameters others refer to it. What is asked while a commit is in flight may
// be of before it or after it: what that commit changes is looked at besides.
func (l *Line) prefetchReferrers(ctx context.Context, items []*item) error {
	l.referred = make(map[projections.Key][]int)
	var keys []projections.Key
	by := make(map[string][]projections.Referrer)
	for _, i := range items {
		if i.poison != "" || i.known != nil || i.event.AllowDangling {
			continue
		}
		for _, w := range i.works {
			key := projections.Key{Tenant: i.event.Tenant, Type: w.Type, ID: w.ID}
			if w.Operation != events.Delete || w.Condition != "" || l.uncommitted(key) == nil && !isAlive(l.fetched[key]) {
				continue
			}
			if _, asked := l.referred[key]; asked {
				continue
			}
			referrers, known := by[w.Type]
			if !known {
				referrers = i.dialect.Referrers(w.Type)
				by[w.Type] = referrers
			}
			if len(referrers) > 0 {
				l.referred[key] = nil
				keys = append(keys, key)
			}
		}
	}
	return l.askReferrers(ctx, keys, by)
}

// askReferrers keeps what the index tells of resources for the chunk in hand.
func (l *Line) askReferrers(ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer) error {
	for some := range slices.Chunk(keys, currentKeys) {
		found, err := l.index.Referrers(ctx, some, by)
		if err != nil {
			return err
		}
		for n, key := range some {
			l.referred[key] = found[n]
		}
	}
	return nil
}

// unreferenced holds that nothing refers to what a change deletes (after the whole event), as far as search parameters tell.
func (e *decidingEvent) unreferenced(n int, w *work) error {
	if e.item.event.AllowDangling || w.disposition != events.Deleted {
		return nil
	}
	referrers := e.item.dialect.Referrers(w.Type)
	if len(referrers) == 0 {
		return nil
	}
	if _, asked := e.line.referred[w.key]; !asked {
		if err := e.line.askReferrers(e.ctx, []projections.Key{w.key}, map[string][]projections.Referrer{w.Type: referrers}); err != nil {
			return err
		}
	}
	committed := e.line.referred[w.key]
	deciding, err := e.referring(w.key, referrers)
	if err != nil {
		return err
	}
	for i, r := range referrers {
		refers := slices.Contains(deciding, i)
		if !refers && slices.Contains(committed, i) { // unless what refers to it was changed since
			clause := projections.Clause{Param: r.Param, Kind: projections.Reference, Shares: r.Shares, Values: []projections.Value{{System: w.Type, Code: w.key.ID}}}
			matches, err := e.search(projections.Query{Tenant: w.key.Tenant, Type: r.Type, Clauses: []projections.Clause{clause}}, r.Param+"="+w.Type+"/"+w.key.ID)
			if err != nil {
				return err
			}
			refers = len(matches) > 0
		}
		if refers {
			return refuse(events.Conflict, n, w, "%s is referred to by a resource of type %s (%s?%s=%s); delete or change what refers to it first, or in the same transaction", w.name(), r.Type, r.Type, r.Param, w.name())
		}
	}
	return nil
}

// referring returns the parameters, as places, by which something refers to a resource that the event, its chunk or the one in flight has made current.
func (e *decidingEvent) referring(key projections.Key, referrers []projections.Referrer) (found []int, err error) {
	layers := []*overlay{e.layer, e.chunk}
	if flight := e.line.flight; flight != nil {
		layers = append(layers, flight.decided)
	}
	for depth, layer := range layers {
		entries, err := layer.referring(key)
		if err != nil {
			return nil, err
		}
		for _, other := range entries {
			if slices.ContainsFunc(layers[:depth], func(above *overlay) bool { return above.entries[other.version.Key] != nil }) {
				continue
			}
			terms, err := layer.terms(other)
			if err != nil {
				return nil, err
			}
			for _, t := range terms {
				if !refersTo(&t, key) {
					continue
				}
				if i := slices.IndexFunc(referrers, func(r projections.Referrer) bool { return r.Type == other.version.Type && r.Param == t.Param }); i >= 0 {
					found = append(found, i)
				}
			}
		}
	}
	return found, nil
}

// refersTo tells whether a term is a relative reference to a resource.
func refersTo(t *projections.Term, to projections.Key) bool {
	return t.Kind == projections.Reference && !t.Identifier && t.System == to.Type && t.Code == to.ID
}
