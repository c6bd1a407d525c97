package extract

import (
	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

// maxTerms bounds the terms of one resource. A thousand items of a list are a few thousand terms.
const maxTerms = 100_000

// Memory with a larger capacity is not kept for the next document.
const (
	manyTerms = 4096
	manyFound = 64
)

// walk is one pass over a document.
type walk struct {
	root      fhir.Node
	container fhir.Node // of a contained resource the one around it, else root
	terms     []projections.Term
	links     []link
	main      int64 // earliest start of the main date so far
	counters  []int // of picks, a stretch for each run
	base      int   // where the stretch of the run at hand begins
	found     []fhir.Node
	err       *events.Error // the first; nothing is visited after it
}

// reset makes w ready for a document, in the memory of the one before.
func (w *walk) reset(root fhir.Node) {
	clear(w.terms)
	clear(w.found[:cap(w.found)])
	clear(w.links)
	*w = walk{root: root, container: root, main: projections.MaxTime, terms: w.terms[:0], links: w.links[:0],
		counters: w.counters[:0], found: w.found[:0]}
	if cap(w.terms) > manyTerms {
		w.terms = nil
	}
	if cap(w.found) > manyFound {
		w.found = nil
	}
}

// run visits what the paths select from a value on.
func (w *walk) run(p *paths, v fhir.Node) {
	base, length := w.base, len(w.counters)
	w.base = length
	for range p.slots {
		w.counters = append(w.counters, 0)
	}
	w.visit(p.focus, v)
	if p.resource != p.focus {
		w.visit(p.resource, w.root)
	}
	w.base, w.counters = base, w.counters[:length]
}

// visit takes a value that is of the node's kind.
func (w *walk) visit(n *node, v fhir.Node) {
	if n.found {
		w.found = append(w.found, v)
	}
	n.read(w, v)
	for i := range n.filters {
		if n.filters[i].condition(w, v) == yes {
			w.visit(n.filters[i].to, v)
		}
	}
	for i := range n.picks {
		p := &n.picks[i]
		counter := &w.counters[w.base+p.slot]
		*counter++
		if *counter == p.n+1 {
			w.visit(p.to, v)
		}
	}
	switch {
	case n.children == nil || w.err != nil:
	case n.only != nil:
		if child := v.Get(n.only.key); child.Exists() {
			w.enter(n.only, child)
		}
	default:
		for key, value := range v.Fields() {
			if child := n.children[key]; child != nil {
				w.enter(child, value)
			}
		}
	}
}

// enter checks that a member has the JSON form of its element, and visits it or its items.
func (w *walk) enter(n *node, v fhir.Node) {
	kind := v.Kind()
	if kind == n.kind && !n.many {
		w.visit(n, v)
		return
	}
	if kind != fhir.Array || !n.many {
		w.wrongKind(n, v, n.many)
		return
	}
	for item := range v.Items() {
		switch kind := item.Kind(); {
		case w.err != nil:
			return
		case kind == n.kind:
			w.visit(n, item)
		case kind == fhir.Null && n.holes:
		default:
			w.wrongKind(n, item, false)
		}
	}
}

func (w *walk) wrongKind(n *node, v fhir.Node, many bool) {
	want := n.kind.String()
	if many {
		want = "an array"
	}
	w.fail(v, "%s is %s; FHIR R4 has %s there (%s)", v.Path(), v.Kind(), want, n.at.Datatype)
}

// fail records what is wrong with a value.
func (w *walk) fail(v fhir.Node, format string, args ...any) {
	if w.err == nil {
		w.err = events.Errorf(events.Invalid, "catalog.Extract", format, args...).At(v.Path())
	}
}

// drop takes back the terms from start on.
func (w *walk) drop(start int) {
	clear(w.terms[start:])
	w.terms = w.terms[:start]
}

// add records a term.
func (w *walk) add(t projections.Term) {
	if len(w.terms) < maxTerms {
		w.terms = append(w.terms, t)
	} else if w.err == nil {
		w.err = events.Errorf(events.TooLarge, "catalog.Extract", "the resource has more than %d searchable facts",
			maxTerms)
	}
}

// text returns the member of an object that must be a string, if it is there.
func (w *walk) text(v fhir.Node, key string) string {
	m := v.Get(key)
	if kind := m.Kind(); kind != fhir.String && kind != fhir.None {
		w.fail(m, "%s is %s; FHIR R4 has a string there", m.Path(), kind)
	}
	return m.Text()
}

// object returns the member of an object that must be an object, if it is there.
func (w *walk) object(v fhir.Node, key string) fhir.Node {
	m := v.Get(key)
	if kind := m.Kind(); kind != fhir.Object && kind != fhir.None {
		w.fail(m, "%s is %s; FHIR R4 has an object there", m.Path(), kind)
		return fhir.Node{}
	}
	return m
}

// items calls visit with the items of a member that must be an array of a kind, if it is there. Among primitives there
// may be null.
func (w *walk) items(v fhir.Node, key string, kind fhir.JSONKind, visit func(fhir.Node)) {
	list := v.Get(key)
	if k := list.Kind(); k == fhir.None {
		return
	} else if k != fhir.Array {
		w.fail(list, "%s is %s; FHIR R4 has an array there", list.Path(), k)
		return
	}
	for item := range list.Items() {
		switch k := item.Kind(); {
		case k == kind:
			visit(item)
		case k == fhir.Null && kind != fhir.Object:
		default:
			w.fail(item, "%s is %s; FHIR R4 has %s there", item.Path(), k, kind)
			return
		}
	}
}
