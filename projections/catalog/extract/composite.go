package extract

import (
	"fmt"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/parameter"
	"binnacle/projections/catalog/r4"
)

// maxCombinations bounds the terms of one composite parameter from one focus.
const maxCombinations = 10_000

// component is one part of a composite parameter's definition.
type component struct {
	info Component
	expr fhirpath.Expr
}

// composite is a composite parameter compiled for one focus.
type composite struct {
	infos []Component
	parts []*paths
}

// componentsOf reads the components of a composite definition; their kinds are those of the parameters that they name.
func componentsOf(d *parameter.Definition, byURL map[string]*parameter.Definition) ([]*component, error) {
	var all []*component
	for i, c := range d.Component {
		of := byURL[c.Definition]
		if of == nil {
			return nil, fmt.Errorf("component[%d].definition %q is not a known SearchParameter", i, c.Definition)
		}
		if of.Kind == projections.Composite || of.Kind == projections.Special {
			return nil, fmt.Errorf("component[%d].definition %q is a %s parameter, which can be no component", i,
				c.Definition, of.Kind)
		}
		e, err := fhirpath.Parse(c.Expression)
		if err != nil {
			return nil, fmt.Errorf("component[%d].expression %q: %w", i, c.Expression, err)
		}
		all = append(all, &component{Component{Code: of.Code, Kind: of.Kind, URL: of.URL, Expression: c.Expression}, e})
	}
	return all, nil
}

// compileComponents compiles the components of a composite parameter for a focus.
func (c *compiler) compileComponents(focus r4.Place, components []*component) (*composite, error) {
	compiled := &composite{}
	for _, part := range components {
		inside := c.at(focus)
		p := &Param{Kind: part.info.Kind}
		if err := inside.compileParam(p, part.expr, nil, false); err != nil {
			return nil, fmt.Errorf("component %s, expression %q: %w", part.info.Code, part.info.Expression, err)
		}
		if !p.readable {
			return nil, fmt.Errorf("component %s, expression %q: a %s can index none of %v", part.info.Code,
				part.info.Expression, p.Kind, p.Datatypes)
		}
		inside.paths.focus.prune()
		inside.paths.resource.prune()
		info := part.info
		info.Datatypes, info.systems = p.Datatypes, p.systems
		compiled.infos = append(compiled.infos, info)
		compiled.parts = append(compiled.parts, inside.paths)
	}
	return compiled, nil
}

// mergeComponents joins what a parameter's components select at one focus with what they select at another.
func mergeComponents(all []Component, more *composite) []Component {
	if all == nil {
		return more.infos
	}
	for i := range all {
		all[i].Datatypes = union(all[i].Datatypes, more.infos[i].Datatypes)
		all[i].systems.names = union(all[i].systems.names, more.infos[i].systems.names)
		all[i].systems.open = all[i].systems.open || more.infos[i].systems.open
	}
	return all
}

// readComposite makes a term of each combination of its components' terms: the first component's values change slowest.
func readComposite(w *walk, o *output, v fhir.Node) {
	start := len(w.terms)
	ends := make([]int, 0, 4)
	combinations := 1
	for _, p := range o.composite.parts {
		before := len(w.terms)
		w.run(p, v)
		ends = append(ends, len(w.terms))
		if combinations *= len(w.terms) - before; combinations == 0 || combinations > maxCombinations {
			break
		}
	}
	switch {
	case w.err != nil || combinations == 0:
		w.drop(start)
		return
	case combinations > maxCombinations:
		w.err = events.Errorf(events.TooLarge, "catalog.Extract", "the parameter %s has more than %d combinations here",
			o.param, maxCombinations).At(v.Path())
		return
	}
	found := append([]projections.Term(nil), w.terms[start:]...)
	w.drop(start)
	parts := make([]projections.Term, combinations*len(ends))
	for i := range combinations {
		row := parts[i*len(ends) : (i+1)*len(ends) : (i+1)*len(ends)]
		rest := i
		for c := len(ends) - 1; c >= 0; c-- {
			first := 0
			if c > 0 {
				first = ends[c-1] - start
			}
			width := ends[c] - start - first
			row[c] = found[first+rest%width]
			rest /= width
		}
		w.add(projections.Term{Param: o.param, Kind: projections.Composite, Parts: row})
	}
}
