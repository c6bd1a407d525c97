package fhir

import (
	"context"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// found is a page with the content of its versions.
type found struct {
	page     projections.Page
	contents [][]byte // of page.Versions; nil for a deletion
	included included
	before   projections.Version // of a history: the one before the last of page.Versions
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
func (s *search) back() bool { return s.place.back && s.place.matches == 0 }

// limit is how many matches the page has, as far as _count goes.
func (s *search) limit(count int) int {
	if s.place.matches > 0 {
		return s.place.matches
	}
	return count
}

// findType finds a page of one type.
func (d *Door) findType(ctx context.Context, s *search) (found, error) {
	query := s.parsed.Query
	query.Partition, query.After, query.Back, query.Snapshot = d.Partition, s.place.edge, s.back(), s.place.snapshot
	query.Limit = s.limit(query.Limit)
	if s.paged {
		query.Total = projections.TotalNone // the first page has counted
	}
	page, err := d.Reader.Search(ctx, query)
	if err != nil {
		return found{}, err
	}
	if !s.paged {
		s.place.total = page.Total
	}
	s.place.snapshot = page.Snapshot
	contents, err := d.contents(ctx, page.Versions, s.back())
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

// contents fetches the content of versions, in their order, until the page is full: at least one, and more while they
// fit [Limits.PageBytes]; of a page that is read backwards the last ones. What the store has lost comes from the log.
func (d *Door) contents(ctx context.Context, versions []projections.Version, back bool) ([][]byte, error) {
	if back {
		versions = slices.Clone(versions)
		slices.Reverse(versions)
	}
	const fetch = 100 // blobs at once
	contents := make([][]byte, 0, len(versions))
	size := 0
	for part := range slices.Chunk(versions, fetch) {
		fetched, err := d.fetch(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, content := range fetched {
			if size += len(content); size > d.Limits.PageBytes && len(contents) > 0 {
				break
			}
			contents = append(contents, content)
		}
		if size > d.Limits.PageBytes {
			break
		}
	}
	if back {
		slices.Reverse(contents)
	}
	return contents, nil
}

func (d *Door) fetch(ctx context.Context, versions []projections.Version) ([][]byte, error) {
	hashes := make([]events.Hash, 0, len(versions))
	for i := range versions {
		if !versions[i].Deleted {
			hashes = append(hashes, versions[i].Hash)
		}
	}
	stored, err := d.Blobs.Get(ctx, hashes)
	if err != nil {
		return nil, err
	}
	contents := make([][]byte, len(versions))
	next := 0
	for i := range versions {
		if versions[i].Deleted {
			continue
		}
		contents[i] = stored[next]
		next++
		if contents[i] == nil {
			if contents[i], err = d.heal(ctx, versions[i]); err != nil {
				return nil, err
			}
		}
	}
	return contents, nil
}
