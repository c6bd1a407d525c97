package extract

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/parameter"
	"binnacle/projections/catalog/r4"
)

// Type is what can be searched of the resources of one type. It must not be changed.
type Type struct {
	Params   map[string]*Param // by code, the inherited ones included
	Sorted   []*Param          // by code
	MainDate string            // the code of the main date parameter; "": none
	paths    *paths
}

// compileTypes compiles definitions that have been checked, for all resource types.
func compileTypes(m *r4.Model, definitions []*parameter.Definition) (map[string]*Type, error) {
	parsed, err := parseAll(definitions)
	if err != nil {
		return nil, err
	}
	byBase := map[string][]*parsedDefinition{}
	for _, p := range parsed {
		for _, base := range p.Base {
			byBase[base] = append(byBase[base], p)
		}
	}
	types := make(map[string]*Type, len(m.Types()))
	for _, typ := range m.Types() {
		if types[typ], err = compileType(m, typ, byBase, m.MainDate(typ)); err != nil {
			return nil, err
		}
	}
	return types, nil
}

type parsedDefinition struct {
	*parameter.Definition
	expr       fhirpath.Expr // nil: none
	components []*component
}

func parseAll(definitions []*parameter.Definition) ([]*parsedDefinition, error) {
	byURL := make(map[string]*parameter.Definition, len(definitions))
	for _, d := range definitions {
		byURL[d.URL] = d
	}
	all := make([]*parsedDefinition, 0, len(definitions))
	for _, d := range definitions {
		p := &parsedDefinition{Definition: d}
		var err error
		if d.Expression != "" {
			if p.expr, err = fhirpath.Parse(d.Expression); err != nil {
				return nil, cannotCompile(d, err)
			}
		}
		if d.Kind == projections.Composite {
			if p.components, err = componentsOf(d, byURL); err != nil {
				return nil, cannotCompile(d, err)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func cannotCompile(d *parameter.Definition, err error) *events.Error {
	return events.Errorf(events.Invalid, "catalog.Load", "SearchParameter %s, expression %q: %v", d.Name(),
		d.Expression, err)
}

// compileType compiles the parameters of a type, its own over those that it inherits.
func compileType(m *r4.Model, typ string, byBase map[string][]*parsedDefinition, mainDate string) (*Type, error) {
	t := &Type{Params: map[string]*Param{}, MainDate: mainDate}
	c := newCompiler(m, typ)
	for base := typ; base != ""; base = m.Parent(base) {
		for _, d := range byBase[base] {
			if t.Params[d.Code] != nil {
				continue
			}
			p := &Param{Code: d.Code, Kind: d.Kind, URL: d.URL, Type: base, Expression: d.Expression, Targets: d.Target}
			t.Params[d.Code] = p
			if d.expr == nil {
				continue
			}
			if err := c.compileParam(p, d.expr, d.components, d.Code == mainDate); err != nil {
				return nil, cannotCompile(d.Definition, fmt.Errorf("on %s: %w", typ, err))
			}
			if !p.readable && p.Kind != projections.Composite && p.Kind != projections.Special {
				return nil, cannotCompile(d.Definition,
					fmt.Errorf("on %s: a %s parameter can index none of %v", typ, p.Kind, p.Datatypes))
			}
		}
	}
	if mainDate != "" && (t.Params[mainDate] == nil || t.Params[mainDate].Kind != projections.Date) {
		return nil, events.Errorf(events.Invalid, "catalog.Load",
			"%s of %s is its main date, and must stay a date parameter", mainDate, typ)
	}
	c.paths.focus.prune()
	t.paths = c.paths
	t.Sorted = slices.SortedFunc(maps.Values(t.Params), func(a, b *Param) int {
		return strings.Compare(a.Code, b.Code)
	})
	t.share()
	return t, nil
}
