package project

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// patchedAtOnce is how many contents are fetched at once to be patched: they may be large, and what is made of them is
// in memory until it is committed.
const patchedAtOnce = 32

// patch makes what a patch asks for: the content that it makes of the version before is what the change writes from
// then on. Once the targets of its links are known it is made anew. Conditions of the same event are decided on the
// first, as they are on other contents whose links are not resolved yet.
func (e *decidingEvent) patch(n int, w *work) error {
	switch {
	case w.before.Number == 0:
		return refuse(events.NotFound, n, w, inURL, "%s is not known, so there is nothing to patch", w.name())
	case w.before.Deleted:
		return refuse(events.Gone, n, w, inURL, "%s was deleted with version %d, so there is nothing to patch", w.name(),
			w.before.Number)
	}
	content, err := e.patchable(w)
	if err != nil {
		return err
	}
	if content == nil {
		return &poisoned{e.item, "the content of " + w.name() + ", which it patches, is lost"}
	}
	change := w.Change
	if w.targets == nil && len(w.Links) > 0 {
		unresolved := *w.Change
		unresolved.Links = nil
		change = &unresolved
	}
	after, hash, err := functions.Patched(w.item.dialect, change, w.targets, w.before, content)
	if err != nil {
		return refusePatch(n, w, err)
	}
	read, err := w.item.dialect.Prepare(&events.Change{Operation: events.Update, Type: w.Type, ID: w.key.ID,
		Content: after, Entry: w.Entry})
	if err != nil {
		return refuse(events.Unprocessable, n, w, inResource, "the patch would make of %s what can't be stored: %s", w.name(),
			events.TextOf(err))
	}
	w.giveBack()
	w.content, w.hash, w.sealed = after, hash, true
	w.read, w.patchedSame = read, !read.Exact && w.item.dialect.Same(content, after)
	w.mentions = read.Content.Mentions(e.item.event.Tenant, nil)
	e.patchedBytes += len(after)
	return nil
}

// refusePatch is the refusal of a patch that can't be applied. An error of another kind is one of this program's.
func refusePatch(n int, w *work, err error) error {
	kind := events.KindOf(err)
	switch kind {
	case events.Invalid, events.Unprocessable, events.TooLarge, events.TooCostly:
	default:
		return &poisoned{w.item, "applying its patch: " + err.Error()}
	}
	refusal := refuse(kind, n, w, inResource, "the patch of %s: %s", w.name(), events.TextOf(err))
	var r *refused
	var told *events.Error
	if errors.As(refusal, &r) && errors.As(err, &told) && told.Expression != "" { // a place in the patch document
		if r.Expression = told.Expression; w.Entry >= 0 {
			_, below, _ := strings.Cut(told.Expression, ".")
			r.Expression = fmt.Sprintf("Bundle.entry[%d].%s.%s", w.Entry, inResource, below)
		}
	}
	return refusal
}

// patchable returns the content that a patch follows; nil is content that nobody can bring back.
func (e *decidingEvent) patchable(w *work) ([]byte, error) {
	if earlier := e.earlier(w.key); earlier != nil {
		err := earlier.work.seal()
		return earlier.work.content, err
	}
	if e.blobs[w.before.Hash] == nil {
		if err := e.fetchPatchable(e.ctx, w.before.Hash); err != nil {
			return nil, err
		}
	}
	return e.line.contentOf(e.ctx, w.before, e.blobs)
}

// fetchPatchable fetches a content that is to be patched, and those of the patches that follow in the chunk, in place
// of those that were fetched before.
func (d *deciding) fetchPatchable(ctx context.Context, hash events.Hash) error {
	if d.unread != nil {
		d.patches, d.unread = patchesOf(d.unread), nil
	}
	for _, h := range d.fetchedPatchable {
		delete(d.blobs, h)
	}
	d.fetchedPatchable = append(d.fetchedPatchable[:0], hash)
	for len(d.patches) > 0 && len(d.fetchedPatchable) < patchedAtOnce {
		version := d.line.fetched[d.patches[0]]
		d.patches = d.patches[1:]
		if _, have := d.blobs[version.Hash]; version.Alive() && !have && version.Hash != hash {
			d.fetchedPatchable = append(d.fetchedPatchable, version.Hash)
		}
	}
	contents, err := d.line.blobs.Get(ctx, d.fetchedPatchable)
	if err != nil {
		return err
	}
	for n, h := range d.fetchedPatchable {
		d.blobs[h] = contents[n]
	}
	return nil
}

// patchesOf are the resources that a chunk patches by their ids, in its order.
func patchesOf(items []*item) (keys []projections.Key) {
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, w := range i.works {
			if w.Operation == events.Patch && w.ID != "" {
				keys = append(keys, projections.Key{Tenant: i.event.Tenant, Type: w.Type, ID: w.ID})
			}
		}
	}
	return keys
}
