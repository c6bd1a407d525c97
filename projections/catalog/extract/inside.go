package extract

import (
	"slices"

	"binnacle/events/fhir"
	"binnacle/projections"
)

// Bounds of what a chain finds in contained resources.
const (
	insideSteps = 3               // references from one to the next, the first of them from the container
	insideTerms = maxTerms / 10   // of one container
	insideMost  = insideTerms / 2 // of one contained resource
	insideLinks = maxTerms        // that are followed in one container, those that lead to the same each time
)

// link is a reference to what is contained.
type link struct{ param, id string }

// contained is a resource inside of another one, read as if it stood alone.
type contained struct {
	typ   string // "" when nothing can be read
	terms []projections.Term
	links []link
}

// reached are the contained resources of one type to which the same references lead.
type reached struct {
	name string // see projections.Inside; "": the container
	typ  string
	all  []*contained
	has  map[*contained]bool
}

// interior is what one document contains.
type interior struct {
	extractor *Types
	root      fhir.Node
	nodes     map[string]fhir.Node  // by id, the first of several
	known     map[string]*contained // by id
	terms     []projections.Term    // under their names
	links     int                   // that have been followed
}

// inside returns the terms of what the resource contains, step by step along the references. A contained resource that
// would be too much is left out whole: with some of its terms alone it would seem to lack the others. One that can't
// be read as its type is left out, too, because a log may hold such a one.
func (x *Types) inside(w *walk) []projections.Term {
	if len(w.links) == 0 {
		return nil
	}
	in := interior{extractor: x, root: w.root, nodes: map[string]fhir.Node{}, known: map[string]*contained{}}
	for node := range w.root.Get("contained").Items() {
		if id := node.Get("id").Text(); !in.nodes[id].Exists() {
			in.nodes[id] = node
		}
	}
	level := []*reached{{typ: w.root.Get("resourceType").Text(), all: []*contained{{links: distinct(w.links)}}}}
	for range insideSteps {
		var next []*reached
		for _, from := range level {
			for _, r := range in.from(from) {
				if in.add(r) {
					next = append(next, r)
				}
			}
		}
		level = next
	}
	return in.terms
}

// from follows the references of what has been reached; nil where these are too many.
func (in *interior) from(at *reached) (found []*reached) {
	byName := map[string]*reached{}
	params := in.extractor.types[at.typ].Params
	for _, resource := range at.all {
		for _, l := range resource.links {
			if in.links++; in.links > insideLinks {
				return nil
			}
			to := in.resource(l.id)
			if param := params[l.param]; to.typ == "" || param.InsideCode(to.typ) != l.param {
				continue
			}
			name := projections.Inside(l.param, to.typ)
			r := byName[name]
			if r == nil {
				r = &reached{name: name, typ: to.typ, has: map[*contained]bool{}}
				if at.name != "" {
					r.name = projections.InsideParam(at.name, name)
				}
				byName[name] = r
				found = append(found, r)
			}
			if !r.has[to] {
				r.has[to] = true
				r.all = append(r.all, to)
			}
		}
	}
	return found
}

// add adds the terms of resources under their name, and tells whether there is room for them.
func (in *interior) add(r *reached) bool {
	count, apart := 0, 0
	for i, one := range r.all {
		if count += len(one.terms); i < projections.InsideMost && len(r.all) > 1 {
			apart += len(one.terms)
		}
	}
	if len(in.terms)+count+apart > insideTerms {
		return false
	}
	codes := map[string]string{}
	for _, one := range r.all {
		for _, t := range one.terms {
			in.put(codes, r.name, t)
		}
	}
	for i, one := range r.all[:min(len(r.all), projections.InsideMost)] {
		if len(r.all) > 1 {
			in.apart(projections.InsideOne(r.name, i+1), one)
		}
	}
	return true
}

func (in *interior) put(codes map[string]string, name string, t projections.Term) {
	code, known := codes[t.Param]
	if !known {
		code = projections.InsideParam(name, t.Param)
		codes[t.Param] = code
	}
	t.Param = code
	in.terms = append(in.terms, t)
}

// apart adds what :not and :missing ask of one of several.
func (in *interior) apart(name string, one *contained) {
	codes := map[string]string{}
	for _, t := range one.terms {
		switch _, known := codes[t.Param]; {
		case t.Kind == projections.Token, t.Kind == projections.Reference && !t.Identifier:
			in.put(codes, name, t)
		case !known:
			in.put(codes, name, projections.Term{Param: t.Param, Kind: projections.Special})
		}
	}
}

// resource reads what is contained under an id.
func (in *interior) resource(id string) *contained {
	if known := in.known[id]; known != nil {
		return known
	}
	one := new(contained)
	in.known[id] = one
	node := in.nodes[id]
	typ := node.Get("resourceType").Text()
	if !in.extractor.model.HasEndpoint(typ) {
		return one
	}
	w := in.extractor.walkInside(node, in.root)
	defer in.extractor.release(w)
	w.add(projections.Term{Param: projections.ParamID, Kind: projections.Token, Code: id})
	w.run(in.extractor.types[typ].paths, node)
	if terms := withoutRepeats(w.terms); w.err == nil && len(terms) <= insideMost {
		one.typ, one.terms, one.links = typ, terms, distinct(w.links)
	}
	return one
}

// walkInside makes a walk ready for what is contained.
func (x *Types) walkInside(inside, container fhir.Node) *walk {
	w := x.walks.Get().(*walk)
	w.reset(inside)
	w.container = container
	return w
}

// checkInside tells whether what is contained can be read as its type, because chains look into it. An unknown type is
// no matter of this check: its form is refused.
func (x *Types) checkInside(inside, container fhir.Node) error {
	t := x.types[inside.Get("resourceType").Text()]
	if t == nil {
		return nil
	}
	w := x.walkInside(inside, container)
	defer x.release(w)
	if w.run(t.paths, inside); w.err != nil {
		return w.err
	}
	return longString(w.terms)
}

// withoutRepeats returns the terms with at most one mark for each parameter that an element is there without a value.
func withoutRepeats(terms []projections.Term) []projections.Term {
	said := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(terms), func(t projections.Term) bool {
		repeated := t.Kind == projections.Special && said[t.Param]
		said[t.Param] = said[t.Param] || t.Kind == projections.Special
		return repeated
	})
}

// distinct are the links, each once.
func distinct(links []link) []link {
	seen := make(map[link]bool, len(links))
	return slices.DeleteFunc(slices.Clone(links), func(l link) bool {
		repeated := seen[l]
		seen[l] = true
		return repeated
	})
}

// containedIn finds what a resource contains under an id; the zero Node when there is nothing.
func containedIn(resource fhir.Node, id string) fhir.Node {
	for r := range resource.Get("contained").Items() {
		if r.Get("id").Text() == id {
			return r
		}
	}
	return fhir.Node{}
}
