package fhir

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"binnacle/projections"
	"binnacle/projections/fhir/form"
	"binnacle/readapi/fhir/pages"
)

// Bounds of a search over several types.
const (
	typesAtOnce = 4  // queries under way
	typesByTerm = 16 // types that can be put into one order by something that stands in the resources
)

// typePart is the share of one type in a page over several types.
type typePart struct {
	query projections.Query
	after string // the index token from which the type goes on; "" is its start
	done  bool   // the type has no more versions
	page  projections.Page
	rows  []projections.Row // of page.Versions, with what they are ordered by
	taken int               // of page.Versions, on this page
}

// typesPage is a page over several types: a page of each, merged by the common order.
type typesPage struct {
	parts  []*typePart
	common bool               // the order is by _lastUpdated or _id alone: one place is enough for all types
	behind *projections.Place // in a common order: the last version before the page; nil: none
	back   bool               // the page ends at its edge
}

// findTypes finds a page over several types. The next page goes on in each type behind what was taken of it.
func (d *Door) findTypes(ctx context.Context, s *search) (found, error) {
	t := &typesPage{parts: make([]*typePart, len(s.parsed.Types)), back: s.back()}
	for i, query := range s.parsed.Types {
		query.Partition, query.Back, query.Limit = d.Partition, t.back, s.limit(query.Limit)
		if s.paged {
			query.Total = projections.TotalNone
		}
		t.parts[i] = &typePart{query: query}
	}
	order := s.parsed.Types[0]
	order.Limit = s.limit(order.Limit)
	t.common = len(order.Sort) == 1 && !orderedByTerms(order)
	if err := t.read(s.place.Edge); err != nil {
		return found{}, err
	}
	if err := d.pagesOfTypes(ctx, s, t); err != nil {
		return found{}, err
	}
	if orderedByTerms(order) {
		for _, part := range t.parts {
			if err := d.rowsOf(ctx, part); err != nil {
				return found{}, err
			}
		}
	}
	merged := t.merge(order)
	shown := merged[:min(len(merged), order.Limit)]
	if t.back {
		shown = merged[max(0, len(merged)-order.Limit):]
	}
	answer := found{page: projections.Page{Snapshot: s.place.Snapshot, Plan: planOf(t.parts)}}
	if !s.paged {
		s.place.Total = totalOfTypes(t.parts)
	}
	if order.Limit == 0 {
		return answer, nil
	}
	var err error
	if answer.contents, err = d.contents.Page(ctx, shown, t.back); err != nil {
		return found{}, err
	}
	if t.back {
		answer.page.Versions = shown[len(shown)-len(answer.contents):]
		answer.page.Next = s.place.Edge
		answer.page.After, err = d.beginningOfTypes(ctx, t, merged, answer.page.Versions)
	} else {
		answer.page.Versions = shown[:len(answer.contents)]
		answer.page.After = s.place.Edge
		answer.page.Next, err = d.endOfTypes(ctx, t, answer.page.Versions)
	}
	return answer, err
}

// pagesOfTypes asks for the page of each type that has versions on the side of the edge where the page is. The first
// answer gives the snapshot of all. Backwards it asks for one version more than the page shows: the next page back
// ends there.
func (d *Door) pagesOfTypes(ctx context.Context, s *search, t *typesPage) error {
	ask := func(part *typePart) (err error) {
		query := part.query
		query.After, query.Beyond, query.Snapshot = part.after, t.behind, s.place.Snapshot
		if t.back {
			query.Limit++
		}
		part.page, err = d.Reader.Search(ctx, query)
		return err
	}
	open := slices.DeleteFunc(slices.Clone(t.parts), func(part *typePart) bool {
		if t.back {
			return t.behind == nil && !part.done && part.after == ""
		}
		return part.done
	})
	for s.place.Snapshot == 0 && len(open) > 0 {
		if err := ask(open[0]); err != nil {
			return err
		}
		s.place.Snapshot = open[0].page.Snapshot
		open = open[1:]
	}
	var wait sync.WaitGroup
	var once sync.Once
	var failure error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	turns := make(chan struct{}, typesAtOnce)
	for _, part := range open {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			if err := ask(part); err != nil {
				once.Do(func() { failure = err })
				cancel()
			}
		})
	}
	wait.Wait()
	return failure
}

// orderedByTerms tells whether an order needs more than the versions themselves.
func orderedByTerms(q projections.Query) bool {
	return slices.ContainsFunc(q.Sort, func(key projections.SortKey) bool {
		return key.Param != projections.ParamLastUpdated && key.Param != projections.ParamID
	})
}

// rowsOf reads what the versions of a part are ordered by from their contents.
func (d *Door) rowsOf(ctx context.Context, part *typePart) error {
	contents, err := d.contents.Fetch(ctx, part.page.Versions)
	if err != nil {
		return err
	}
	for i, content := range contents {
		document, err := form.Document(content)
		if err != nil {
			return err
		}
		extracted, err := d.Catalog.Extract(document)
		if err != nil {
			return err
		}
		part.rows = append(part.rows, projections.Row{Version: part.page.Versions[i], Terms: extracted.Terms,
			MainDate: extracted.MainDate})
	}
	return nil
}

// row is the next version of a part that is not taken yet, as it is compared.
func (p *typePart) row() projections.Row {
	if p.rows != nil {
		return p.rows[p.taken]
	}
	return projections.Row{Version: p.page.Versions[p.taken]}
}

// merge puts the first versions of all parts into the order that they have in common; backwards the last ones, and
// one more than the page shows.
func (t *typesPage) merge(order projections.Query) []projections.Version {
	limit, better := order.Limit, -1
	if t.back {
		limit, better = limit+1, 1
		for _, part := range t.parts {
			slices.Reverse(part.page.Versions)
			slices.Reverse(part.rows)
		}
	}
	var merged []projections.Version
	for len(merged) < limit {
		var first *typePart
		for _, part := range t.parts {
			if part.taken < len(part.page.Versions) &&
				(first == nil || projections.Compare(order, part.row(), first.row())*better > 0) {
				first = part
			}
		}
		if first == nil {
			break
		}
		merged = append(merged, first.page.Versions[first.taken])
		first.taken++
	}
	if t.back {
		slices.Reverse(merged)
	}
	return merged
}

// endOfTypes is the edge behind what a page shows; "" when nothing follows. In an order that is not common, a type of
// which only some versions were taken is asked once more for just those, to learn where it goes on.
func (d *Door) endOfTypes(ctx context.Context, t *typesPage, shown []projections.Version) (string, error) {
	counts := countTypes(shown)
	more := false
	for _, part := range t.parts {
		if part.done {
			continue
		}
		switch taken := counts[part.query.Type]; {
		case taken == len(part.page.Versions):
			part.after, part.done = part.page.Next, part.page.Next == ""
		case taken > 0 && !t.common:
			page, err := d.pageOfTaken(ctx, part, taken)
			if err != nil {
				return "", err
			}
			part.after = page.Next
		}
		more = more || !part.done
	}
	if !more {
		return "", nil
	}
	if t.common {
		t.behind = placeOf(shown[len(shown)-1])
	}
	return t.write(), nil
}

// beginningOfTypes is the edge before what a page shows that was read backwards; "" when nothing comes before.
func (d *Door) beginningOfTypes(ctx context.Context, t *typesPage, merged, shown []projections.Version) (string,
	error) {
	rest := merged[:len(merged)-len(shown)]
	if len(rest) == 0 {
		return "", nil
	}
	if t.common {
		t.behind = placeOf(rest[len(rest)-1])
		for _, part := range t.parts {
			part.done = false // which it may be, but nobody has asked
		}
		return t.write(), nil
	}
	counts := countTypes(shown)
	for _, part := range t.parts {
		switch taken := counts[part.query.Type]; {
		case taken == 0:
		case taken == len(part.page.Versions):
			part.after, part.done = "", false
		default:
			page, err := d.pageOfTaken(ctx, part, taken)
			if err != nil {
				return "", err
			}
			part.after, part.done = page.After, false
		}
	}
	return t.write(), nil
}

// pageOfTaken asks for just those versions of a part that a page shows.
func (d *Door) pageOfTaken(ctx context.Context, part *typePart, taken int) (projections.Page, error) {
	query := part.query
	query.Limit, query.Total, query.After, query.Snapshot = taken, projections.TotalNone, part.after, part.page.Snapshot
	return d.Reader.Search(ctx, query)
}

func countTypes(shown []projections.Version) map[string]int {
	counts := map[string]int{}
	for _, version := range shown {
		counts[version.Type]++
	}
	return counts
}

func placeOf(version projections.Version) *projections.Place {
	return &projections.Place{Type: version.Type, Sid: version.Sid}
}

// An edge of a page over several types has a bit for each type, set when the type is done. In a common order there
// follow the place of a type among them and the Sid of its version behind which the page begins. In other orders, for
// each type that is not done and has been begun: its place among the types, the length of its index token, and the
// token.

func (t *typesPage) write() string {
	data := make([]byte, (len(t.parts)+7)/8)
	for i, part := range t.parts {
		switch {
		case part.done:
			data[i/8] |= 1 << (i % 8)
		case t.common:
		case part.after != "":
			data = binary.AppendUvarint(data, uint64(i))
			data = binary.AppendUvarint(data, uint64(len(part.after)))
			data = append(data, part.after...)
		}
	}
	if t.common {
		data = binary.AppendUvarint(data, uint64(slices.IndexFunc(t.parts,
			func(part *typePart) bool { return part.query.Type == t.behind.Type })))
		data = binary.AppendUvarint(data, uint64(t.behind.Sid))
	}
	return string(data)
}

func (t *typesPage) read(edge string) error {
	if edge == "" {
		return nil
	}
	bits := (len(t.parts) + 7) / 8
	if len(edge) < bits {
		return pages.BadToken()
	}
	for i, part := range t.parts {
		part.done = edge[i/8]>>(i%8)&1 == 1
	}
	reader := pages.Reader{Data: []byte(edge[bits:])}
	if t.common {
		of := int(reader.Number(uint64(len(t.parts) - 1)))
		t.behind = &projections.Place{Type: t.parts[of].query.Type, Sid: int64(reader.Number(math.MaxInt64))}
		if reader.Bad || len(reader.Data) > 0 {
			return pages.BadToken()
		}
		return nil
	}
	for len(reader.Data) > 0 && !reader.Bad {
		i := int(reader.Number(uint64(len(t.parts) - 1)))
		t.parts[i].after = reader.Text()
	}
	if reader.Bad {
		return pages.BadToken()
	}
	return nil
}

// totalOfTypes adds the totals up; -1 when one of them was not counted.
func totalOfTypes(parts []*typePart) int64 {
	var sum int64
	for _, part := range parts {
		if part.page.Total < 0 {
			return -1
		}
		sum += part.page.Total
	}
	return sum
}

// planOf tells how the types that have something were searched.
func planOf(parts []*typePart) string {
	var plan strings.Builder
	for _, part := range parts {
		if part.taken > 0 {
			fmt.Fprintf(&plan, "%s: %s. ", part.query.Type, part.page.Plan)
		}
	}
	fmt.Fprintf(&plan, "%d types were asked", len(parts))
	return plan.String()
}
