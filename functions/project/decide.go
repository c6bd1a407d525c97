package project

import (
	"context"
	"errors"
	"fmt"
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
	rows    []*work          // the work of each row of commit, nil for a deletion
	told    []events.Outcome // outcomes of repetitions: known earlier, asked for again
	seen    map[string]bool  // events of the chunk
	blobs   map[events.Hash][]byte
	results []pendingResult
	claimed map[projections.ClaimName]projections.Claim // on keys of the chunk, before it
	claims  map[projections.ClaimName]projections.Claim // that the chunk makes
}

// pendingResult is a result whose hash is known when its work is sealed.
type pendingResult struct {
	outcome, result int
	work            *work
}

// refused ends the deciding of one event; it is no failure of the chunk.
type refused struct{ events.Refusal }

func (r *refused) Error() string { return r.Text }

// refuse makes the refusal of a change.
func refuse(kind events.Kind, change int, w *work, format string, args ...any) error {
	r := &refused{events.Refusal{Kind: kind, Change: change, Text: fmt.Sprintf(format, args...)}}
	if w.Entry >= 0 {
		r.Expression = fmt.Sprintf("Bundle.entry[%d]", w.Entry)
	}
	return r
}

// decide decides all items. A *poisoned error names the one to leave out; any other error is a failure of a store.
func (d *deciding) decide(items []*item) error {
	for _, i := range items {
		d.state.Time = functions.Later(d.state.Time, i.raw.Time)
		if i.poison != "" {
			d.commit.Quarantined = append(d.commit.Quarantined, projections.Quarantined{Record: i.raw, Reason: i.poison})
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
			return err
		}
	}
	return nil
}

// event decides one event and writes down its outcome.
func (d *deciding) event(i *item) error {
	outcome := events.Outcome{EventID: i.event.ID, Tenant: i.event.Tenant, Position: i.raw.Position, Time: d.state.Time}
	if i.poison != "" {
		outcome.Refusal = &events.Refusal{Kind: events.Internal, Text: "the record at " + i.raw.Position.String() + " could not be projected and is in quarantine"}
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
}

func (e *decidingEvent) decide() error {
	for _, step := range [...]func(n int, w *work) error{e.identify, e.untouched, e.link, e.recordable, e.integrity, e.unreferenced, e.compare, e.versioned} {
		for n, w := range e.item.works {
			if err := step(n, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// current returns the version of a resource that is current at this moment of the event.
func (e *decidingEvent) current(key projections.Key) (*entry, error) {
	if have := e.layer.entries[key]; have != nil {
		return have, nil
	}
	return e.committed(key)
}

// committed returns the version of a resource that is current before the event.
func (d *deciding) committed(key projections.Key) (*entry, error) {
	if have := d.earlier(key); have != nil {
		return have, nil
	}
	version, err := d.line.currentOf(d.ctx, key)
	return &entry{version: version}, err
}

// earlier returns the entry that a resource has in the chunk, or in the one in flight; nil: none.
func (d *deciding) earlier(key projections.Key) *entry {
	if have := d.chunk.entries[key]; have != nil {
		return have
	}
	return d.line.uncommitted(key)
}

// identify finds the resource that a change means and holds its preconditions.
func (e *decidingEvent) identify(n int, w *work) error {
	id, matched := w.ID, false
	if w.Condition != "" {
		match, err := e.condition(n, w)
		if err != nil {
			return err
		}
		switch {
		case match != nil && w.Operation == events.Create:
			w.key, w.before, w.disposition = match.version.Key, match.version, events.Matched
			if e.layer.entries[w.key] == match {
				w.before = match.work.before
			}
			return nil
		case match != nil:
			if named := w.read.ID; named != "" && named != match.version.ID {
				return refuse(events.Invalid, n, w, "the condition %q matches %s/%s, but the resource has the id %q; leave the id out or make it the same",
					w.Condition, w.Type, match.version.ID, named)
			}
			id, matched = match.version.ID, true
		case w.Operation == events.Delete:
			w.disposition = events.NoEffect
			return e.preconditions(n, w, projections.Version{})
		}
	}
	w.key = projections.Key{Tenant: e.item.event.Tenant, Type: w.Type, ID: id}
	if e.layer.entries[w.key] != nil {
		return refuse(events.Invalid, n, w, "%s/%s is changed by another entry of the same transaction; a resource may stand in a transaction once", w.Type, id)
	}
	current, err := e.committed(w.key)
	if err != nil {
		return err
	}
	w.before = current.version
	if err := e.preconditions(n, w, w.before); err != nil {
		return err
	}
	alive := isAlive(w.before)
	switch {
	case w.Operation == events.Delete && alive:
		w.disposition = events.Deleted
	case w.Operation == events.Delete:
		w.disposition = events.NoEffect
		return nil
	case alive && w.Operation == events.Create:
		return refuse(events.Conflict, n, w, "%s/%s exists already, under the id that was chosen for the new resource; send the request again", w.Type, id)
	case alive && w.Condition != "" && !matched:
		return refuse(events.Conflict, n, w, "nothing matches the condition %q, and the id %q of the resource is taken by one that does not match", w.Condition, id)
	case alive:
		w.disposition = events.Updated
	default:
		w.disposition = events.Created
	}
	e.layer.put(&entry{work: w, version: projections.Version{Key: w.key, Number: w.before.Number + 1, Position: e.item.raw.Position, Change: n,
		Time: e.state.Time, Deleted: w.Operation == events.Delete, Posted: w.Operation == events.Create}})
	return nil
}

func isAlive(v projections.Version) bool { return v.Number > 0 && !v.Deleted }

// preconditions holds If-Match and If-None-Match: * against the version that is current before the event.
func (e *decidingEvent) preconditions(n int, w *work, before projections.Version) error {
	alive := isAlive(before)
	switch {
	case w.IfMatch != 0 && !alive:
		return refuse(events.Precondition, n, w, "If-Match holds only for a %s that is there, and there is none", w.name())
	case w.IfMatch > 0 && w.IfMatch != before.Number && !slices.Contains(w.IfMatchOr, before.Number):
		return refuse(events.Precondition, n, w, "If-Match names version %d of %s, but version %d is current; read it and try again", w.IfMatch, w.name(), before.Number)
	case w.IfNoneMatch && alive:
		return refuse(events.Precondition, n, w, "If-None-Match: * holds only when nothing is there, but version %d of %s is", before.Number, w.name())
	}
	return nil
}

// name names the resource meant as far as it is known.
func (w *work) name() string {
	if w.key.ID == "" {
		return w.Type + "?" + w.Condition
	}
	return w.Type + "/" + w.key.ID
}

// condition finds the one resource that a change's condition matches; nil when there is none.
func (e *decidingEvent) condition(n int, w *work) (*entry, error) {
	query, err := e.item.dialect.Condition(e.item.event.Tenant, w.Type, w.Condition)
	if events.KindOf(err) == events.TooCostly {
		return nil, refuse(events.TooCostly, n, w, "%s", events.TextOf(err))
	} else if err != nil {
		return nil, refuse(events.Invalid, n, w, "the condition %q: %s", w.Condition, events.TextOf(err))
	}
	matches, err := e.search(query, w.Condition)
	if err != nil {
		return nil, err
	}
	switch len(matches) {
	case 0:
		return nil, nil
	case 1:
		return matches[0], nil
	}
	// Which of them were found first depends on the batches, and an outcome must not.
	return nil, refuse(events.Ambiguous, n, w, "the condition %s?%s matches several resources; make it select one", w.Type, w.Condition)
}

// link finds what the links of a change lead to.
func (e *decidingEvent) link(n int, w *work) error {
	if len(w.Links) == 0 || !w.writes() {
		return nil
	}
	w.targets = make([]string, len(w.Links))
	for i, link := range w.Links {
		if link.Change >= 0 {
			other := e.item.works[link.Change]
			if other.key.ID == "" || other.Operation == events.Delete {
				return refuse(events.Invalid, n, w, "a reference leads to entry %d of the transaction, which is deleted", other.Entry)
			}
			w.targets[i] = other.key.Type + "/" + other.key.ID
			continue
		}
		query, err := e.item.dialect.Condition(e.item.event.Tenant, link.Type, link.Query)
		if err != nil { // of kind Invalid or TooCostly
			return refuse(events.KindOf(err), n, w, "the conditional reference %s?%s: %s", link.Type, link.Query, events.TextOf(err))
		}
		matches, err := e.search(query, link.Query)
		if err != nil {
			return err
		}
		if len(matches) != 1 {
			kind, count := events.Precondition, "no resource"
			if len(matches) > 1 {
				kind, count = events.Ambiguous, "several resources"
			}
			return refuse(kind, n, w, "the conditional reference %s?%s matches %s; it must match one", link.Type, link.Query, count)
		}
		w.targets[i] = link.Type + "/" + matches[0].version.ID
	}
	return nil
}

// recordable holds that the decision fits the feed, with all that the references became: one that doesn't would hold up every later one.
func (e *decidingEvent) recordable(n int, w *work) error {
	result := events.Result{Type: w.Type, ID: w.key.ID, Links: w.targets}
	if e.bytes += result.MostBytes(); e.bytes > e.line.decisionBytes {
		return refuse(events.TooLarge, n, w, "what is to be recorded of this transaction takes more than the %d bytes allowed, with its first %d entries; "+
			"send it as several smaller ones, or with fewer conditional references and references between entries", e.line.decisionBytes, n+1)
	}
	return nil
}

// compare takes back an update that changes nothing.
func (e *decidingEvent) compare(_ int, w *work) error {
	if w.disposition != events.Updated {
		return nil
	}
	if err := w.seal(); err != nil {
		return err
	}
	hash := w.before.Hash
	if earlier := e.earlier(w.key); earlier != nil {
		if err := earlier.work.seal(); err != nil {
			return err
		}
		hash = earlier.work.hash
	}
	same := hash == w.hash
	if !same && !w.read.Exact {
		content, err := e.contentBefore(w)
		if err != nil {
			return err
		}
		same = e.item.dialect.Same(content, w.content)
	}
	if same {
		w.disposition = events.Unchanged
		e.layer.remove(w.key)
	}
	return nil
}

// contentBefore returns the content of the version that an update follows; nil is content that nobody can bring back.
func (e *decidingEvent) contentBefore(w *work) ([]byte, error) {
	if earlier := e.earlier(w.key); earlier != nil {
		err := earlier.work.seal()
		return earlier.work.content, err
	}
	return e.line.contentOf(e.ctx, w.before, e.blobs)
}

// accept turns what was decided into rows and returns the results.
func (e *decidingEvent) accept(outcome int) []events.Result {
	results := make([]events.Result, len(e.item.works))
	for n, w := range e.item.works {
		current := e.layer.entries[w.key]
		switch {
		case w.writes():
			current.version.Sid = e.state.NextSid
			e.state.NextSid++
			e.commit.Rows = append(e.commit.Rows, projections.Row{Version: current.version, Supersedes: w.before.Sid, MainDate: projections.MinTime})
			e.rows = append(e.rows, w)
			e.chunk.put(current)
		case current == nil:
			if current = e.chunk.entries[w.key]; current == nil {
				current = &entry{version: w.before}
			}
		}
		version := current.version
		results[n] = events.Result{Disposition: w.disposition, Type: w.Type, ID: w.key.ID, Version: version.Number, Hash: version.Hash, Time: version.Time, Links: w.targets}
		if current.work != nil && !version.Deleted {
			e.results = append(e.results, pendingResult{outcome, n, current.work})
		}
	}
	return results
}
