package functions

import (
	"context"

	"binnacle/events"
	"binnacle/projections"
)

// Bounds of Heal.
const (
	healMatches  = 20     // matches of a conditional reference that are tried
	healAttempts = 10_000 // combinations of them that are tried
)

// OutcomeReader tells what became of events; every index is one.
type OutcomeReader interface {
	// Outcomes returns the outcome of each event, in their order; nil for one that is not decided.
	Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error)
}

// HealIndex is the part of an index that Heal uses.
type HealIndex interface {
	OutcomeReader
	Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error)
	Search(ctx context.Context, query projections.Query) (projections.Page, error)
	Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error)
}

// Heal makes the content of a version again from the log, when the blob store has lost it (ADR 4).
type Heal struct {
	Log      events.Log
	Index    HealIndex
	Blobs    projections.Blobs // gets the content back; nil: nothing is put back
	Dialects *projections.Dialects
}

// Handle returns the exact content of a version, whose SHA-256 is the version's hash, and puts it back into the blob
// store. What the projector resolved in it stands in the event's outcome. Where it doesn't (an outcome of before
// links were recorded, one that was damaged) it is found again: what other changes of the event became stands there
// too, and what a conditional reference matched is searched for as of then, or among today's matches. The hash tells
// which is right.
//
// Kind NotFound: the log has no such record (any more), or what the references led to cannot be found; a rebuild
// makes everything anew. Kind Unsupported: the content has references of a dialect that this program does not know.
func (h *Heal) Handle(ctx context.Context, version projections.Version) ([]byte, error) {
	content, err := h.again(ctx, version)
	if err != nil {
		return nil, err
	}
	return content, h.keep(ctx, version, content)
}

// keep puts a content back into the store, which owns what it is given: the caller's stays the caller's.
func (h *Heal) keep(ctx context.Context, version projections.Version, content []byte) error {
	if h.Blobs == nil {
		return nil
	}
	return h.Blobs.Put(ctx, []projections.Blob{{Hash: version.Hash, Content: append([]byte(nil), content...)}})
}

// change reads the change that made a version.
func (h *Heal) change(ctx context.Context, version projections.Version) (*events.Event, *events.Change, error) {
	event, err := h.event(ctx, version.Position)
	if err != nil {
		return nil, nil, err
	}
	if version.Deleted || version.Change >= len(event.Changes) {
		return nil, nil, events.Errorf(events.NotFound, "functions.Heal",
			"%s/%s version %d has no content in the record at %v",
			version.Type, version.ID, version.Number, version.Position)
	}
	return &event, &event.Changes[version.Change], nil
}

// asked is the content of a version that stands in its record.
func (h *Heal) asked(ctx context.Context, version projections.Version, event *events.Event, change *events.Change) (
	[]byte, error) {
	if len(change.Links) > 0 {
		return h.resolved(ctx, version, event, change)
	}
	content, hash, err := FinalContent(nil, change, nil)
	if err == nil && hash != version.Hash {
		err = otherHash(version)
	}
	return content, err
}

func otherHash(version projections.Version) error {
	return events.Errorf(events.NotFound, "functions.Heal",
		"the record at %v does not give the content of %s/%s version %d: its hash is another",
		version.Position, version.Type, version.ID, version.Number)
}

// results are what became of the changes of the event that made a version.
func (h *Heal) results(ctx context.Context, version projections.Version, event *events.Event) ([]events.Result, error) {
	outcomes, err := h.Index.Outcomes(ctx, []string{event.ID})
	if err != nil {
		return nil, err
	}
	if outcomes[0] == nil || len(outcomes[0].Results) != len(event.Changes) {
		return nil, events.Errorf(events.NotFound, "functions.Heal", "the outcome of the event at %v is not known",
			version.Position)
	}
	return outcomes[0].Results, nil
}

// event reads the record at a position.
func (h *Heal) event(ctx context.Context, position events.Position) (events.Event, error) {
	var found *events.Record
	err := h.Log.Replay(ctx, position, position.Offset+1, func(records []events.RawRecord) error {
		for _, raw := range records {
			record, err := events.Decode(raw)
			if err != nil {
				return err
			}
			found = &record
		}
		return nil
	})
	if err != nil {
		return events.Event{}, err
	}
	if found == nil {
		return events.Event{}, events.Errorf(events.NotFound, "functions.Heal", "the log holds no record at %v",
			position)
	}
	return found.Event, nil
}

// resolved gives the content with the targets of its links: those that are recorded, else those that are found by
// trying. The hash tells the right ones.
func (h *Heal) resolved(ctx context.Context, version projections.Version, event *events.Event,
	change *events.Change) ([]byte, error) {
	results, err := h.results(ctx, version, event)
	if err != nil {
		return nil, err
	}
	dialect, err := h.Dialects.Of(event)
	if err != nil {
		return nil, err
	}
	if content, hash, err := FinalContent(dialect, change, results[version.Change].Links); err == nil &&
		hash == version.Hash {
		return content, nil
	}
	snapshot := version.Sid // of the last version of the event: conditional references see all of it
	for i := range results[version.Change+1:] {
		snapshot += int64(results[version.Change+1+i].Versions())
	}
	for _, at := range []int64{snapshot, 0} {
		t := trial{results: results, places: make(map[query]int)}
		for _, link := range change.Links {
			if link.Change < 0 {
				if err := h.candidates(ctx, dialect, &t, event.Tenant, query{link.Type, link.Query}, at); err != nil {
					return nil, err
				}
			}
		}
		if content := t.run(dialect, change, version.Hash); content != nil {
			return content, nil
		}
	}
	return nil, events.Errorf(events.NotFound, "functions.Heal",
		"what the conditional references of %s/%s version %d led to cannot be found any more; "+
			"a rebuild makes it anew", version.Type, version.ID, version.Number)
}

// query is a conditional reference.
type query struct{ name, text string }

// trial is a search for the targets of links.
type trial struct {
	results []events.Result
	places  map[query]int // of each query in matches
	matches [][]string    // the ids that may be meant
}

// candidates adds the ids that a query may have meant, as of a snapshot.
func (h *Heal) candidates(ctx context.Context, dialect projections.Dialect, t *trial, tenant string, q query,
	snapshot int64) error {
	if _, have := t.places[q]; have {
		return nil
	}
	search, err := dialect.Condition(tenant, q.name, q.text)
	if err != nil && events.KindOf(err) != events.TooCostly { // nobody waits for it here
		return events.Wrap(events.NotFound, "functions.Heal", err,
			"the conditional reference %s?%s cannot be searched for", q.name, q.text)
	}
	search.Total, search.Limit, search.Snapshot = projections.TotalNone, healMatches, snapshot
	page, err := h.Index.Search(ctx, search)
	if err != nil {
		return err
	}
	ids := make([]string, len(page.Versions))
	for i, v := range page.Versions {
		ids[i] = v.ID
	}
	t.places[q] = len(t.matches)
	t.matches = append(t.matches, ids)
	return nil
}

// run tries the combinations of matches until the content has the hash; nil when none gives it.
func (t *trial) run(dialect projections.Dialect, change *events.Change, wanted events.Hash) []byte {
	chosen := make([]int, len(t.matches))
	for _, ids := range t.matches {
		if len(ids) == 0 {
			return nil
		}
	}
	targets := make([]string, len(change.Links))
	for range healAttempts {
		for i, link := range change.Links {
			if link.Version {
				targets[i] = VersionsTold(&t.results[link.Change])
				continue
			}
			if link.Change >= 0 {
				targets[i] = t.results[link.Change].Type + "/" + t.results[link.Change].ID
				continue
			}
			place := t.places[query{link.Type, link.Query}]
			targets[i] = link.Type + "/" + t.matches[place][chosen[place]]
		}
		if content, hash, err := FinalContent(dialect, change, targets); err == nil && hash == wanted {
			return content
		}
		digit := 0
		for ; digit < len(chosen); digit++ {
			if chosen[digit]++; chosen[digit] < len(t.matches[digit]) {
				break
			}
			chosen[digit] = 0
		}
		if digit == len(chosen) {
			return nil
		}
	}
	return nil
}
