package project

import (
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
	return refuse(events.Conflict, n, w, inContent(path), "%s %s", path, fmt.Sprintf(format, args...))
}

// unreferenced holds that nothing refers to what a change deletes (after the whole event), as far as search parameters
// tell.
func (e *decidingEvent) unreferenced(n int, w *work) error {
	if e.item.event.AllowDangling || w.disposition != events.Deleted {
		return nil
	}
	if err := e.askAboutDeleted(); err != nil {
		return err
	}
	for key := range w.deletes {
		referrers := e.item.dialect.Referrers(key.Type)
		at, err := e.refers(w, key, referrers)
		if err != nil {
			return err
		}
		if at < 0 {
			continue
		}
		r, name := &referrers[at], key.Type+"/"+key.ID
		if w.Cascade > 0 {
			return refuse(events.Conflict, n, w, inURL, "%s is referred to by a resource of type %s (%s?%s=%s) that the same "+
				"transaction writes, and what it writes is not deleted with others; change what refers to it there",
				name, r.Type, r.Type, r.Param, name)
		}
		return refuse(events.Conflict, n, w, inURL, "%s is referred to by a resource of type %s (%s?%s=%s); delete or "+
			"change what refers to it first, or in the same transaction", name, r.Type, r.Type, r.Param, name)
	}
	return nil
}

// askAboutDeleted asks, once for all that an event deletes, by which parameters others refer to it, unless it is known.
// What cascades has been asked about, and all that refers to it goes with it.
func (e *decidingEvent) askAboutDeleted() error {
	if e.asked {
		return nil
	}
	e.asked = true
	var keys []projections.Key
	for _, w := range e.item.works {
		if w.Cascade > 0 || w.disposition != events.Deleted {
			continue
		}
		for key := range w.deletes {
			keys = append(keys, key)
		}
	}
	return e.ask(keys)
}

// ask makes it known by which parameters committed resources refer to others.
func (e *decidingEvent) ask(keys []projections.Key) error {
	by := make(map[string][]projections.Referrer)
	unknown := make([]projections.Key, 0, len(keys))
	for _, key := range keys {
		if _, known := e.line.referred[key]; known {
			continue
		}
		if by[key.Type] == nil {
			by[key.Type] = e.item.dialect.Referrers(key.Type)
		}
		if len(by[key.Type]) > 0 {
			unknown = append(unknown, key)
		}
	}
	return e.line.askReferrers(e.ctx, unknown, by)
}

// refers tells by which of the parameters, as a place, something refers to a resource that a change deletes; -1:
// nothing does.
func (e *decidingEvent) refers(w *work, key projections.Key, referrers []projections.Referrer) (int, error) {
	layers := []*overlay{e.layer}
	if w.Cascade == 0 { // else all that is committed or decided goes too
		layers = e.layers()
	}
	var deciding []int
	if err := referring(layers, key, referrers, func(_ *entry, at int) { deciding = append(deciding, at) }); err != nil {
		return -1, err
	}
	for at, r := range referrers {
		if slices.Contains(deciding, at) {
			return at, nil
		}
		if w.Cascade > 0 || !slices.Contains(e.line.referred[key], at) {
			continue
		}
		// unless what refers to it was changed since
		matches, err := e.search(referringQuery(&r, key), r.Param+"="+key.Type+"/"+key.ID)
		if err != nil {
			return -1, err
		}
		if len(matches) > 0 {
			return at, nil
		}
	}
	return -1, nil
}

// referringQuery asks for what refers by a parameter to one of some resources, all of one type.
func referringQuery(r *projections.Referrer, to ...projections.Key) projections.Query {
	clause := projections.Clause{Param: r.Param, Kind: projections.Reference, Shares: r.Shares,
		Values: make([]projections.Value, len(to))}
	for i, key := range to {
		clause.Values[i] = projections.Value{System: key.Type, Code: key.ID}
	}
	return projections.Query{Tenant: to[0].Tenant, Type: r.Type, Clauses: []projections.Clause{clause}}
}

// layers are what is decided and not committed: by the event, by its chunk, and by the one in flight. What stands in
// one of them hides what those after it have of the same resource.
func (e *decidingEvent) layers() []*overlay {
	layers := []*overlay{e.layer, e.chunk}
	if flight := e.line.flight; flight != nil {
		layers = append(layers, flight.decided)
	}
	return layers
}

// referring calls visit with what refers to a resource in some layers, and with the place of the parameter by which it
// does.
func referring(
	layers []*overlay, key projections.Key, referrers []projections.Referrer, visit func(other *entry, at int),
) error {
	for depth, layer := range layers {
		entries, err := layer.referring(key)
		if err != nil {
			return err
		}
		for _, other := range entries {
			if slices.ContainsFunc(layers[:depth], func(above *overlay) bool {
				return above.entries[other.version.Key] != nil
			}) {
				continue
			}
			terms, err := layer.terms(other)
			if err != nil {
				return err
			}
			for i := range terms {
				if !refersTo(&terms[i], key) {
					continue
				}
				if at := slices.IndexFunc(referrers, func(r projections.Referrer) bool {
					return r.Type == other.version.Type && r.Param == terms[i].Param
				}); at >= 0 {
					visit(other, at)
				}
			}
		}
	}
	return nil
}

// refersTo tells whether a term is a relative reference to a resource.
func refersTo(t *projections.Term, to projections.Key) bool {
	return t.Kind == projections.Reference && !t.Identifier && t.System == to.Type && t.Code == to.ID
}
