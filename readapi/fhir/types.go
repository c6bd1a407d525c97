package fhir

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/projections"
)

// Bounds of a search over several types.
const (
	typesAtOnce = 4  // queries under way
	typesByTerm = 16 // types that can be put into one order by something that stands in the resources
)

// typePart is the share of one type in a page over several types.
type typePart struct {
	query projections.Query
	after string // the index token from which the type goes on
	done  bool   // the type has no more versions
	page  projections.Page
	rows  []projections.Row // of page.Versions, with what they are ordered by
	taken int               // of page.Versions, on this page
}

// findTypes finds a page over several types: a page of each, merged by the common order. The next page goes on in each type behind what was
// taken of it.
func (d *Door) findTypes(ctx context.Context, s *search) (found, error) {
	parts := make([]*typePart, len(s.parsed.Types))
	for i, query := range s.parsed.Types {
		query.Partition = d.Partition
		if s.paged {
			query.Total = projections.TotalNone
		}
		parts[i] = &typePart{query: query}
	}
	if err := readWay(s.place.after(), parts); err != nil {
		return found{}, err
	}
	order := s.parsed.Types[0]
	if orderedByTerms(order) && len(parts) > typesByTerm {
		return found{}, events.Errorf(events.TooCostly, "fhir.Search", "%d types can be sorted by _lastUpdated and _id alone; name at most %d types with _type to sort by other parameters", len(parts), typesByTerm)
	}
	if err := d.pagesOfTypes(ctx, s, parts); err != nil {
		return found{}, err
	}
	if orderedByTerms(order) {
		for _, part := range parts {
			if err := d.rowsOf(ctx, part); err != nil {
				return found{}, err
			}
		}
	}
	answer := found{page: projections.Page{Versions: mergeTypes(order, parts), Snapshot: s.place.snapshot, Plan: planOf(parts)}}
	if !s.paged {
		s.place.total = totalOfTypes(parts)
	}
	if order.Limit == 0 {
		return answer, nil
	}
	var err error
	if answer.contents, err = d.contents(ctx, answer.page.Versions); err != nil {
		return found{}, err
	}
	answer.page.Versions = answer.page.Versions[:len(answer.contents)]
	answer.page.Next, err = d.nextOfTypes(ctx, parts, answer.page.Versions)
	return answer, err
}

// pagesOfTypes asks for the page of each type that is not done. The first answer gives the snapshot of all.
func (d *Door) pagesOfTypes(ctx context.Context, s *search, parts []*typePart) error {
	ask := func(part *typePart) (err error) {
		part.query.After, part.query.Snapshot = part.after, s.place.snapshot
		part.page, err = d.Reader.Search(ctx, part.query)
		return err
	}
	open := slices.DeleteFunc(slices.Clone(parts), func(part *typePart) bool { return part.done })
	for s.place.snapshot == 0 && len(open) > 0 {
		if err := ask(open[0]); err != nil {
			return err
		}
		s.place.snapshot = open[0].page.Snapshot
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
	contents, err := d.fetch(ctx, part.page.Versions)
	if err != nil {
		return err
	}
	for i, content := range contents {
		document, err := documents.Parse(content)
		if err != nil {
			return err
		}
		extracted, err := d.Catalog.Extract(document)
		if err != nil {
			return err
		}
		part.rows = append(part.rows, projections.Row{Version: part.page.Versions[i], Terms: extracted.Terms, MainDate: extracted.MainDate})
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

// mergeTypes takes the first versions of all parts, in the order that they have in common.
func mergeTypes(order projections.Query, parts []*typePart) []projections.Version {
	var merged []projections.Version
	for len(merged) < order.Limit {
		var first *typePart
		for _, part := range parts {
			if part.taken < len(part.page.Versions) && (first == nil || projections.Compare(order, part.row(), first.row()) < 0) {
				first = part
			}
		}
		if first == nil {
			break
		}
		merged = append(merged, first.page.Versions[first.taken])
		first.taken++
	}
	return merged
}

// nextOfTypes makes the token of the following page from what this one shows; "" when there is none. A type of which only some versions
// were taken is asked once more for just those, to learn where it goes on.
func (d *Door) nextOfTypes(ctx context.Context, parts []*typePart, shown []projections.Version) (string, error) {
	counts := make(map[string]int, len(parts))
	for _, version := range shown {
		counts[version.Type]++
	}
	more := false
	for _, part := range parts {
		if part.done {
			continue
		}
		switch taken := counts[part.query.Type]; {
		case taken == len(part.page.Versions):
			part.after, part.done = part.page.Next, part.page.Next == ""
		case taken > 0:
			query := part.query
			query.Limit, query.Total = taken, projections.TotalNone
			query.Snapshot = part.page.Snapshot
			page, err := d.Reader.Search(ctx, query)
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
	return writeWay(parts), nil
}

// The token of a page over several types has a bit for each type, set when the type is done; and, for each that is not and has been
// begun, its place among the types, the length of its index token, and the token.

func writeWay(parts []*typePart) string {
	data := make([]byte, (len(parts)+7)/8)
	for i, part := range parts {
		switch {
		case part.done:
			data[i/8] |= 1 << (i % 8)
		case part.after != "":
			data = binary.AppendUvarint(data, uint64(i))
			data = binary.AppendUvarint(data, uint64(len(part.after)))
			data = append(data, part.after...)
		}
	}
	return string(data)
}

func readWay(after string, parts []*typePart) error {
	if after == "" {
		return nil
	}
	bits := (len(parts) + 7) / 8
	if len(after) < bits {
		return badToken()
	}
	for i, part := range parts {
		part.done = after[i/8]>>(i%8)&1 == 1
	}
	reader := placeReader{data: []byte(after[bits:])}
	for len(reader.data) > 0 && !reader.bad {
		i := int(reader.number(uint64(len(parts) - 1)))
		parts[i].after = reader.text()
	}
	if reader.bad {
		return badToken()
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
