package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
)

// typeCatalog is what can be searched of the resources of one type. It must not be changed.
type typeCatalog struct {
	params   map[string]*Param // by code, the inherited ones included
	sorted   []*Param          // by code
	mainDate string            // the code of the main date parameter; "": none
	paths    *paths
}

// compileTypes compiles definitions that have been checked, for all resource types.
func compileTypes(m *model, definitions []*definition) (map[string]*typeCatalog, error) {
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
	types := make(map[string]*typeCatalog, len(m.Types()))
	for _, typ := range m.Types() {
		if types[typ], err = compileType(m, typ, byBase, m.mainDate(typ)); err != nil {
			return nil, err
		}
	}
	return types, nil
}

type parsedDefinition struct {
	*definition
	expr       fhirpath.Expr // nil: none
	components []*component
}

func parseAll(definitions []*definition) ([]*parsedDefinition, error) {
	byURL := make(map[string]*definition, len(definitions))
	for _, d := range definitions {
		byURL[d.URL] = d
	}
	all := make([]*parsedDefinition, 0, len(definitions))
	for _, d := range definitions {
		p := &parsedDefinition{definition: d}
		var err error
		if d.Expression != "" {
			if p.expr, err = fhirpath.Parse(d.Expression); err != nil {
				return nil, cannotCompile(d, err)
			}
		}
		if d.kind == projections.Composite {
			if p.components, err = componentsOf(d, byURL); err != nil {
				return nil, cannotCompile(d, err)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func cannotCompile(d *definition, err error) *events.Error {
	return events.Errorf(events.Invalid, "catalog.Load", "SearchParameter %s, expression %q: %v", d.name(), d.Expression, err)
}

// compileType compiles the parameters of a type, its own over those that it inherits.
func compileType(m *model, typ string, byBase map[string][]*parsedDefinition, mainDate string) (*typeCatalog, error) {
	t := &typeCatalog{params: map[string]*Param{}, mainDate: mainDate}
	c := newCompiler(m, typ)
	for base := typ; base != ""; base = m.parent(base) {
		for _, d := range byBase[base] {
			if t.params[d.Code] != nil {
				continue
			}
			p := &Param{Code: d.Code, Kind: d.kind, URL: d.URL, Type: base, Expression: d.Expression, Targets: d.Target}
			t.params[d.Code] = p
			if d.expr == nil {
				continue
			}
			if err := c.compileParam(p, d.expr, d.components, d.Code == mainDate); err != nil {
				return nil, cannotCompile(d.definition, fmt.Errorf("on %s: %w", typ, err))
			}
			if !p.readable && p.Kind != projections.Composite && p.Kind != projections.Special {
				return nil, cannotCompile(d.definition, fmt.Errorf("on %s: a %s parameter can index none of %v", typ, p.Kind, p.Datatypes))
			}
		}
	}
	if mainDate != "" && (t.params[mainDate] == nil || t.params[mainDate].Kind != projections.Date) {
		return nil, events.Errorf(events.Invalid, "catalog.Load", "%s of %s is its main date, and must stay a date parameter", mainDate, typ)
	}
	c.paths.focus.prune()
	t.paths = c.paths
	t.sorted = slices.SortedFunc(maps.Values(t.params), func(a, b *Param) int { return strings.Compare(a.Code, b.Code) })
	t.share()
	return t, nil
}
