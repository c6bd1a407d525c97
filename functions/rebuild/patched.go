package rebuild

import (
	"context"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// toPatch is a row whose content a patch makes of the version before: that one may be on its way, too.
type toPatch struct {
	row     int // in applied.rows
	change  *events.Change
	dialect projections.Dialect
	links   []string // as recorded
}

// recorded is the content that a change became. What a patch has made is taken from the blob store; nil: it isn't
// there, and must be made again in its order.
func (a *applier) recorded(ctx context.Context, dialect projections.Dialect, change *events.Change,
	result *events.Result) ([]byte, error) {
	if change.Operation != events.Patch {
		return recordedContent(dialect, change, result)
	}
	if a.blobs.lacks(result.Hash) {
		return nil, nil
	}
	return functions.Stored(ctx, a.blobs, result.Hash)
}

// patch makes the contents of a chunk's patches that the blob store has not, in the order of the log.
func (a *applier) patch(ctx context.Context, items []*applied) error {
	type latest struct {
		version projections.Version
		content []byte
	}
	var of map[projections.Key]latest // within the chunk; nil: there is nothing to patch
	for _, i := range items {
		if len(i.patches) > 0 {
			of = make(map[projections.Key]latest)
		}
	}
	if of == nil {
		return nil
	}
	for _, i := range items {
		patches := i.patches
		for n := range i.rows {
			row := &i.rows[n]
			if len(patches) > 0 && patches[0].row == n {
				before, have := of[row.Key]
				if !have {
					var err error
					if before.version, before.content, err = a.before(ctx, row.Key); err != nil {
						return err
					}
				}
				content, err := patches[0].again(before.version, before.content, row.Hash)
				if err != nil {
					return a.foreign(row.Position, "the patch of %s/%s: %v", row.Type, row.ID, err)
				}
				if patches[0].dialect != nil {
					err = functions.Extract(patches[0].dialect, row, content)
				}
				if err != nil {
					i.failures = append(i.failures, err)
				}
				i.contents[n], patches = content, patches[1:]
			}
			of[row.Key] = latest{row.Version, i.contents[n]}
		}
	}
	return nil
}

// before is the version of a resource that the index has, with its content.
func (a *applier) before(ctx context.Context, key projections.Key) (projections.Version, []byte, error) {
	versions, err := a.index.Current(ctx, []projections.Key{key})
	if err != nil {
		return projections.Version{}, nil, err
	}
	contents, err := a.blobs.Get(ctx, []events.Hash{versions[0].Hash})
	if err != nil {
		return projections.Version{}, nil, err
	}
	if contents[0] == nil {
		return projections.Version{}, nil, events.Errorf(events.Internal, "rebuild.Index", "the content of %s/%s "+
			"version %d, which is patched, was lost while the index was rebuilt; start the rebuild again", key.Type,
			key.ID, versions[0].Number)
	}
	return versions[0], contents[0], nil
}

// again makes the content of a patch, which must be the recorded one.
func (p *toPatch) again(before projections.Version, content []byte, recorded events.Hash) ([]byte, error) {
	after, hash, err := functions.Patched(p.dialect, p.change, p.links, before, content)
	if err == nil && hash != recorded {
		err = events.Errorf(events.Conflict, "rebuild.Index",
			"it makes a content with another hash than the one recorded, %x", recorded[:8])
	}
	return after, err
}
