package catalog

import (
	"slices"

	"binnacle/events"
	"binnacle/projections"
)

// Selective refuses a condition that asks for nothing that an index can go to: the equality of a code, a reference, an
// id, a date, or the beginning of a string. Kind TooCostly.
//
// Without such a thing the projector would look through all resources of a type, while everything behind the event
// waits. It has no limit of time, because what it decides must be the same in every rebuild.
func Selective(query projections.Query) error {
	if slices.ContainsFunc(query.Clauses, isSelective) {
		return nil
	}
	return events.Errorf(events.TooCostly, "catalog.Selective", "the condition on %s selects by ranges, by what is "+
		"missing or by parts of texts alone, which would take too long; "+
		"add a parameter that names something, as in identifier=system|value", query.Type)
}

func isSelective(c projections.Clause) bool {
	switch {
	case len(c.Any) > 0:
		return !slices.ContainsFunc(c.Any, func(one projections.Clause) bool { return !isSelective(one) })
	case c.Follow != nil:
		return !slices.ContainsFunc(c.Follow.Targets, func(t projections.Target) bool {
			return !slices.ContainsFunc(t.Clauses, isSelective)
		})
	case c.Modifier == projections.Missing || c.Modifier == projections.Not || c.Modifier == projections.Contains:
		return false
	case c.Param == projections.ParamLastUpdated:
		return false
	}
	return !slices.ContainsFunc(c.Values, func(v projections.Value) bool { return !selects(c, v) })
}

// selects tells whether a value selects one thing, or the things in a narrow range; a composite value does when one of
// its components does.
func selects(c projections.Clause, v projections.Value) bool {
	if c.Kind != projections.Composite {
		return names(c.Kind, v)
	}
	for i, part := range v.Parts {
		if i < len(c.Components) && names(c.Components[i], part) {
			return true
		}
	}
	return false
}

func names(kind projections.Kind, v projections.Value) bool {
	switch kind {
	case projections.Token, projections.Reference:
		return !v.AnyCode
	case projections.String, projections.URI:
		return !projections.IsBlank(v.Text)
	}
	return v.Prefix == projections.Eq || v.Prefix == projections.Ap
}
