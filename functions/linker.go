package functions

import (
	"net/http"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
)

// linker resolves the references of a request's documents (FHIR R4, http.html#trules and bundle.html#references): what the request
// itself tells is written into the document, what only the log's order can tell becomes a link.
type linker struct {
	door *door
	base string            // of this server as the client sees it
	full map[string]target // the resources of a transaction by their fullUrl; nil outside of one
}

// target is a resource that a transaction writes.
type target struct {
	text   string // "Type/id"; empty when only the log's order tells the id
	change int    // its change
}

func (d *door) linker(r *http.Request) *linker { return &linker{door: d, base: d.baseOf(r)} }

// link makes the document at node the content of a change. fullURL is that of its entry, "" when there is none.
func (l *linker) link(change *events.Change, node fhir.Node, fullURL string) error {
	start, _ := node.Span()
	raw := node.Raw()
	if node == node.Document().Root() { // white space around it is part of what was sent
		start, raw = 0, node.Document().Bytes()
	}
	var edits []fhir.Edit
	var failure error
	shift := -start
	for place := range fhir.References(node) {
		replace := func(text string) {
			edits = append(edits, fhir.Edit{Start: place.Start - start, End: place.End - start, New: text})
			shift += len(text) - (place.End - place.Start)
		}
		link := func(to events.Link) {
			to.Start, to.End = place.Start+shift, place.End+shift
			change.Links = append(change.Links, to)
		}
		ref := fhir.ParseReference(place.Value)
		if t, found := l.inBundle(place.Value, ref, fullURL); found {
			if t.text != "" {
				replace(t.text)
			} else {
				link(events.Link{Change: t.change})
			}
			continue
		}
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		switch ref.Kind {
		case fhir.URNReference:
			if l.full != nil && (strings.HasPrefix(place.Value, "urn:uuid:") || strings.HasPrefix(place.Value, "urn:oid:")) {
				failure = invalid("the reference %.100q leads to no entry of the transaction", place.Value).At(place.Node.Path())
			}
		case fhir.AbsoluteReference:
			if ref.Type != "" && ref.Base == l.base {
				replace(strings.TrimPrefix(place.Value, l.base+"/"))
			}
		case fhir.ConditionalReference:
			if _, err := l.door.conditions.parse(l.door.Tenant, ref.Type, ref.Query); err != nil {
				failure = invalid("the conditional reference %.200q: %s", place.Value, text(err)).At(place.Node.Path())
				break
			}
			link(events.Link{Change: -1, Type: ref.Type, Query: ref.Query})
		}
		if failure != nil {
			return failure
		}
	}
	content, err := fhir.Splice(raw, edits)
	change.Content = content
	return err
}

// inBundle finds the entry of a transaction that a name means: by its fullUrl, or relative to where the naming entry or this server is.
func (l *linker) inBundle(name string, ref fhir.Reference, fullURL string) (target, bool) {
	if l.full == nil {
		return target{}, false
	}
	if t, found := l.full[name]; found {
		return t, true
	}
	switch ref.Kind {
	case fhir.AbsoluteReference:
		if ref.Type != "" {
			t, found := l.full[ref.Base+"/"+ref.Type+"/"+ref.ID]
			return t, found
		}
	case fhir.RelativeReference:
		if own := fhir.ParseReference(fullURL); own.Kind == fhir.AbsoluteReference && own.Type != "" {
			if t, found := l.full[own.Base+"/"+ref.Type+"/"+ref.ID]; found {
				return t, true
			}
		}
		t, found := l.full[l.base+"/"+ref.Type+"/"+ref.ID]
		return t, found
	}
	return target{}, false
}
