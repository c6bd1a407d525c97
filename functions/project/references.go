package project

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// name is what a reference says.
type name struct {
	projections.Key
	version string
}

// stood tells whether the version that an update follows has a reference already, to any version if version is "". Then
// it has led to something, or was allowed not to: who changes other things need not mend it.
func (e *decidingEvent) stood(w *work, key projections.Key, version string) (bool, error) {
	if w.disposition != events.Updated {
		return false, nil
	}
	if w.stood == nil {
		w.stood = make(map[name]bool)
		content, err := e.contentBefore(w)
		if err != nil || content == nil {
			return false, err
		}
		before, err := w.item.dialect.Read(content)
		if err != nil {
			return false, &poisoned{w.item, "the content of the version before: " + err.Error()}
		}
		for _, mention := range before.Mentions(key.Tenant, nil) {
			w.stood[name{mention.Key, mention.Version}], w.stood[name{mention.Key, ""}] = true, true
		}
		before.Release()
	}
	return w.stood[name{key, version}], nil
}

// integrity holds that what a change refers to is there (after the whole event), unless the version before has referred
// to it, too.
func (e *decidingEvent) integrity(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for i := range w.mentions {
		mention := &w.mentions[i]
		if mention.Link >= 0 { // link has looked
			continue
		}
		target, err := e.current(mention.Key)
		if err != nil {
			return err
		}
		if target.version.Alive() {
			continue
		}
		if stood, err := e.stood(w, mention.Key, ""); err != nil {
			return err
		} else if !stood {
			return refuseMention(n, w, mention, "refers to %s/%s, which does not exist; write it first, or in the "+
				"same transaction", mention.Type, mention.ID)
		}
	}
	return nil
}

// versioned holds that the versions that a change refers to are there, once it is known which updates of the event make
// none.
func (e *decidingEvent) versioned(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for i := range w.mentions {
		mention := &w.mentions[i]
		if mention.Version == "" {
			continue
		}
		key := mention.Key
		if mention.Link >= 0 {
			key.Tenant = e.item.event.Tenant
			key.Type, key.ID, _ = strings.Cut(w.targets[mention.Link], "/")
		}
		target, err := e.current(key)
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(mention.Version, 10, 64)
		last := target.version.Number
		if err == nil && number >= 1 && number <= last && strconv.FormatInt(number, 10) == mention.Version {
			continue
		}
		if stood, err := e.stood(w, key, mention.Version); err != nil {
			return err
		} else if !stood {
			return refuseMention(n, w, mention,
				"refers to version %s of %s/%s, which does not exist: there are 1 to %d", mention.Version, key.Type,
				key.ID, last)
		}
	}
	return nil
}

// refuseMention is the refusal of a change for what it mentions.
func refuseMention(n int, w *work, mention *projections.Mention, format string, args ...any) error {
	path := w.read.Content.Path(mention.Place)
	err := refuse(events.Conflict, n, w, "%s %s", path, fmt.Sprintf(format, args...))
	if no := (*refused)(nil); errors.As(err, &no) && no.Expression == "" {
		no.Expression = path
	}
	return err
}

// unreferenced holds that nothing refers to what a change deletes (after the whole event), as far as search parameters
// tell.
func (e *decidingEvent) unreferenced(n int, w *work) error {
	if e.item.event.AllowDangling || w.disposition != events.Deleted {
		return nil
	}
	referrers := e.item.dialect.Referrers(w.Type)
	if len(referrers) == 0 {
		return nil
	}
	if _, asked := e.line.referred[w.key]; !asked {
		if err := e.line.askReferrers(e.ctx, []projections.Key{w.key},
			map[string][]projections.Referrer{w.Type: referrers}); err != nil {
			return err
		}
	}
	committed := e.line.referred[w.key]
	deciding, err := e.referring(w.key, referrers)
	if err != nil {
		return err
	}
	for i, r := range referrers {
		refers := slices.Contains(deciding, i)
		if !refers && slices.Contains(committed, i) { // unless what refers to it was changed since
			clause := projections.Clause{Param: r.Param, Kind: projections.Reference, Shares: r.Shares,
				Values: []projections.Value{{System: w.Type, Code: w.key.ID}}}
			matches, err := e.search(projections.Query{Tenant: w.key.Tenant, Type: r.Type,
				Clauses: []projections.Clause{clause}}, r.Param+"="+w.Type+"/"+w.key.ID)
			if err != nil {
				return err
			}
			refers = len(matches) > 0
		}
		if refers {
			return refuse(events.Conflict, n, w, "%s is referred to by a resource of type %s (%s?%s=%s); delete or "+
				"change what refers to it first, or in the same transaction", w.name(), r.Type, r.Type, r.Param,
				w.name())
		}
	}
	return nil
}

// referring returns the parameters, as places, by which something refers to a resource that the event, its chunk or the
// one in flight has made current.
func (e *decidingEvent) referring(key projections.Key, referrers []projections.Referrer) (found []int, err error) {
	layers := []*overlay{e.layer, e.chunk}
	if flight := e.line.flight; flight != nil {
		layers = append(layers, flight.decided)
	}
	for depth, layer := range layers {
		entries, err := layer.referring(key)
		if err != nil {
			return nil, err
		}
		for _, other := range entries {
			if slices.ContainsFunc(layers[:depth], func(above *overlay) bool {
				return above.entries[other.version.Key] != nil
			}) {
				continue
			}
			terms, err := layer.terms(other)
			if err != nil {
				return nil, err
			}
			for _, t := range terms {
				if !refersTo(&t, key) {
					continue
				}
				if i := slices.IndexFunc(referrers, func(r projections.Referrer) bool {
					return r.Type == other.version.Type && r.Param == t.Param
				}); i >= 0 {
					found = append(found, i)
				}
			}
		}
	}
	return found, nil
}

// refersTo tells whether a term is a relative reference to a resource.
func refersTo(t *projections.Term, to projections.Key) bool {
	return t.Kind == projections.Reference && !t.Identifier && t.System == to.Type && t.Code == to.ID
}
