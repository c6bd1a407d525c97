package project

import (
	"errors"
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

// reference is a literal relative reference in a document, or a link that names a version.
type reference struct {
	projections.Key        // empty for a link: what it leads to is known when the event is decided
	link            int    // the place among the links; -1: a literal reference
	version         string // behind /_history/; "": whichever is current
	node            fhir.Node
}

// literalReferences finds the references to other resources of this server, apart from those links that name no version.
func literalReferences(doc *fhir.Document, shapes fhir.Shapes, tenant string, links []events.Link) []reference {
	var found []reference
	next := 0 // of the links
	for place := range fhir.References(doc.Root(), shapes) {
		for next < len(links) && links[next].End <= place.Start {
			next++
		}
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		r := fhir.ParseReference(place.Value)
		switch {
		case next < len(links) && links[next].Start <= place.Start:
			if r.Version != "" && links[next].Change >= 0 {
				found = append(found, reference{link: next, version: r.Version, node: place.Node})
			}
		case r.Kind == fhir.RelativeReference:
			found = append(found, reference{projections.Key{Tenant: tenant, Type: r.Type, ID: r.ID}, -1, r.Version, place.Node})
		}
	}
	return found
}

// name is what a reference says.
type name struct {
	projections.Key
	version string
}

// stood tells whether the version that an update follows has a reference already, to any version if version is "". Then it has led to
// something, or was allowed not to: who changes other things need not mend it.
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
		doc, err := w.documents.Parse(content)
		if err != nil {
			return false, &poisoned{w.item, "the content of the version before: " + err.Error()}
		}
		for _, ref := range literalReferences(doc, w.documents.Catalog.Shape, key.Tenant, nil) {
			w.stood[name{ref.Key, ref.version}], w.stood[name{ref.Key, ""}] = true, true
		}
		w.documents.Release(doc)
	}
	return w.stood[name{key, version}], nil
}

// integrity holds that what a change refers to is there (after the whole event), unless the version before has referred to it, too.
func (e *decidingEvent) integrity(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for _, ref := range w.refs {
		if ref.link >= 0 { // link has looked
			continue
		}
		target, err := e.current(ref.Key)
		if err != nil {
			return err
		}
		if isAlive(target.version) {
			continue
		}
		if stood, err := e.stood(w, ref.Key, ""); err != nil {
			return err
		} else if !stood {
			return ref.refuse(n, w, "%s refers to %s/%s, which does not exist; write it first, or in the same transaction", ref.node.Path(), ref.Type, ref.ID)
		}
	}
	return nil
}

// versioned holds that the versions that a change refers to are there, once it is known which updates of the event make none.
func (e *decidingEvent) versioned(n int, w *work) error {
	if e.item.event.AllowDangling || !w.writes() {
		return nil
	}
	for _, ref := range w.refs {
		if ref.version == "" {
			continue
		}
		key := ref.Key
		if ref.link >= 0 {
			key.Tenant = e.item.event.Tenant
			key.Type, key.ID, _ = strings.Cut(w.targets[ref.link], "/")
		}
		target, err := e.current(key)
		if err != nil {
			return err
		}
		number, err := strconv.ParseInt(ref.version, 10, 64)
		last := target.version.Number
		if err == nil && number >= 1 && number <= last && strconv.FormatInt(number, 10) == ref.version {
			continue
		}
		if stood, err := e.stood(w, key, ref.version); err != nil {
			return err
		} else if !stood {
			return ref.refuse(n, w, "%s refers to version %s of %s/%s, which does not exist: there are 1 to %d", ref.node.Path(), ref.version, key.Type, key.ID, last)
		}
	}
	return nil
}

// refuse is the refusal of the change that the reference stands in.
func (r *reference) refuse(n int, w *work, format string, args ...any) error {
	err := refuse(events.Conflict, n, w, format, args...)
	if no := (*refused)(nil); errors.As(err, &no) && no.Expression == "" {
		no.Expression = r.node.Path()
	}
	return err
}
