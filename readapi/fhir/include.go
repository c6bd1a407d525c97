package fhir

import (
	"context"
	"slices"
	"strings"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// included is what a search adds to its matches: _include and _revinclude (FHIR R4 search, 3.1.1.5.4).
type included struct {
	versions []projections.Version
	contents [][]byte
}

// includeChunk is how many resources are asked for by one query.
const includeChunk = 100

// including is the work on one page. Everything is read at the page's snapshot, so a page shows one state of everything on it.
type including struct {
	door     *Door
	search   *search
	snapshot int64
	seen     map[projections.Key]bool // on the page already
	all      included
	size     int      // bytes of all.contents
	fresh    included // found in this round
}

// include finds what the includes of a search add to a page: each resource once, in the order in which it is found. More than
// [Limits.Included] resources, or more than [Limits.PageBytes] of content, are refused: a page that silently lacked some would be
// taken for whole.
func (d *Door) include(ctx context.Context, s *search, page found) (included, error) {
	w := &including{door: d, search: s, snapshot: page.page.Snapshot, seen: make(map[projections.Key]bool, 2*len(page.page.Versions))}
	from := included{versions: page.page.Versions, contents: page.contents}
	for _, version := range from.versions {
		w.seen[version.Key] = true
	}
	for round := 0; len(from.versions) > 0; round++ {
		w.fresh = included{}
		for _, include := range s.parsed.Includes {
			if round > 0 && !include.Iterate {
				continue
			}
			follow := w.forward
			if include.Reverse {
				follow = w.reverse
			}
			if err := follow(ctx, include, from); err != nil {
				return included{}, err
			}
		}
		from = w.fresh
	}
	return w.all, nil
}

// forward adds what resources refer to. Their references are read by the expressions of the catalog, as when they were indexed.
func (w *including) forward(ctx context.Context, include catalog.Include, from included) error {
	ids := map[string][]string{} // by type
	var types []string           // in the order in which they are met
	asked := map[projections.Key]bool{}
	for i, version := range from.versions {
		if include.Source != "" && include.Source != version.Type || from.contents[i] == nil {
			continue
		}
		targets, err := w.references(include, version.Type, from.contents[i])
		if err != nil {
			return err
		}
		for _, key := range targets {
			if w.seen[key] || asked[key] {
				continue
			}
			asked[key] = true
			if ids[key.Type] == nil {
				types = append(types, key.Type)
			}
			ids[key.Type] = append(ids[key.Type], key.ID)
		}
	}
	for _, typ := range types {
		for chunk := range slices.Chunk(ids[typ], includeChunk) {
			wanted := projections.Clause{Param: projections.ParamID, Kind: projections.Token}
			for _, id := range chunk {
				wanted.Values = append(wanted.Values, projections.Value{AnySystem: true, Code: id})
			}
			if err := w.add(ctx, typ, wanted, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// references tells which resources a content refers to by the parameters of an include.
func (w *including) references(include catalog.Include, typ string, content []byte) ([]projections.Key, error) {
	document, err := documents.Parse(content)
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
		if own, found := strings.CutPrefix(term.Code, w.search.base+"/"); found && target == "" {
			target, id, _ = strings.Cut(own, "/")
		}
		if (include.Target == "" || target == include.Target) && w.door.Catalog.Known(target) && documents.CheckID(id) == nil {
			keys = append(keys, projections.Key{Tenant: w.door.Tenant, Type: target, ID: strings.Clone(id)})
		}
	}
	return keys, nil
}

// reverse adds what refers to resources.
func (w *including) reverse(ctx context.Context, include catalog.Include, from included) error {
	sources := []string{include.Source}
	if include.Source == "" {
		sources = w.door.Catalog.Types()
	}
	for chunk := range slices.Chunk(from.versions, includeChunk) {
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
			if err := w.add(ctx, source, clause, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// referring asks for what refers to versions by one parameter; without values when it never does.
func (w *including) referring(include catalog.Include, source, code string, to []projections.Version) projections.Clause {
	clause := w.door.Catalog.Clause(source, code)
	for _, version := range to {
		if (include.Target == "" || include.Target == version.Type) && w.door.Catalog.RefersTo(source, code, version.Type) {
			clause.Values = append(clause.Values, projections.Value{System: version.Type, Code: version.ID})
		}
	}
	return clause
}

// add finds what a clause asks for and takes what is not on the page yet: in the order of the ids, if they are given, else in that of the index.
func (w *including) add(ctx context.Context, typ string, clause projections.Clause, ids []string) error {
	limits := w.door.Limits
	room := limits.Included - len(w.all.versions)
	query := projections.Query{
		Tenant: w.door.Tenant, Partition: w.door.Partition, Type: typ, Clauses: []projections.Clause{clause},
		Limit: room + len(w.seen) + 1, Snapshot: w.snapshot, Total: projections.TotalNone,
	}
	if ids != nil {
		query.Limit = len(ids)
	}
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
	versions := slices.DeleteFunc(page.Versions, func(v projections.Version) bool { return w.seen[v.Key] })
	if len(versions) > room {
		return events.Errorf(events.TooCostly, "fhir.include", "the page has more than %d resources beside its matches; ask for fewer matches with _count, or name fewer references to include", limits.Included)
	}
	for chunk := range slices.Chunk(versions, includeChunk) {
		contents, err := w.door.fetch(ctx, chunk)
		if err != nil {
			return err
		}
		for i, content := range contents {
			if w.size += len(content); w.size > limits.PageBytes {
				return events.Errorf(events.TooCostly, "fhir.include", "the resources beside the matches are larger than %d bytes; ask for fewer matches with _count, or name fewer references to include", limits.PageBytes)
			}
			w.seen[chunk[i].Key] = true
			w.all.versions, w.all.contents = append(w.all.versions, chunk[i]), append(w.all.contents, content)
			w.fresh.versions, w.fresh.contents = append(w.fresh.versions, chunk[i]), append(w.fresh.contents, content)
		}
	}
	return nil
}
