package door

import (
	"iter"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

// linker resolves the references of a request's documents (FHIR R4, http.html#trules and bundle.html#references):
// what the request itself tells is written into the document, what only the log's order can tell becomes a link.
type linker struct {
	door *door
	base string            // of this server as the client sees it
	full map[string]target // the resources of a transaction by the key of their fullUrl; nil outside of one
	lax  bool              // references need not lead to anything, whatever they look like
}

// target is a resource that a transaction writes.
type target struct {
	text    string // "Type/id"; empty when only the log's order tells the id
	change  int    // its change
	version string // the meta.versionId that it was sent with
	first   bool   // it will be version 1: nobody has the id yet
}

// linker makes the linker of a request. full are the targets of a transaction; nil outside of one.
func (d *door) linker(full map[string]target) *linker {
	return &linker{door: d, base: d.ask.Root, full: full, lax: d.dangling}
}

// link makes the document at node the content of a change. source tells where the document came from; fullURL is that
// of its entry, "" when there is none.
func (l *linker) link(change *events.Change, node fhir.Node, source *form.Source, fullURL string) error {
	contained, err := fhir.ContainedOf(node)
	if err != nil {
		return err
	}
	return l.resolve(change, node, source, fhir.References(node, l.door.Catalog.Shape), contained.Check, fullURL)
}

// resolve makes the document at node the content of a change, with what stands in its places resolved. contained checks
// a reference to what the document contains.
func (l *linker) resolve(change *events.Change, node fhir.Node, source *form.Source, places iter.Seq[fhir.Place],
	contained func(place fhir.Place, fragment string) error, fullURL string) error {
	var edits []fhir.Edit // at their places in the document, as the links are until all are known
	var failure error
	for place := range places {
		// Only the first n bytes of a name are replaced: a version or a fragment behind them stays.
		replace := func(n int, text string) {
			edits = append(edits, fhir.Edit{Start: place.Start, End: place.Head(n), New: text})
		}
		link := func(n int, to events.Link) {
			to.Start, to.End = place.Start, place.Head(n)
			change.Links = append(change.Links, to)
		}
		if l.full == nil && place.Kind != fhir.ReferencePlace {
			continue
		}
		ref := fhir.ParseReference(place.Value)
		if t, n, found := l.inBundle(place.Value, ref, fullURL); found {
			switch {
			case t.text != "" && t.first && ref.Version != "":
				replace(n+len("/_history/")+len(ref.Version), t.text+"/_history/1")
			case t.text != "":
				replace(n, t.text)
			default:
				link(n, events.Link{Change: t.change})
			}
			continue
		}
		if place.Kind != fhir.ReferencePlace {
			continue
		}
		below, own := "", false
		if ref.Kind == fhir.AbsoluteReference {
			if below, own = fhir.Below(place.Value, l.base); own {
				ref = fhir.ParseReference(strings.TrimPrefix(below, "/"))
			}
		}
		switch {
		// a matter of the document alone, so also where references may lead nowhere
		case ref.Kind == fhir.ContainedReference:
			failure = contained(place, ref.Fragment)
		case ref.Kind == fhir.RelativeReference && !l.lax && !l.door.Catalog.Known(ref.Type):
			failure = invalid("the reference %.200q leads to nothing: %.64s is not a resource type of FHIR R4 that "+
				"has an endpoint", place.Value, ref.Type).At(place.Node.Path())
		case ref.Kind == fhir.URNReference && !own:
			if l.full != nil && fhir.IsPlaceholder(place.Value) {
				failure = invalid("the reference %.100q leads to no entry of the transaction",
					place.Value).At(place.Node.Path())
			}
		case ref.Kind == fhir.RelativeReference && own:
			replace(len(place.Value)-len(below)+len("/"), "")
		case ref.Kind == fhir.ConditionalReference:
			query := l.door.Catalog.Relative(ref.Type, ref.Query, l.base)
			if _, err := l.door.conditions.Parse(l.door.Tenant, ref.Type, query); err != nil {
				failure = invalid("the conditional reference %.200q: %s", place.Value,
					events.TextOf(err)).At(place.Node.Path())
				break
			}
			link(len(place.Value), events.Link{Change: -1, Type: ref.Type, Query: query})
		case (own || ref.Kind == fhir.OtherReference) && !l.lax:
			failure = noReference(place.Value, own).At(place.Node.Path())
		}
		if failure != nil {
			return failure
		}
	}
	part, err := source.Part(node)
	if err == nil {
		settle(change.Links, edits, &part, node.Document().Bytes())
		change.Content, err = fhir.Splice(part.Content, edits)
	}
	return err
}

// settle moves links and edits from their places in a document to those in the content that a part of it is: edits to
// where they are made, and links to where they stand when the edits are made.
func settle(links []events.Link, edits []fhir.Edit, part *form.Part, document []byte) {
	for i := range edits {
		e := &edits[i]
		e.Start, e.End = part.Place(document, e.Start), part.Place(document, e.End)
	}
	for i := range links {
		to := &links[i]
		to.Start, to.End = part.Place(document, to.Start), part.Place(document, to.End)
	}
	if part.Mapped() { // twins of primitives that repeat stand elsewhere in XML
		slices.SortFunc(edits, func(a, b fhir.Edit) int { return a.Start - b.Start })
		slices.SortFunc(links, func(a, b events.Link) int { return a.Start - b.Start })
	}
	shift, next := 0, 0
	for i := range links {
		for ; next < len(edits) && edits[next].Start < links[i].Start; next++ {
			shift += len(edits[next].New) - (edits[next].End - edits[next].Start)
		}
		links[i].Start += shift
		links[i].End += shift
	}
}

// noReference refuses a text that could lead to nothing: stored, it would look as if it had been held against what is
// there.
func noReference(value string, own bool) *events.Error {
	if own {
		return invalid("the reference %.200q names this server, but no resource of it; write Type/id", value)
	}
	return invalid("%.200q is no reference; write Type/id, the URL of a resource of another server, a URN, or #id "+
		"for what is contained", value)
}

// inBundle finds the entry of a transaction that a name means: by its fullUrl, or relative to where the naming entry
// or this server is. n is how many bytes of the name mean the entry; what may follow is a version of it or a
// fragment. A version must be the one that the entry was sent with: "remove the version from the URL before matching
// fullUrl, and then match the version based on Resource.meta.versionId" (FHIR R4, bundle.html#references).
func (l *linker) inBundle(name string, ref fhir.Reference, fullURL string) (t target, n int, found bool) {
	if l.full == nil {
		return target{}, 0, false
	}
	if t, found := l.full[fhir.URIKey(name)]; found {
		return t, len(name), true
	}
	if whole, _, fragment := strings.Cut(name, "#"); fragment {
		if t, found := l.full[fhir.URIKey(whole)]; found {
			return t, len(whole), true
		}
	}
	if ref.Type == "" {
		return target{}, 0, false
	}
	local := ref.Type + "/" + ref.ID
	find := func(base string) bool {
		t, found = l.full[fhir.URIKey(base+"/"+local)]
		found = found && (ref.Version == "" || ref.Version == t.version)
		return found
	}
	switch ref.Kind {
	case fhir.AbsoluteReference:
		find(ref.Base)
		return t, len(ref.Base) + len("/") + len(local), found
	case fhir.RelativeReference:
		own := fhir.ParseReference(fullURL)
		found = own.Kind == fhir.AbsoluteReference && own.Type != "" && find(own.Base) || find(l.base)
		return t, len(local), found
	}
	return target{}, 0, false
}
