package functions

import (
	"context"
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// again makes the content of a version from the log. What a patch has made needs the version before, back to one whose
// content is there or stands in its record. What is made on the way goes back into the blob store, too, so that a
// resource that was patched a thousand times is gone through once.
func (h *Heal) again(ctx context.Context, version projections.Version) ([]byte, error) {
	var patches []patched // the newest first
	var content []byte
	there := false // in the store
	for at := version; ; {
		event, change, err := h.change(ctx, at)
		if err != nil {
			return nil, err
		}
		if change.Operation != events.Patch {
			if content, err = h.asked(ctx, at, event, change); err != nil {
				return nil, err
			}
			break
		}
		before, err := h.Index.Version(ctx, at.Key, at.Number-1)
		if err != nil {
			return nil, err
		}
		if before.Number == 0 {
			return nil, events.Errorf(events.NotFound, "functions.Heal", "the version before version %d of %s/%s, "+
				"which it patches, is not known", at.Number, at.Type, at.ID)
		}
		patches = append(patches, patched{at, event, change, before})
		at = before
		if content, err = h.stored(ctx, at); err != nil {
			return nil, err
		}
		if there = content != nil; there {
			break
		}
	}
	for _, p := range slices.Backward(patches) {
		var err error
		if !there {
			if err = h.keep(ctx, p.before, content); err != nil {
				return nil, err
			}
		}
		there = false
		if content, err = h.patch(ctx, p, content); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// stored is a content that the blob store has; nil: it has it not.
func (h *Heal) stored(ctx context.Context, version projections.Version) ([]byte, error) {
	if h.Blobs == nil {
		return nil, nil
	}
	return Stored(ctx, h.Blobs, version.Hash)
}

// patched is a version that a patch has made.
type patched struct {
	version projections.Version
	event   *events.Event
	change  *events.Change
	before  projections.Version
}

// patch applies a patch again. It has the links that are recorded; nothing else tells them.
func (h *Heal) patch(ctx context.Context, p patched, content []byte) ([]byte, error) {
	dialect, err := h.Dialects.Of(p.event)
	if err != nil {
		return nil, err
	}
	var links []string
	if len(p.change.Links) > 0 {
		results, err := h.results(ctx, p.version, p.event)
		if err != nil {
			return nil, err
		}
		links = results[p.version.Change].Links
	}
	after, hash, err := Patched(dialect, p.change, links, p.before, content)
	if err != nil {
		return nil, events.Wrap(events.NotFound, "functions.Heal", err,
			"the patch that made %s/%s version %d can't be applied again: %s", p.version.Type, p.version.ID,
			p.version.Number, events.TextOf(err))
	}
	if hash != p.version.Hash {
		return nil, otherHash(p.version)
	}
	return after, nil
}
