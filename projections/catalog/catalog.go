package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
)

// Catalog is what can be searched: SearchParameter definitions compiled to extractors. It doesn't change and is safe for concurrent use.
type Catalog struct {
	model        *model
	types        map[string]*typeCatalog
	compartments map[string]map[string][]string
	parts        *parts
	digest       string
	definitions  []*definition // that it was compiled from
	walks        sync.Pool     // of *walk
	shapes       func() map[string]*fhir.Shape
}

// typeCatalog is the part of one resource type.
type typeCatalog struct {
	params   map[string]*Param
	sorted   []*Param
	paths    *paths
	mainDate string
}

// Param is a search parameter of one resource type.
type Param struct {
	Code       string
	Kind       projections.Kind
	URL        string      // of its definition
	Type       string      // the type that it is defined on: the resource type, "Resource" or "DomainResource"
	Expression string      // as defined, with the branches of other types; "" when it selects nothing (_text, _content, _query)
	Targets    []string    // resource types that a reference may point to: those that the expression asks for, else as defined
	Datatypes  []string    // FHIR datatypes that the expression can select, sorted; not all of them need to be indexable
	Components []Component // of a composite

	Shares []projections.Share // the parameters that have its terms, too; nil: it stands for itself

	systems    systemSet // of the codes that it selects
	readable   bool
	selections []sourceNode // that its terms come from
	alone      bool         // its selections do not tell all
}

// Component is a part of a composite parameter.
type Component struct {
	Code       string
	Kind       projections.Kind
	URL        string // of the definition that it takes its kind from
	Expression string // from the focus that the composite's expression selects
	Datatypes  []string

	systems systemSet
}

// Searchable tells whether [Catalog.ParseQuery] takes the parameter. Special parameters and those without an expression are known and not
// offered.
func (p *Param) Searchable() bool { return p.Kind != projections.Special && p.Expression != "" }

func (p *Param) addDatatype(datatype string) { p.Datatypes = union(p.Datatypes, []string{datatype}) }

func union(a, b []string) []string {
	merged := append(slices.Clone(a), b...)
	slices.Sort(merged)
	return slices.Compact(merged)
}

// Default returns the catalog of the FHIR R4 4.0.1 definitions.
func Default() (*Catalog, error) { return Load() }

// Load returns the catalog of the FHIR R4 4.0.1 definitions and the operator's own, each of more being the JSON of a SearchParameter or
// of a Bundle with some. One with the url, or the base and code, of an R4 definition stands in its place. An error is of kind Invalid and
// names the definition and, for an expression that can't be compiled, the position and the construct.
func Load(more ...[]byte) (*Catalog, error) {
	m, err := parseModel(modelFile)
	if err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded type model")
	}
	r4, err := r4Definitions(m)
	if err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded search parameters")
	}
	var own []*definition
	for i, data := range more {
		definitions, err := readDefinitions(data)
		if err != nil {
			return nil, events.Errorf(events.Invalid, "catalog.Load", "definition file %d of %d: %v", i+1, len(more), err)
		}
		for _, d := range definitions {
			if err := d.checkOwn(m); err != nil {
				return nil, events.Errorf(events.Invalid, "catalog.Load", "SearchParameter %s: %v", d.name(), err)
			}
		}
		own = append(own, definitions...)
	}
	definitions, err := merge(r4, own)
	if err != nil {
		return nil, events.Errorf(events.Invalid, "catalog.Load", "%v", err)
	}
	return compile(m, definitions)
}

// compile makes the catalog of definitions that have been checked.
func compile(m *model, definitions []*definition) (*Catalog, error) {
	c := &Catalog{model: m, definitions: definitions, types: make(map[string]*typeCatalog, len(m.concrete))}
	c.walks.New = func() any { return new(walk) }
	c.shapes = sync.OnceValue(m.makeShapes)
	if err := json.Unmarshal(compartmentsFile, &c.compartments); err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded compartments")
	}
	var err error
	if m.systems, err = parseSystems(systemsFile); err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded code systems")
	}
	if c.parts, err = parseParts(partsFile, m); err != nil {
		return nil, events.Wrap(events.Internal, "catalog.Load", err, "the embedded parts of resources")
	}
	dates, err := mainDates()
	if err != nil {
		return nil, err
	}
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
	for _, typ := range m.concrete {
		t, err := compileType(m, typ, byBase, dates[typ])
		if err != nil {
			return nil, err
		}
		c.types[typ] = t
		delete(dates, typ)
	}
	for typ := range dates {
		return nil, events.Errorf(events.Internal, "catalog.Load", "the main dates name the unknown type %s", typ)
	}
	if err := c.checkCompartments(); err != nil {
		return nil, err
	}
	c.digest = c.makeDigest()
	return c, nil
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
				return nil, d.cannotCompile(err)
			}
		}
		if d.kind == projections.Composite {
			if p.components, err = d.components(byURL); err != nil {
				return nil, d.cannotCompile(err)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

func (d *definition) cannotCompile(err error) *events.Error {
	return events.Errorf(events.Invalid, "catalog.Load", "SearchParameter %s, expression %q: %v", d.name(), d.Expression, err)
}

// compileType compiles the parameters of a type, its own over those that it inherits.
func compileType(m *model, typ string, byBase map[string][]*parsedDefinition, mainDate string) (*typeCatalog, error) {
	t := &typeCatalog{params: map[string]*Param{}, mainDate: mainDate}
	c := newCompiler(m, typ)
	for base := typ; base != "" && base != "-"; base = m.types[base].parent {
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
				return nil, d.cannotCompile(fmt.Errorf("on %s: %w", typ, err))
			}
			if !p.readable && p.Kind != projections.Composite && p.Kind != projections.Special {
				return nil, d.cannotCompile(fmt.Errorf("on %s: a %s parameter can index none of %v", typ, p.Kind, p.Datatypes))
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

// noEndpoint is the one type whose resources travel in requests and answers of operations alone (FHIR R4, parameters.html).
const noEndpoint = "Parameters"

// Types returns the resource types of FHIR R4 that have an endpoint, sorted: all that are not abstract, but for Parameters.
func (c *Catalog) Types() []string {
	return slices.DeleteFunc(slices.Clone(c.model.concrete), func(typ string) bool { return typ == noEndpoint })
}

// Known tells whether typ is one of [Catalog.Types].
func (c *Catalog) Known(typ string) bool { return c.Readable(typ) && typ != noEndpoint }

// Readable tells whether the catalog can read resources of a type. A log may hold Parameters, from a time when they were taken.
func (c *Catalog) Readable(typ string) bool { return c.types[typ] != nil }

// Param returns a parameter of a type, an inherited one included. It must not be changed.
func (c *Catalog) Param(typ, code string) (*Param, bool) {
	t := c.types[typ]
	if t == nil {
		return nil, false
	}
	p := t.params[code]
	return p, p != nil
}

// Params returns all parameters of a type, the inherited ones included, sorted by code. They must not be changed.
func (c *Catalog) Params(typ string) []*Param {
	if t := c.types[typ]; t != nil {
		return slices.Clone(t.sorted)
	}
	return nil
}

// MainDate returns the code of a type's main date parameter; "" when it has none. See r4/main-dates.txt.
func (c *Catalog) MainDate(typ string) string {
	if t := c.types[typ]; t != nil {
		return t.mainDate
	}
	return ""
}

// Digest changes whenever the same document may give other terms: with the definitions, the type model, the main dates or the code
// of the extraction. An index made under another digest asks for a rebuild.
func (c *Catalog) Digest() string { return c.digest }

// Extracted is what the index needs of one resource.
type Extracted struct {
	Terms    []projections.Term // in the order of the document; the same one may come twice. Texts share the document's bytes
	MainDate int64              // earliest start of the main date, microseconds since 1970; projections.MinTime: none, or open
}

// Extract returns all terms of a resource, and those of what it contains under their names (see projections.Inside); none for _id and _lastUpdated, which the index knows by itself. An error is of kind Invalid, with the FHIRPath
// of an element that has the wrong JSON form or is no date; or TooLarge, when the terms are too many.
func (c *Catalog) Extract(doc *fhir.Document) (Extracted, error) {
	w, err := c.walk(doc.Root())
	if err != nil {
		return Extracted{}, err
	}
	e := Extracted{Terms: append(slices.Clone(w.terms), c.inside(w)...), MainDate: w.main}
	c.release(w)
	if e.MainDate == projections.MaxTime {
		e.MainDate = projections.MinTime
	}
	return e, nil
}

// Check tells whether [Catalog.Extract] would fail for a resource, by the same code, and holds that all elements of R4 have their JSON form, those that
// no parameter reads too. The resource may stand inside of a document, as that of a bundle's entry does.
func (c *Catalog) Check(resource fhir.Node) error {
	w, err := c.walk(resource)
	if err != nil {
		return err
	}
	err = longString(w.terms)
	c.release(w)
	if err != nil {
		return err
	}
	if err := fhir.CheckForm(resource, c.Shape); err != nil {
		return err
	}
	for inside := range resource.Get("contained").Items() {
		if err := c.checkInside(inside, resource); err != nil {
			return err
		}
	}
	return nil
}

// maxString is the size of the largest string that FHIR R4 allows (datatypes.html#string: 1 MB), bytes. An index that keeps larger ones makes others wait.
const maxString = 1 << 20

// longString refuses a string that a search would read and that is too long.
func longString(terms []projections.Term) error {
	for i := range terms {
		if terms[i].Kind == projections.String && len(terms[i].Text) > maxString {
			return events.Errorf(events.Invalid, "catalog.Check", "a string that the search parameter %s reads has %d bytes; FHIR R4 allows a string 1 MB", terms[i].Param, len(terms[i].Text))
		}
	}
	return nil
}

// release gives a walk back for other documents. It must not keep this one in memory.
func (c *Catalog) release(w *walk) {
	w.reset(fhir.Node{})
	c.walks.Put(w)
}

func (c *Catalog) walk(root fhir.Node) (*walk, error) {
	if root.Kind() != fhir.Object {
		return nil, events.Errorf(events.Invalid, "catalog.Extract", "a resource is a JSON object; this is %s", root.Kind())
	}
	typ := root.Get("resourceType").Text()
	t := c.types[typ]
	if t == nil {
		return nil, events.Errorf(events.Invalid, "catalog.Extract", "resourceType %.64q is not a resource type of FHIR R4", typ).At("resourceType")
	}
	w := c.walks.Get().(*walk)
	w.reset(root)
	w.run(t.paths, root)
	if w.err != nil {
		err := w.err
		c.release(w)
		return nil, err
	}
	return w, nil
}
