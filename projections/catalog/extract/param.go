package extract

import (
	"slices"

	"binnacle/projections"
)

// Param is a search parameter of one resource type.
type Param struct {
	Code       string
	Kind       projections.Kind
	URL        string      // of its definition
	Type       string      // that it is defined on: the resource type, "Resource" or "DomainResource"
	Expression string      // as defined, with the branches of other types; "": it selects nothing (_text, _query)
	Targets    []string    // types that a reference may point to: those that the expression asks for, else as defined
	Datatypes  []string    // that the expression can select, sorted; not all of them need to be indexable
	Components []Component // of a composite

	Shares []projections.Share // the parameters that have its terms, too; nil: it stands for itself

	systems    systemSet    // of the codes that it selects
	readable   bool         // terms can be made of something that it selects
	selections []sourceNode // that its terms come from
	alone      bool         // its selections do not tell all about its terms, so it shares none
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

// Searchable tells whether a query takes the parameter. Special parameters and those without an expression are known
// and not offered.
func (p *Param) Searchable() bool { return p.Kind != projections.Special && p.Expression != "" }

func (p *Param) addDatatype(datatype string) { p.Datatypes = union(p.Datatypes, []string{datatype}) }

func union(a, b []string) []string {
	merged := append(slices.Clone(a), b...)
	slices.Sort(merged)
	return slices.Compact(merged)
}

// KnownToIndex tells that the parameter needs no terms: an index answers it from its rows.
func (p *Param) KnownToIndex() bool {
	return p.Code == projections.ParamID || p.Code == projections.ParamLastUpdated
}

// Param is the component as a parameter of its own, to read values by.
func (c *Component) Param() *Param {
	return &Param{Code: c.Code, Kind: c.Kind, Datatypes: c.Datatypes, systems: c.systems}
}

// Clause begins a clause of the parameter: its code, its kind, and how an index keeps it.
func (p *Param) Clause() projections.Clause {
	return projections.Clause{Param: p.Code, Kind: p.Kind, Shares: p.Shares}
}

// RefersTo tells whether a reference may point to a type.
func (p *Param) RefersTo(typ string) bool {
	return len(p.Targets) == 0 || slices.Contains(p.Targets, typ) || slices.Contains(p.Targets, "Resource")
}

// Followable tells whether references of the parameter name resources by type and id; canonicals name them by URL.
func (p *Param) Followable() bool {
	return p.Kind == projections.Reference && p.Searchable() && slices.ContainsFunc(p.Datatypes, func(d string) bool {
		return d == "Reference" || d == "Resource"
	})
}

// InsideCode is the parameter under which the terms of contained resources of a type stand. A parameter that shares
// the references of another one shares what they lead to, too.
func (p *Param) InsideCode(typ string) string {
	for _, s := range p.Shares {
		if s.Types == nil || slices.Contains(s.Types, typ) {
			return s.Param
		}
	}
	return p.Code
}
