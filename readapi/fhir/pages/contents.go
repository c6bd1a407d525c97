package pages

import (
	"context"
	"log/slog"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// Contents fetches the contents of versions.
type Contents struct {
	Blobs projections.Blobs
	// Heal brings the content of a version back from the log when the blob store has lost it; nil: a lost blob is an
	// error.
	Heal   func(ctx context.Context, version projections.Version) ([]byte, error)
	Bytes  int // of contents on a page at the most, unless one alone is larger
	Logger *slog.Logger
}

// Page fetches the content of versions, in their order, until the page is full: at least one, and more while they
// fit Bytes; of a page that is read backwards the last ones. What the store has lost comes from the log.
func (c Contents) Page(ctx context.Context, versions []projections.Version, back bool) ([][]byte, error) {
	if back {
		versions = slices.Clone(versions)
		slices.Reverse(versions)
	}
	const fetch = 100 // blobs at once
	contents := make([][]byte, 0, len(versions))
	size := 0
	for part := range slices.Chunk(versions, fetch) {
		fetched, err := c.Fetch(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, content := range fetched {
			if size += len(content); size > c.Bytes && len(contents) > 0 {
				break
			}
			contents = append(contents, content)
		}
		if size > c.Bytes {
			break
		}
	}
	if back {
		slices.Reverse(contents)
	}
	return contents, nil
}

// Fetch fetches the contents of all versions; nil for a deletion. What the store has lost comes from the log.
func (c Contents) Fetch(ctx context.Context, versions []projections.Version) ([][]byte, error) {
	hashes := make([]events.Hash, 0, len(versions))
	for i := range versions {
		if !versions[i].Deleted {
			hashes = append(hashes, versions[i].Hash)
		}
	}
	stored, err := c.Blobs.Get(ctx, hashes)
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
			if contents[i], err = c.healed(ctx, versions[i]); err != nil {
				return nil, err
			}
		}
	}
	return contents, nil
}

// One fetches the content of a version that is no deletion.
func (c Contents) One(ctx context.Context, version projections.Version) ([]byte, error) {
	hashes := [1]events.Hash{version.Hash}
	contents, err := c.Blobs.Get(ctx, hashes[:])
	if err != nil {
		return nil, err
	}
	if contents[0] != nil {
		return contents[0], nil
	}
	return c.healed(ctx, version)
}

// healed brings back content that the blob store has lost.
func (c Contents) healed(ctx context.Context, version projections.Version) ([]byte, error) {
	if c.Heal == nil {
		return nil, events.Errorf(events.Internal, "fhir.Read", "the blob %x of %s/%s version %d is missing",
			version.Hash, version.Type, version.ID, version.Number)
	}
	c.Logger.WarnContext(ctx, "a blob is missing; its content is taken from the log", "type", version.Type, "id",
		version.ID, "version", version.Number, "position", version.Position.String())
	content, err := c.Heal(ctx, version)
	if err != nil && events.KindOf(err) != events.Transient { // what the log lacks is not what the client asked for
		return nil, events.Wrap(events.Internal, "fhir.Read", err,
			"the content of %s/%s version %d is lost: the blob store does not have it, and the log does not give it",
			version.Type, version.ID, version.Number)
	}
	return content, err
}
