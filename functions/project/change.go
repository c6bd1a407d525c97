package project

import (
	"slices"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// identify finds the resource that a change means and holds its preconditions.
func (e *decidingEvent) identify(n int, w *work) error {
	id, matched := w.ID, false
	if w.Many > 0 {
		return e.many(n, w)
	}
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
				return refuse(events.Invalid, n, w, inContent(w.Type+".id"), "the condition %q matches %s/%s, but the resource has the id %q; "+
					"leave the id out or make it the same",
					w.Condition, w.Type, match.version.ID, named)
			}
			id, matched = match.version.ID, true
		case w.Operation == events.Delete:
			w.disposition = events.NoEffect
			return e.preconditions(n, w, projections.Version{})
		case w.Operation == events.Patch:
			return refuse(events.NotFound, n, w, inURL, "nothing matches the condition %q, so there is no %s to patch",
				w.Condition, w.Type)
		}
	}
	w.key = projections.Key{Tenant: e.item.event.Tenant, Type: w.Type, ID: id}
	if e.layer.entries[w.key] != nil {
		return refuse(events.Invalid, n, w, inURL, "%s/%s is changed by another entry of the same transaction; a resource "+
			"may stand in a transaction once", w.Type, id)
	}
	current, err := e.committed(w.key)
	if err != nil {
		return err
	}
	w.before = current.version
	if err := e.preconditions(n, w, w.before); err != nil {
		return err
	}
	alive := w.before.Alive()
	switch {
	case w.Operation == events.Delete && alive:
		w.disposition = events.Deleted
	case w.Operation == events.Delete:
		w.disposition = events.NoEffect
		return nil
	case w.Operation == events.Patch:
		if err := e.patch(n, w); err != nil {
			return err
		}
		w.disposition = events.Updated
	case alive && w.Operation == events.Create:
		return refuse(events.Conflict, n, w, inURL, "%s/%s exists already, under the id that was chosen for the new "+
			"resource; send the request again", w.Type, id)
	case alive && w.Condition != "" && !matched:
		return refuse(events.Conflict, n, w, inContent(w.Type+".id"), "nothing matches the condition %q, and the id %q of the resource is "+
			"taken by one that does not match", w.Condition, id)
	case alive:
		w.disposition = events.Updated
	default:
		w.disposition = events.Created
	}
	e.layer.put(&entry{work: w, version: projections.Version{Key: w.key, Number: w.before.Number + 1,
		Position: e.item.raw.Position, Change: n,
		Time: e.state.Time, Deleted: w.Operation == events.Delete, Posted: w.Operation == events.Create,
		Patched: w.Operation == events.Patch}})
	return nil
}

// preconditions holds If-Match and If-None-Match: * against the version that is current before the event.
func (e *decidingEvent) preconditions(n int, w *work, before projections.Version) error {
	alive := before.Alive()
	switch {
	case w.IfMatch != 0 && !alive:
		return refuse(events.Precondition, n, w, inIfMatch, "If-Match holds only for a %s that is there, and there is none",
			w.name())
	case w.IfMatch > 0 && w.IfMatch != before.Number && !slices.Contains(w.IfMatchOr, before.Number):
		return refuse(events.Precondition, n, w, inIfMatch, "If-Match names version %d of %s, but version %d is current; read "+
			"it and try again", w.IfMatch, w.name(), before.Number)
	case w.IfNoneMatch && alive:
		return refuse(events.Precondition, n, w, inIfNoneMatch, "If-None-Match: * holds only when nothing is there, but version %d "+
			"of %s is", before.Number, w.name())
	}
	return nil
}

// name names the resource meant as far as it is known.
func (w *work) name() string {
	switch {
	case w.key.ID != "":
		return w.Type + "/" + w.key.ID
	case w.Condition == "":
		return w.Type
	}
	return w.Type + "?" + w.Condition
}

// query reads the condition of a change.
func (e *decidingEvent) query(n int, w *work) (projections.Query, error) {
	query, err := e.item.dialect.Condition(e.item.event.Tenant, w.Type, w.Condition)
	if events.KindOf(err) == events.TooCostly {
		return query, refuse(events.TooCostly, n, w, ofCondition(w), "%s", events.TextOf(err))
	} else if err != nil {
		return query, refuse(events.Invalid, n, w, ofCondition(w), "the condition %q: %s", w.Condition, events.TextOf(err))
	}
	return query, nil
}

// condition finds the one resource that a change's condition matches; nil when there is none.
func (e *decidingEvent) condition(n int, w *work) (*entry, error) {
	query, err := e.query(n, w)
	if err != nil {
		return nil, err
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
	return nil, refuse(events.Ambiguous, n, w, ofCondition(w), "the condition %s?%s matches several resources; make it select one",
		w.Type, w.Condition)
}

// link finds what the links of a change lead to.
func (e *decidingEvent) link(n int, w *work) error {
	if len(w.Links) == 0 || !w.writes() {
		return nil
	}
	w.targets = make([]string, len(w.Links))
	for i, link := range w.Links {
		if link.Version { // tell writes them
			continue
		}
		if link.Change >= 0 {
			other := e.item.works[link.Change]
			if other.key.ID == "" || other.Operation == events.Delete {
				return refuse(events.Invalid, n, w, inLink(w, link),
					"a reference leads to entry %d of the transaction, which is deleted", other.Entry)
			}
			w.targets[i] = other.key.Type + "/" + other.key.ID
			continue
		}
		query, err := e.item.dialect.Condition(e.item.event.Tenant, link.Type, link.Query)
		if err != nil { // of kind Invalid or TooCostly
			return refuse(events.KindOf(err), n, w, inLink(w, link), "the conditional reference %s?%s: %s", link.Type, link.Query,
				events.TextOf(err))
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
			return refuse(kind, n, w, inLink(w, link), "the conditional reference %s?%s matches %s; it must match one", link.Type,
				link.Query, count)
		}
		w.targets[i] = link.Type + "/" + matches[0].version.ID
	}
	if w.Operation == events.Patch {
		return e.patch(n, w)
	}
	return nil
}

// recordable holds that the decision fits the feed, with all that the references became: one that doesn't would hold up
// every later one.
func (e *decidingEvent) recordable(n int, w *work) error {
	result := events.Result{Type: w.Type, ID: w.key.ID, Links: w.targets, Removed: w.told()}
	if e.bytes += result.MostBytes(); e.bytes > e.line.decisionBytes {
		return refuse(events.TooLarge, n, w, inEntry, "what is to be recorded of this transaction takes more than the %d "+
			"bytes allowed, with its first %d entries; "+
			"send it as several smaller ones, with fewer conditional references and references between entries, or "+
			"with deletes that take less",
			e.line.decisionBytes, n+1)
	}
	return nil
}

// tell names the versions that a change is to tell of, now that it is known which changes make some. One that could
// tell of none has no effect.
func (e *decidingEvent) tell(n int, w *work) error {
	told, versions := false, false
	for i, link := range w.Links {
		if !link.Version || !w.writes() {
			continue
		}
		versions = true
		other := e.item.works[link.Change]
		w.targets[i] = functions.VersionsTold(&events.Result{Disposition: other.disposition, Type: other.key.Type,
			ID: other.key.ID, Version: other.before.Number + 1, Removed: other.told()})
		told = told || w.targets[i] != ""
	}
	switch {
	case versions && !told:
		w.disposition, w.targets = events.NoEffect, nil
		e.layer.remove(w.key)
		return nil
	case versions:
		return e.recordable(n, w)
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
	same := hash == w.hash || w.patchedSame
	if !same && w.Operation != events.Patch && !w.read.Exact && !e.line.sketches.differs(w, hash) {
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

// untouched holds that nobody has changed, since the record went to quarantine, what its event changes when it is asked
// for again: its place in the order has passed, and what came later must not be lost.
func (e *decidingEvent) untouched(n int, w *work) error {
	s := e.item.event.Settles
	if s == nil {
		return nil
	}
	befores := make([]projections.Version, 0, 1+len(w.removed))
	if w.writes() {
		befores = append(befores, w.before)
	}
	for i := range w.removed {
		befores = append(befores, w.removed[i].before)
	}
	for _, before := range befores {
		if before.Number > 0 && before.Position.Offset >= s.Position.Offset {
			return refuse(events.Conflict, n, w, inEntry, "%s/%s was changed at %s, after the record at %s went to quarantine; "+
				"asking for that again would undo the later change: write what is wanted of it anew, and discard the "+
				"record", before.Type, before.ID, before.Position, s.Position)
		}
	}
	return nil
}
