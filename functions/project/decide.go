package project

import (
	"context"
	"errors"
	"slices"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// deciding decides the events of one chunk in log order, against what is committed and what it has decided before.
type deciding struct {
	line    *Line
	ctx     context.Context //nolint:containedctx // of one chunk; deciding lives no longer
	state   projections.State
	chunk   *overlay
	commit  projections.Commit
	rows    []*work          // the work of each row of commit; nil: a deletion beside what a change names
	told    []events.Outcome // outcomes of repetitions: known earlier, asked for again
	seen    map[string]bool  // events of the chunk
	blobs   map[events.Hash][]byte
	results []pendingResult
	claimed map[projections.ClaimName]projections.Claim // on keys of the chunk, before it
	claims  map[projections.ClaimName]projections.Claim // that the chunk makes

	unread           []*item           // whose patches are not in patches yet; nil: all are
	patches          []projections.Key // that may be looked for, in the order of the chunk
	fetchedPatchable []events.Hash     // contents in blobs that were fetched for patches
	patchedBytes     int               // of what patches have made

	removed int // resources that deletes took beside those that they name
}

// newDeciding begins to decide a chunk on what was gathered for it.
func newDeciding(
	ctx context.Context, l *Line, contents map[events.Hash][]byte, claimed map[projections.ClaimName]projections.Claim,
) *deciding {
	return &deciding{line: l, ctx: ctx, state: l.state, chunk: newOverlay(false), seen: make(map[string]bool),
		blobs:   contents,
		claimed: claimed, claims: make(map[projections.ClaimName]projections.Claim)}
}

// pendingResult is a result whose hash is known when its work is sealed.
type pendingResult struct {
	outcome, result int
	work            *work
}

// decide decides items, and tells how many: all, or fewer when patches or deletes have made of little what is a commit
// of its own.
// A *poisoned error names the one to leave out; any other error is a failure of a store.
func (d *deciding) decide(items []*item) (decided int, err error) {
	d.unread = items
	for n, i := range items {
		if d.patchedBytes > chunkBytes || d.removed > chunkChanges {
			return n, nil
		}
		d.state.Time = functions.Later(d.state.Time, i.raw.Time)
		if i.poison != "" {
			d.commit.Quarantined = append(d.commit.Quarantined,
				projections.Quarantined{Record: i.raw, Reason: i.poison})
		}
		if i.event.ID == "" || d.seen[i.event.ID] {
			continue
		}
		d.seen[i.event.ID] = true
		if i.known != nil {
			d.told = append(d.told, *i.known)
			continue
		}
		if err := d.event(i); err != nil {
			return 0, err
		}
	}
	return len(items), nil
}

// event decides one event and writes down its outcome.
func (d *deciding) event(i *item) error {
	outcome := events.Outcome{EventID: i.event.ID, Tenant: i.event.Tenant, Position: i.raw.Position, Time: d.state.Time}
	if i.poison != "" {
		outcome.Refusal = &events.Refusal{Kind: events.Internal,
			Text: "the record at " + i.raw.Position.String() + " could not be projected and is in quarantine"}
		d.commit.Outcomes = append(d.commit.Outcomes, outcome)
		return nil
	}
	one := &decidingEvent{deciding: d, item: i, layer: newOverlay(true)}
	var first string
	var err error
	if i.event.Settles != nil {
		err = d.open(d.ctx, i.event.Settles)
	}
	if err == nil {
		first, err = d.repeats(&i.event)
	}
	if err == nil && first == "" {
		err = i.guard("deciding it", one.decide)
	}
	var no *refused
	switch {
	case errors.As(err, &no):
		outcome.Refusal = &no.Refusal
	case err != nil:
		return err
	case first != "":
		outcome.Repeats = first
	default:
		outcome.Results = one.accept(len(d.commit.Outcomes))
	}
	if outcome.Refusal == nil {
		d.settled(i)
	}
	d.commit.Outcomes = append(d.commit.Outcomes, outcome)
	return nil
}

// decidingEvent decides the changes of one event: all of them, or a refusal.
type decidingEvent struct {
	*deciding
	item  *item
	layer *overlay
	bytes int // of the decision, at the most, as far as it is counted

	matched map[projections.Key]int // the entries that a condition has found and that stay as they are; nil: not known
	asked   bool                    // who refers to what the event deletes
}

func (e *decidingEvent) decide() error {
	for _, step := range [...]func(n int, w *work) error{e.identify, e.widen, e.untouched, e.link, e.recordable,
		e.integrity, e.unreferenced, e.compare, e.tell, e.versioned} {
		for n, w := range e.item.works {
			if err := step(n, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// widen has a delete take what refers to what it deletes, where it may.
func (e *decidingEvent) widen(n int, w *work) error {
	if w.Cascade == 0 || w.disposition != events.Deleted {
		return nil
	}
	return e.cascade(n, w)
}

// manyResults is from how many changes on an event's memory is taken at once.
const manyResults = 1_000

// accept turns what was decided into rows and returns the results.
func (e *decidingEvent) accept(outcome int) []events.Result {
	results := make([]events.Result, len(e.item.works))
	if len(results) > manyResults { // growing would take twice the memory of a large transaction
		e.commit.Rows, e.rows = slices.Grow(e.commit.Rows, len(results)), slices.Grow(e.rows, len(results))
		e.results = slices.Grow(e.results, len(results))
	}
	for n, w := range e.item.works {
		current := e.layer.entries[w.key]
		switch {
		case w.writes():
			e.row(w, current, w.before)
		case current == nil:
			if current = e.chunk.entries[w.key]; current == nil {
				current = &entry{version: w.before}
			}
		}
		version := current.version
		results[n] = events.Result{Disposition: w.disposition, Type: w.Type, ID: w.key.ID, Version: version.Number,
			Hash: version.Hash, Time: version.Time, Links: w.targets, Removed: w.told()}
		if current.work != nil && !version.Deleted {
			e.results = append(e.results, pendingResult{outcome, n, current.work})
		}
		e.removed += len(w.removed)
		for i := range w.removed {
			e.row(nil, e.layer.entries[w.removed[i].key], w.removed[i].before)
		}
	}
	return results
}

// row makes the row of an entry, which becomes what the chunk has of its resource.
func (e *decidingEvent) row(w *work, of *entry, before projections.Version) {
	of.version.Sid = e.state.NextSid
	e.state.NextSid++
	e.commit.Rows = append(e.commit.Rows, projections.Row{Version: of.version, Supersedes: before.Sid,
		Revives: before.Deleted, MainDate: projections.MinTime})
	e.rows = append(e.rows, w)
	e.chunk.put(of)
}

// held returns the claim on a name at this place of the log; false when it is free.
func (d *deciding) held(name projections.ClaimName) (projections.Claim, bool) {
	claim, decided := d.claims[name]
	if !decided {
		claim = d.claimed[name]
	}
	return claim, claim.EventID != "" && d.state.Time.Before(claim.Until)
}

// repeats holds an event against the claims on its idempotency key, in the order of the log and in its time. It returns
// the ID of the event that it repeats, or "" and claims the key; the refusal of a key that stands for another request
// is an error.
func (d *deciding) repeats(event *events.Event) (string, error) {
	if event.Repeat == (events.Repeat{}) {
		return "", nil
	}
	key, taken := d.held(functions.ClaimName(event, 0))
	if taken && key.Request != event.Repeat.Request {
		return "", &refused{*functions.Reused(event.IdempotencyKey)}
	}
	claims := functions.ClaimsOf(event, d.state)
	if event.Repeat.Part > 0 {
		part, again := d.held(functions.ClaimName(event, event.Repeat.Part))
		if again && part.Request == event.Repeat.Request {
			return part.EventID, nil
		}
		if taken && len(claims) > 0 { // by another entry of the same batch, for all of them
			claims = claims[1:]
		}
	} else if taken {
		return key.EventID, nil
	}
	for _, claim := range claims {
		d.claims[claim.ClaimName] = claim
	}
	return "", nil
}

// open holds that the record that an event settles is in quarantine, and that nobody has handled it before, in the
// order of the log.
func (d *deciding) open(ctx context.Context, s *events.Settling) error {
	no := func(text string) error {
		return &refused{events.Refusal{Kind: events.Conflict,
			Text: "the record at " + s.Position.String() + " " + text}}
	}
	if s.Position.Partition != d.line.partition {
		return no("lies in another partition than the event that is to settle it")
	}
	for i := range d.commit.Settled {
		if d.commit.Settled[i].Of == s.Position {
			return no("was handled at " + d.commit.Settled[i].By.String())
		}
	}
	for i := range d.commit.Quarantined {
		if d.commit.Quarantined[i].Record.Position == s.Position {
			return nil
		}
	}
	found, err := d.line.index.Quarantine(ctx, events.Position{Partition: s.Position.Partition,
		Offset: s.Position.Offset - 1}, 1)
	switch {
	case err != nil:
		return err
	case len(found) == 0 || found[0].Record.Position != s.Position:
		return no("is not in quarantine")
	case found[0].Settled != nil:
		return no("was handled at " + found[0].Settled.By.String())
	}
	return nil
}

// settled notes what an accepted event has decided about a record in quarantine.
func (d *deciding) settled(i *item) {
	if s := i.event.Settles; s != nil {
		d.commit.Settled = append(d.commit.Settled, projections.Settled{Of: s.Position, By: i.raw.Position,
			Time: d.state.Time, Discard: s.Discard, Reason: s.Reason})
	}
}

// finish makes what does not depend on the order, on all cores: final contents, hashes and terms of the rows.
func (d *deciding) finish() error {
	large := len(d.rows) > largeRows
	d.commit.Spend = large
	if err := functions.Parallel(d.ctx, len(d.rows), func(n int) error {
		row, w := &d.commit.Rows[n], d.rows[n]
		if row.Deleted {
			return nil
		}
		if err := w.extract(); err != nil {
			return err
		}
		row.Hash, row.Terms, row.MainDate = w.hash, w.terms, w.mainDate
		if large {
			w.spend()
		}
		return nil
	}); err != nil {
		return err
	}
	for _, p := range d.results {
		if err := p.work.seal(); err != nil {
			return err
		}
		d.commit.Outcomes[p.outcome].Results[p.result].Hash = p.work.hash
	}
	digest, err := functions.Rolled(d.ctx, d.state.Digest, d.commit.Rows)
	d.state.Digest, d.commit.Digest = digest, digest
	return err
}

// newBlobs returns the contents of the rows, each once.
func (d *deciding) newBlobs() []projections.Blob {
	blobs := make([]projections.Blob, 0, len(d.rows))
	seen := make(map[events.Hash]bool, len(d.rows))
	for n, w := range d.rows {
		if !d.commit.Rows[n].Deleted && !seen[w.hash] {
			seen[w.hash] = true
			blobs = append(blobs, projections.Blob{Hash: w.hash, Content: w.content})
		}
	}
	return blobs
}
