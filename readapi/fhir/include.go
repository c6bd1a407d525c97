package fhir

import (
	"context"
	"slices"
	"strings"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
)

// included is what a search adds to its matches, or the part of it that stands on one page: _include and _revinclude
// (FHIR R4 search, 3.1.1.5.4).
type included struct {
	versions []projections.Version
	contents [][]byte
	from, to int  // which of all that is included
	more     bool // there is more behind
}

// Bounds of what is included.
const (
	includeChunk   = 100     // resources that are asked for by one query
	includePage    = 1_000   // resources of a page of one query, where it may find more
	includedAtMost = 100_000 // resources beside the matches of one page, on all of its pages
)

// including is the work on one page. Everything is read at the page's snapshot, so a page shows one state of
// everything on it.
type including struct {
	door     *Door
	search   *search
	snapshot int64
	seen     map[projections.Key]bool // matches, and what has been found
	all      []projections.Version    // what has been found, in its order
	enough   int                      // so many are all that the page needs
	fresh    []projections.Version    // found in this round
}

// include finds what the includes of a search add to a page: each resource once, in the order in which it is found.
// What does not fit into [Limits.Included] resources and [Limits.PageBytes] of content follows on pages of its own,
// before the next matches: a page that silently lacked some would be taken for whole. The order is the same each
// time, because all is read at one snapshot; so a page further on knows what the pages before have shown.
func (d *Door) include(ctx context.Context, s *search, page found) (included, error) {
	w := &including{door: d, search: s, snapshot: page.page.Snapshot,
		seen: make(map[projections.Key]bool, 2*len(page.page.Versions))}
	limit, backwards := d.Limits.Included, s.place.Back
	switch {
	case !backwards:
		w.enough = s.place.Shown + limit + 1
	case s.place.Matches > 0:
		w.enough = s.place.Shown
	default: // what comes last is shown, and that is known when all are found
		w.enough = includedAtMost + 1
	}
	for _, version := range page.page.Versions {
		w.seen[version.Key] = true
	}
	if err := w.rounds(ctx, page); err != nil {
		return included{}, err
	}
	if len(w.all) > includedAtMost {
		return included{}, events.Errorf(events.TooCostly, "fhir.include",
			"more than %d resources are included with the matches of one page; search for what refers to them by "+
				"itself, or ask for fewer matches with _count", includedAtMost)
	}
	part := included{from: min(s.place.Shown, len(w.all))}
	part.to = min(part.from+limit, len(w.all))
	if backwards {
		part.to = len(w.all)
		part.from = max(0, part.to-limit)
	}
	var err error
	if part.contents, err = d.contents.Page(ctx, w.all[part.from:part.to], backwards); err != nil {
		return included{}, err
	}
	if backwards {
		part.from = part.to - len(part.contents)
		part.more = s.place.Matches > 0
	} else {
		part.to = part.from + len(part.contents)
		part.more = part.to < len(w.all)
	}
	part.versions = w.all[part.from:part.to]
	return part, nil
}

// rounds finds what is included with the matches, then by :iterate with that, until nothing new comes or the page has
// enough.
func (w *including) rounds(ctx context.Context, page found) error {
	from, contents := page.page.Versions, page.contents
	for round := 0; len(from) > 0; round++ {
		w.fresh = nil
		for _, include := range w.search.parsed.Includes {
			if round > 0 && !include.Iterate {
				continue
			}
			var err error
			if include.Reverse {
				err = w.reverse(ctx, include, from)
			} else {
				err = w.forward(ctx, include, from, contents)
			}
			if err != nil || len(w.all) >= w.enough {
				return err
			}
		}
		from, contents = w.fresh, nil
	}
	return nil
}

// forward adds what resources refer to. Their references are read by the expressions of the catalog, as when they
// were indexed. Contents that are not given are fetched, some at a time.
func (w *including) forward(ctx context.Context, include catalog.Include, from []projections.Version,
	contents [][]byte) error {
	from = slices.Clone(from)
	wanted := &targets{ids: map[string][]string{}, asked: map[projections.Key]bool{}}
	for len(from) > 0 {
		some := from[:min(len(from), includeChunk)]
		given := contents
		if contents == nil {
			var err error
			if given, err = w.door.contents.Fetch(ctx, some); err != nil {
				return err
			}
		} else {
			contents = contents[len(some):]
		}
		for i, version := range some {
			if include.Source != "" && include.Source != version.Type || given[i] == nil {
				continue
			}
			keys, err := w.references(include, version.Type, given[i])
			if err != nil {
				return err
			}
			for _, key := range keys {
				if !w.seen[key] {
					wanted.add(key)
				}
			}
		}
		from = from[len(some):]
	}
	for _, typ := range wanted.types {
		for chunk := range slices.Chunk(wanted.ids[typ], includeChunk) {
			clause := projections.Clause{Param: projections.ParamID, Kind: projections.Token}
			for _, id := range chunk {
				clause.Values = append(clause.Values, projections.Value{AnySystem: true, Code: id})
			}
			if err := w.add(ctx, typ, clause, chunk); err != nil || len(w.all) >= w.enough {
				return err
			}
		}
	}
	return nil
}

// targets are what resources refer to.
type targets struct {
	types []string            // in the order in which they are met
	ids   map[string][]string // by type
	asked map[projections.Key]bool
}

func (t *targets) add(key projections.Key) {
	if t.asked[key] {
		return
	}
	t.asked[key] = true
	if t.ids[key.Type] == nil {
		t.types = append(t.types, key.Type)
	}
	t.ids[key.Type] = append(t.ids[key.Type], key.ID)
}

// references tells which resources a content refers to by the parameters of an include.
func (w *including) references(include catalog.Include, typ string, content []byte) ([]projections.Key, error) {
	document, err := form.Document(content)
	if err != nil {
		return nil, err
	}
	extracted, err := w.door.Catalog.Extract(document)
	if err != nil {
		return nil, err
	}
	params := include.Params
	if params == nil {
		params = w.door.Catalog.References(typ, "")
	}
	var keys []projections.Key
	for _, term := range extracted.Terms {
		if term.Kind != projections.Reference || term.Identifier || !slices.Contains(params, term.Param) {
			continue
		}
		target, id := term.System, term.Code
		if below, own := documents.Below(term.Code, w.search.base); own && target == "" {
			target, id, _ = strings.Cut(strings.TrimPrefix(below, "/"), "/")
		}
		if (include.Target == "" || target == include.Target) && w.door.Catalog.Known(target) &&
			documents.CheckID(id) == nil {
			keys = append(keys, projections.Key{Tenant: w.door.Tenant, Type: target, ID: strings.Clone(id)})
		}
	}
	return keys, nil
}

// reverse adds what refers to resources.
func (w *including) reverse(ctx context.Context, include catalog.Include, from []projections.Version) error {
	sources := []string{include.Source}
	if include.Source == "" {
		sources = w.door.Catalog.Types()
	}
	for chunk := range slices.Chunk(from, includeChunk) {
		for _, source := range sources {
			params := include.Params
			if params == nil {
				params = w.door.Catalog.References(source, "")
			}
			var any []projections.Clause
			for _, code := range params {
				if clause := w.referring(include, source, code, chunk); len(clause.Values) > 0 {
					any = append(any, clause)
				}
			}
			if len(any) == 0 {
				continue
			}
			clause := projections.Clause{Any: any}
			if len(any) == 1 {
				clause = any[0]
			}
			if err := w.add(ctx, source, clause, nil); err != nil || len(w.all) >= w.enough {
				return err
			}
		}
	}
	return nil
}

// referring asks for what refers to versions by one parameter; without values when it never does.
func (w *including) referring(include catalog.Include, source, code string,
	to []projections.Version) projections.Clause {
	clause := w.door.Catalog.Clause(source, code)
	for _, version := range to {
		if (include.Target == "" || include.Target == version.Type) &&
			w.door.Catalog.RefersTo(source, code, version.Type) {
			clause.Values = append(clause.Values, projections.Value{System: version.Type, Code: version.ID})
		}
	}
	return clause
}

// add finds what a clause asks for and takes what is not found yet, as far as the page needs it: in the order of the
// ids, if they are given, else in that of the index.
func (w *including) add(ctx context.Context, typ string, clause projections.Clause, ids []string) error {
	query := projections.Query{
		Tenant: w.door.Tenant, Partition: w.door.Partition, Type: typ, Clauses: []projections.Clause{clause},
		Limit: includePage, Snapshot: w.snapshot, Total: projections.TotalNone,
	}
	for {
		page, err := w.door.Reader.Search(ctx, query)
		if err != nil {
			return err
		}
		if ids != nil {
			place := make(map[string]int, len(ids))
			for i, id := range ids {
				place[id] = i
			}
			slices.SortFunc(page.Versions, func(a, b projections.Version) int { return place[a.ID] - place[b.ID] })
		}
		for _, version := range page.Versions {
			if !w.seen[version.Key] {
				w.seen[version.Key] = true
				w.all, w.fresh = append(w.all, version), append(w.fresh, version)
			}
		}
		if page.Next == "" || len(w.all) >= w.enough {
			break
		}
		query.After = page.Next
	}
	if len(w.all) > w.enough {
		w.all = w.all[:w.enough]
	}
	return nil
}
