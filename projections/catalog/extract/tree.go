package extract

import (
	"slices"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/r4"
)

// paths is a compiled set of paths: a tree of the elements to visit from the focus, and one from the resource that the
// document holds (for %resource, and for paths that begin with a type). For a type's own parameters both are the same
// tree. So the paths of all parameters share their beginnings, and a document is walked once.
type paths struct {
	focus, resource *node
	slots           int // counters that indexers need
}

// node is an element to visit.
type node struct {
	at      r4.Place
	element string // its path in the model, for people
	kind    fhir.JSONKind
	many    bool

	// holes: null may stand among the items of its array, as in those of primitives and of their "_" twins (FHIR R4,
	// section 2.6.2.3).
	holes bool

	parent   *node
	key      string
	children map[string]*node
	only     *node // the child, when there is just one

	outputs []output
	found   bool // the values are wanted by the condition that the tree belongs to
	filters []filter
	picks   []pick
}

// filter is .where(condition) and what follows it.
type filter struct {
	condition condition
	to        *node
}

// pick is [n] and what follows it.
type pick struct {
	slot, n int
	to      *node
}

// output makes terms of a parameter from the values of a node.
type output struct {
	param     string
	read      reader
	main      bool       // the parameter is the type's main date
	marks     bool       // a value that gives no term is marked: the element is there, so the parameter isn't missing
	composite *composite // for readComposite
	condition condition  // for readCondition

	shared      bool     // other parameters have its terms, too
	sharedTypes []string // shared: of references, those to these types alone; nil: all
}

func newNode(at r4.Place, element string) *node {
	return &node{at: at, element: element, kind: r4.JSONKind(at.Datatype), holes: r4.IsPrimitive(at.Datatype)}
}

// child returns the node of a step, a new one if no path has taken the step yet.
func (n *node) child(s r4.Step) *node {
	if c := n.children[s.Key]; c != nil {
		return c
	}
	c := newNode(s.To, s.Element)
	c.parent, c.key, c.many = n, s.Key, s.Many
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[s.Key] = c
	return c
}

// prune removes the nodes that give nothing, and tells whether n is left.
func (n *node) prune() bool {
	for key, c := range n.children {
		if !c.prune() {
			delete(n.children, key)
		}
	}
	n.filters = slices.DeleteFunc(n.filters, func(f filter) bool { return !f.to.prune() })
	n.picks = slices.DeleteFunc(n.picks, func(p pick) bool { return !p.to.prune() })
	n.only = nil
	if len(n.children) == 1 {
		for _, c := range n.children {
			n.only = c
		}
	}
	return n.found || len(n.outputs)+len(n.children)+len(n.filters)+len(n.picks) > 0
}

// output adds an output to a node, once for each parameter.
func (n *node) output(o output) {
	if !slices.ContainsFunc(n.outputs, func(other output) bool {
		return other.param == o.param && other.condition == nil && o.condition == nil
	}) {
		n.outputs = append(n.outputs, o)
	}
}

// read makes the terms of a value, and marks those that another parameter has.
func (n *node) read(w *walk, v fhir.Node) {
	for i := range n.outputs {
		o, first := &n.outputs[i], len(w.terms)
		o.read(w, o, v)
		if o.marks && len(w.terms) == first && w.err == nil {
			w.add(projections.Term{Param: o.param, Kind: projections.Special})
		}
		if !o.shared {
			continue
		}
		for j := first; j < len(w.terms); j++ {
			t := &w.terms[j]
			t.Shared = o.sharedTypes == nil || !t.Identifier && fhir.IsID(t.Code) &&
				slices.Contains(o.sharedTypes, t.System)
		}
	}
}
