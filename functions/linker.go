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
	for place := range fhir.References(node, l.door.Catalog.Shape) {
		// Only the first n bytes of a name are replaced: a version or a fragment behind them stays.
		replace := func(n int, text string) {
			end := place.Head(n)
			edits = append(edits, fhir.Edit{Start: place.Start - start, End: end - start, New: text})
			shift += len(text) - (end - place.Start)
		}
		link := func(n int, to events.Link) {
			to.Start, to.End = place.Start+shift, place.Head(n)+shift
			change.Links = append(change.Links, to)
		}
		if l.full == nil && place.Kind != fhir.ReferencePlace {
			continue
		}
		ref := fhir.ParseReference(place.Value)
		if t, n, found := l.inBundle(place.Value, ref, fullURL); found {
			if t.text != "" {
				replace(n, t.text)
			} else {
				link(n, events.Link{Change: t.change})
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
				replace(len(l.base)+len("/"), "")
			}
		case fhir.ConditionalReference:
			query := l.door.Catalog.Relative(ref.Type, ref.Query, l.base)
			if _, err := l.door.conditions.parse(l.door.Tenant, ref.Type, query); err != nil {
				failure = invalid("the conditional reference %.200q: %s", place.Value, text(err)).At(place.Node.Path())
				break
			}
			link(len(place.Value), events.Link{Change: -1, Type: ref.Type, Query: query})
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
// n is how many bytes of the name mean the entry; what may follow is a version of it or a fragment (FHIR R4, bundle.html#references).
func (l *linker) inBundle(name string, ref fhir.Reference, fullURL string) (t target, n int, found bool) {
	if l.full == nil {
		return target{}, 0, false
	}
	if t, found := l.full[name]; found {
		return t, len(name), true
	}
	if whole, _, fragment := strings.Cut(name, "#"); fragment {
		if t, found := l.full[whole]; found {
			return t, len(whole), true
		}
	}
	if ref.Type == "" {
		return target{}, 0, false
	}
	local := ref.Type + "/" + ref.ID
	switch ref.Kind {
	case fhir.AbsoluteReference:
		whole := ref.Base + "/" + local
		t, found = l.full[whole]
		return t, len(whole), found
	case fhir.RelativeReference:
		if own := fhir.ParseReference(fullURL); own.Kind == fhir.AbsoluteReference && own.Type != "" {
			if t, found := l.full[own.Base+"/"+local]; found {
				return t, len(local), true
			}
		}
		t, found = l.full[l.base+"/"+local]
		return t, len(local), found
	}
	return target{}, 0, false
}
