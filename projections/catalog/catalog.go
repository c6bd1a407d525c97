package catalog

import (
	"slices"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
	"binnacle/projections/catalog/parameter"
	"binnacle/projections/catalog/r4"
)

// Catalog is what can be searched: SearchParameter definitions compiled to extractors. It doesn't change and is safe
// for concurrent use.
type Catalog struct {
	model       *r4.Model
	definitions []*parameter.Definition // that it was compiled from
	types       *extract.Types
	summaries   *summaries
}

// Default returns the catalog of the FHIR R4 4.0.1 definitions.
func Default() (*Catalog, error) { return Load() }

// Load returns the catalog of the FHIR R4 4.0.1 definitions and the operator's own, each of more being the JSON of a
// SearchParameter or of a Bundle with some. One with the url, or the base and code, of an R4 definition stands in its
// place. An error is of kind Invalid and names the definition and, for an expression that can't be compiled, the
// position and the construct.
func Load(more ...[]byte) (*Catalog, error) {
	return load(func(m *r4.Model) ([]*parameter.Definition, error) { return parameter.Load(m, more...) })
}

// Restore compiles the catalog that [Catalog.Definitions] was called on. Its digest is the same unless another version
// of the program, which extracts differently, wrote them. Kind Invalid: the bytes are no such definitions.
func Restore(definitions []byte) (*Catalog, error) {
	return load(func(m *r4.Model) ([]*parameter.Definition, error) { return parameter.Restore(m, definitions) })
}

func load(definitions func(*r4.Model) ([]*parameter.Definition, error)) (*Catalog, error) {
	m, err := r4.Load()
	if err != nil {
		return nil, err
	}
	c := &Catalog{model: m, summaries: newSummaries(m)}
	if c.definitions, err = definitions(m); err != nil {
		return nil, err
	}
	if c.types, err = extract.Compile(m, c.definitions); err != nil {
		return nil, err
	}
	if err := c.checkCompartments(); err != nil {
		return nil, err
	}
	return c, nil
}

// Definitions writes all definitions that the catalog was compiled from, those of R4 too, for [Restore]. So an index
// that was made with them can be searched in their terms after the configuration, or the program's own definitions,
// have changed.
func (c *Catalog) Definitions() ([]byte, error) { return parameter.Keep(c.definitions) }

// Types returns the resource types of FHIR R4 that have an endpoint, sorted: all that are not abstract, but for
// Parameters.
func (c *Catalog) Types() []string {
	return slices.DeleteFunc(slices.Clone(c.model.Types()), func(typ string) bool { return !c.Known(typ) })
}

// Known tells whether typ is one of [Catalog.Types].
func (c *Catalog) Known(typ string) bool { return c.model.HasEndpoint(typ) }

// ReadableTypes returns all types whose resources the catalog can read, sorted. A log may hold Parameters, from a time
// when they were taken.
func (c *Catalog) ReadableTypes() []string { return slices.Clone(c.model.Types()) }

// Readable tells whether typ is one of [Catalog.ReadableTypes].
func (c *Catalog) Readable(typ string) bool { return c.types.Of(typ) != nil }

// Param returns a parameter of a type, an inherited one included. It must not be changed.
func (c *Catalog) Param(typ, code string) (*extract.Param, bool) {
	t := c.types.Of(typ)
	if t == nil {
		return nil, false
	}
	p := t.Params[code]
	return p, p != nil
}

// Params returns all parameters of a type, the inherited ones included, sorted by code. They must not be changed.
func (c *Catalog) Params(typ string) []*extract.Param {
	if t := c.types.Of(typ); t != nil {
		return slices.Clone(t.Sorted)
	}
	return nil
}

// Clause begins a clause of a type's parameter; one that the type does not have finds nothing.
func (c *Catalog) Clause(typ, code string) projections.Clause {
	if p, known := c.Param(typ, code); known {
		return p.Clause()
	}
	return projections.Clause{Param: code}
}

// Shape tells which elements of a resource type name resources, for [fhir.References]; nil for a type that is not
// known.
func (c *Catalog) Shape(typ string) *fhir.Shape { return c.model.Shape(typ) }

// Model is the type model that the catalog was compiled on.
func (c *Catalog) Model() *r4.Model { return c.model }

// Digest changes whenever the same document may give other terms: with the definitions, the type model, the main dates
// or the code of the extraction. An index made under another digest asks for a rebuild.
func (c *Catalog) Digest() string { return c.types.Digest() }

// Extract returns all terms of a resource, and those of what it contains under their names (see [projections.Inside]).
// There are none for _id and _lastUpdated, which the index knows by itself. Kind Invalid: an element has the wrong
// JSON form or is no date; the error has its FHIRPath. Kind TooLarge: the terms are too many.
func (c *Catalog) Extract(doc *fhir.Document) (projections.Extracted, error) {
	return c.types.Extract(doc)
}

// Check tells, by the same code, whether [Catalog.Extract] would fail for a resource. It also tells whether an element
// of R4 has the wrong JSON form, even when no parameter reads it. The resource may stand inside of a document, as that
// of a bundle's entry does.
func (c *Catalog) Check(resource fhir.Node) error { return c.types.Check(resource) }
