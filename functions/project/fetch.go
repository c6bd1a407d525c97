package project

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// gather brings to hand what deciding a chunk needs, each kind of it in one question: which events were decided before,
// current versions, contents, claims on idempotency keys, who refers to what is deleted, and what conditions match.
func (l *Line) gather(
	ctx context.Context, items []*item,
) (contents map[events.Hash][]byte, claimed map[projections.ClaimName]projections.Claim, err error) {
	group, within := errgroup.WithContext(ctx)
	if again := l.again(items); len(again) > 0 {
		group.Go(func() error { return l.findKnown(within, again) })
	}
	err = l.prefetch(ctx, items)
	if known := group.Wait(); err == nil {
		err = known
	}
	if err != nil {
		return nil, nil, err
	}
	if contents, err = l.prefetchContents(ctx, items); err != nil {
		return nil, nil, err
	}
	if claimed, err = l.findClaims(ctx, items); err != nil {
		return nil, nil, err
	}
	if err = l.prefetchReferrers(ctx, items); err != nil {
		return nil, nil, err
	}
	l.prefetchSearches(ctx, items)
	return contents, claimed, nil
}

// prefetch brings the current versions of all resources that a chunk names to hand, in one query. They are kept apart
// from the cache, which lets go of what was asked for only once. What repeated events name is looked up too: which
// events are repeated is being found out at the same time.
func (l *Line) prefetch(ctx context.Context, items []*item) error {
	l.fetched = make(map[projections.Key]projections.Version)
	var missing []projections.Key
	asked := make(map[projections.Key]bool)
	want := func(key projections.Key) {
		if asked[key] || l.uncommitted(key) != nil {
			return
		}
		asked[key] = true
		if version, have := l.current.GetIfPresent(key); have {
			l.fetched[key] = version
		} else if l.fresh.Take(key.ID) {
			l.fetched[key] = projections.Version{}
		} else {
			missing = append(missing, key)
		}
	}
	for _, i := range items {
		if i.poison != "" {
			continue
		}
		for _, w := range i.works {
			if w.ID != "" {
				want(projections.Key{Tenant: i.event.Tenant, Type: w.Type, ID: w.ID})
			}
			for _, mention := range w.mentions {
				if mention.Link < 0 {
					want(mention.Key)
				}
			}
		}
	}
	return l.fetch(ctx, missing)
}

// fetch reads current versions of a chunk.
func (l *Line) fetch(ctx context.Context, keys []projections.Key) error {
	for len(keys) > 0 {
		some := keys[:min(len(keys), currentKeys)]
		versions, err := l.index.Current(ctx, some)
		if err != nil {
			return err
		}
		for n, version := range versions {
			l.fetched[some[n]] = version
			l.remember(some[n], version)
		}
		keys = keys[len(some):]
	}
	return nil
}

// currentOf returns the version of a resource that is current in the index.
func (l *Line) currentOf(ctx context.Context, key projections.Key) (projections.Version, error) {
	if version, have := l.fetched[key]; have {
		return version, nil
	}
	if version, have := l.current.GetIfPresent(key); have {
		return version, nil
	}
	versions, err := l.index.Current(ctx, []projections.Key{key})
	if err != nil {
		return projections.Version{}, err
	}
	l.remember(key, versions[0])
	return versions[0], nil
}

// remember caches what is current. Names in events and documents are views of them: kept as they are they would keep
// the whole document in memory.
func (l *Line) remember(key projections.Key, version projections.Version) {
	key = projections.Key{Tenant: strings.Clone(key.Tenant), Type: strings.Clone(key.Type), ID: strings.Clone(key.ID)}
	if version.Number > 0 {
		version.Key = key
	}
	l.current.Set(key, version)
}

// prefetchContents gets, in one call, the contents that plain updates of a chunk may have to be compared with.
func (l *Line) prefetchContents(ctx context.Context, items []*item) (map[events.Hash][]byte, error) {
	var hashes []events.Hash
	contents := make(map[events.Hash][]byte)
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, w := range i.works {
			if w.Operation != events.Update || w.Condition != "" || w.read.Exact {
				continue // contents that are patched are fetched some at a time; see deciding.patchable
			}
			before, have := l.fetched[projections.Key{Tenant: i.event.Tenant, Type: w.Type, ID: w.ID}]
			if _, asked := contents[before.Hash]; !have || asked || !before.Alive() {
				continue
			}
			if len(w.Links) == 0 {
				if err := w.seal(); err != nil || w.hash == before.Hash || l.sketches.differs(w, before.Hash) {
					continue
				}
			}
			contents[before.Hash] = nil
			hashes = append(hashes, before.Hash)
		}
	}
	if len(hashes) == 0 {
		return contents, nil
	}
	found, err := l.blobs.Get(ctx, hashes)
	if err != nil {
		return nil, err
	}
	for n, hash := range hashes {
		contents[hash] = found[n]
	}
	return contents, nil
}

// contentOf returns the content of a committed version: from what was fetched, from the store, or from the log when the
// store has lost it. nil is content that nobody can bring back; it differs from every other.
func (l *Line) contentOf(
	ctx context.Context, version projections.Version, fetched map[events.Hash][]byte,
) ([]byte, error) {
	if content := fetched[version.Hash]; content != nil {
		return content, nil
	}
	found, err := l.blobs.Get(ctx, []events.Hash{version.Hash})
	if err != nil {
		return nil, err
	}
	if found[0] != nil || l.heal == nil {
		return found[0], nil
	}
	content, err := l.heal.Handle(ctx, version)
	if err != nil && events.KindOf(err) != events.Transient {
		l.logger.Error("the content of a version is lost and cannot be made again; the update to come counts as "+
			"a change", "resource", version.Type+"/"+version.ID,
			"version", version.Number, "position", version.Position.String(), "error", err)
		return nil, nil
	}
	return content, err
}

// searchedAtOnce is how many conditions of a chunk are searched for at once.
const searchedAtOnce = 4

// prefetchSearches brings the matches of the conditions of a chunk to hand, several at once: while it is decided they
// would be searched for one after the other. What goes wrong here is left to that.
func (l *Line) prefetchSearches(ctx context.Context, items []*item) {
	l.found = make(map[conditionName]projections.Page)
	var names []conditionName
	var queries []projections.Query
	want := func(dialect projections.Dialect, name conditionName) {
		if _, kept := l.searches[typeName{name.tenant, name.name}][name.text]; kept {
			return
		}
		if _, asked := l.found[name]; asked {
			return
		}
		query, err := dialect.Condition(name.tenant, name.name, name.text)
		if err != nil {
			return
		}
		l.found[name] = projections.Page{}
		names, queries = append(names, name), append(queries, query)
	}
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, w := range i.works {
			if w.Condition != "" && w.Many == 0 {
				want(i.dialect, conditionName{i.event.Tenant, w.Type, w.Condition})
			}
			for _, link := range w.Links {
				if link.Change < 0 {
					want(i.dialect, conditionName{i.event.Tenant, link.Type, link.Query})
				}
			}
		}
	}
	pages, failed := make([]projections.Page, len(names)), make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(searchedAtOnce)
	for n := range names {
		group.Go(func() error {
			pages[n], failed[n] = l.index.Search(ctx, asCondition(queries[n]))
			return nil
		})
	}
	_ = group.Wait() // errors stand in failed
	for n, name := range names {
		if delete(l.found, name); failed[n] == nil {
			l.found[name] = l.keep(name, pages[n])
		}
	}
}

// searchFirst returns the first page of a condition's matches in the index. It is kept until a version of the type is
// committed; one that is read while such a commit is in flight may be of before it or after it, and is not kept.
func (l *Line) searchFirst(ctx context.Context, query projections.Query, condition string) (projections.Page, error) {
	name := conditionName{query.Tenant, query.Type, condition}
	if page, have := l.searches[typeName{name.tenant, name.name}][condition]; have {
		return page, nil
	}
	if page, have := l.found[name]; have {
		return page, nil
	}
	page, err := l.index.Search(ctx, query)
	if err != nil {
		return projections.Page{}, err
	}
	return l.keep(name, page), nil
}

// keep remembers the first page of a condition, unless what is in flight could contradict it.
func (l *Line) keep(name conditionName, page projections.Page) projections.Page {
	if l.inFlight(name.tenant, name.name) {
		return page
	}
	kept := l.searches[typeName{name.tenant, name.name}]
	if kept == nil || len(kept) >= searchCached {
		kept = make(map[string]projections.Page)
		l.searches[typeName{strings.Clone(name.tenant), strings.Clone(name.name)}] = kept
	}
	kept[strings.Clone(name.text)] = page
	return page
}

// again returns the items whose event may have been decided in an earlier commit.
func (l *Line) again(items []*item) []*item {
	var again []*item
	for _, i := range items {
		if i.event.ID != "" && !l.fresh.Take(i.event.ID) {
			again = append(again, i)
		}
	}
	return again
}

// findKnown marks the items whose event took effect, or was refused, in an earlier commit.
func (l *Line) findKnown(ctx context.Context, items []*item) error {
	ids := make([]string, len(items))
	for n, i := range items {
		ids[n] = i.event.ID
	}
	outcomes, err := l.index.Outcomes(ctx, ids)
	if err != nil {
		return err
	}
	for n, i := range items {
		if i.known = outcomes[n]; i.known == nil && l.flight != nil {
			i.known = l.flight.outcomes[i.event.ID]
		}
	}
	return nil
}

// findClaims reads the claims on the keys of a chunk's events.
func (l *Line) findClaims(ctx context.Context, items []*item) (map[projections.ClaimName]projections.Claim, error) {
	held := make(map[projections.ClaimName]projections.Claim)
	var names []projections.ClaimName
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, name := range functions.ClaimNames(&i.event) {
			if _, asked := held[name]; !asked {
				held[name] = projections.Claim{}
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return held, nil
	}
	found, err := l.index.Claims(ctx, names)
	if err != nil {
		return nil, err
	}
	for n, name := range names {
		held[name] = found[n]
		if l.flight != nil {
			if claim, claims := l.flight.claims[name]; claims {
				held[name] = claim
			}
		}
	}
	return held, nil
}

// prefetchReferrers asks, once for all that a chunk names and deletes, by which parameters others refer to it. What is
// asked while a commit is in flight may be of before it or after it: what that commit changes is looked at besides.
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
			if w.Operation != events.Delete || w.Condition != "" ||
				l.uncommitted(key) == nil && !l.fetched[key].Alive() {
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
