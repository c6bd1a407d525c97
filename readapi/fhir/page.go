package fhir

import (
	"context"

	"binnacle/projections"
)

// found is a page with the content of its versions.
type found struct {
	page     projections.Page
	contents [][]byte // of page.Versions; nil for a deletion
	included included
}

// find asks the index for a page, the blob store for its contents, and both for what is included beside it.
func (d *Door) find(ctx context.Context, s *search) (found, error) {
	one := d.findType
	if s.parsed.Types != nil {
		one = d.findTypes
	}
	found, err := one(ctx, s)
	if err != nil || len(s.parsed.Includes) == 0 || len(found.page.Versions) == 0 {
		return found, err
	}
	found.included, err = d.include(ctx, s, found)
	return found, err
}

// back tells whether the page of matches ends at the edge.
func (s *search) back() bool { return s.place.Back && s.place.Matches == 0 }

// limit is how many matches the page has, as far as _count goes.
func (s *search) limit(count int) int {
	if s.place.Matches > 0 {
		return s.place.Matches
	}
	return count
}

// findType finds a page of one type.
func (d *Door) findType(ctx context.Context, s *search) (found, error) {
	query := s.parsed.Query
	query.Partition, query.After, query.Back, query.Snapshot = d.Partition, s.place.Edge, s.back(), s.place.Snapshot
	query.Limit = s.limit(query.Limit)
	if s.paged {
		query.Total = projections.TotalNone // the first page has counted
	}
	page, err := d.Reader.Search(ctx, query)
	if err != nil {
		return found{}, err
	}
	if !s.paged {
		s.place.Total = page.Total
	}
	s.place.Snapshot = page.Snapshot
	contents, err := d.contents.Page(ctx, page.Versions, s.back())
	if err != nil {
		return found{}, err
	}
	if len(contents) < len(page.Versions) {
		// The page holds more bytes than one answer should: a smaller one, and the rest on the next.
		query.Limit, query.Snapshot, query.Total = len(contents), page.Snapshot, projections.TotalNone
		plan := page.Plan
		if page, err = d.Reader.Search(ctx, query); err != nil {
			return found{}, err
		}
		page.Plan = plan
	}
	return found{page: page, contents: contents}, nil
}
