package catalog

import (
	"maps"
	"slices"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

// Compartment is what belongs to one resource (FHIR R4, section 3.2.0.2): "everything about this patient".
type Compartment struct{ Type, ID string }

// itself stands in the definitions in place of a parameter: it means the resource that the compartment is named after.
const itself = "{def}"

// Compartments returns the types that compartments are named after, sorted: "Patient", "Encounter" …
func (c *Catalog) Compartments() []string { return slices.Sorted(maps.Keys(c.model.Compartments())) }

// enter restricts a query to a compartment: one of the parameters must refer to the resource.
func (p *queryParser) enter(in Compartment) error {
	params, ok := p.catalog.model.Compartments()[in.Type][p.options.Type]
	switch {
	case p.catalog.model.Compartments()[in.Type] == nil:
		return events.Errorf(events.NotFound, "catalog.ParseQuery", "%.64q has no compartment; these have one: %s",
			in.Type, someOf(p.catalog.Compartments()))
	case !ok:
		return events.Errorf(events.Invalid, "catalog.ParseQuery",
			"a %s is never in the compartment of a %s; search it without the compartment", p.options.Type, in.Type)
	case !fhir.IsID(in.ID):
		return events.Errorf(events.Invalid, "catalog.ParseQuery", "%.80q is not an id", in.ID)
	}
	var any []projections.Clause
	for _, code := range params {
		if code == itself {
			any = append(any, projections.Clause{Param: projections.ParamID, Kind: projections.Token,
				Values: []projections.Value{{AnySystem: true, Code: in.ID}}})
			continue
		}
		clause := p.own.Params[code].Clause()
		clause.Values = []projections.Value{{System: in.Type, Code: in.ID}}
		any = append(any, clause)
	}
	if len(any) == 1 {
		p.query.Clauses = append(p.query.Clauses, any[0])
	} else {
		p.query.Clauses = append(p.query.Clauses, projections.Clause{Any: any})
	}
	return nil
}

// checkCompartments tells whether a compartment needs a parameter that the catalog can't search. An operator may have
// replaced the definition of one.
func (c *Catalog) checkCompartments() error {
	for _, name := range c.Compartments() {
		for typ, params := range c.model.Compartments()[name] {
			for _, code := range params {
				if code == itself && typ == name {
					continue
				}
				if p, ok := c.Param(typ, code); !ok || !p.Followable() {
					return events.Errorf(events.Invalid, "catalog.Load",
						"the compartment of %s needs %s of %s, which is no reference that can be searched", name, code,
						typ)
				}
			}
		}
	}
	return nil
}
