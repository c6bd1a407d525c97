package catalog

import (
	"slices"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
)

// The tables of this file say what of FHIR's search is answered. What a table lists as not offered is refused. So is
// what no table lists. The handling doesn't matter, because to leave it out would widen what is found. Of what
// selects, a lenient reader leaves out only parameters that the type does not have.

// modifierOffer is what the server makes of a modifier.
type modifierOffer struct {
	offered   bool
	means     projections.Modifier
	condition bool // a condition may use it: whether a resource matches hangs on the resource alone
}

// modifiers are those that FHIR R4 has, by the kind of the parameter (section 3.1.1.4.3); :missing is for all kinds,
// and the name of a type for references.
var modifiers = map[projections.Kind]map[string]modifierOffer{
	projections.Token: {
		"not":  {true, projections.Not, true},
		"text": {}, "in": {}, "not-in": {}, "above": {}, "below": {}, "of-type": {condition: true},
	},
	projections.Reference: {
		"not":        {true, projections.Not, true},
		"identifier": {true, projections.IdentifierModifier, true},
		"above":      {}, "below": {},
	},
	projections.String: {
		"exact":    {true, projections.Exact, true},
		"contains": {true, projections.Contains, true},
	},
	projections.URI: {
		"below": {true, projections.Below, true},
		"above": {true, projections.Above, true},
	},
}

// notOffered are parameters of FHIR R4 that select and are not answered, and that have no definition in the catalog.
// Those that have one are told by its kind, or by having no expression (see [extract.Param.Searchable]).
var notOffered = map[string]bool{"_filter": true, "_in": true, "_query": true, "_text": true, "_content": true}

// prefixes stand before numbers and dates (section 3.1.1.4.5).
var prefixes = map[string]projections.Prefix{
	"eq": projections.Eq,
	"ne": projections.Ne,
	"gt": projections.Gt,
	"lt": projections.Lt,
	"ge": projections.Ge,
	"le": projections.Le,
	"sa": projections.Sa,
	"eb": projections.Eb,
	"ap": projections.Ap,
}

// Modifiers returns the names of the modifiers that the parameter takes, missing first; a reference takes the names of
// types, too.
func Modifiers(p *extract.Param) []string {
	var names []string
	for name, offer := range modifiers[p.Kind] {
		if offer.offered {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if !p.KnownToIndex() {
		names = slices.Insert(names, 0, "missing")
	}
	return names
}

// modifier reads the name of a modifier, or of the type that a reference is asked to point to.
func (p *queryParser) modifier(
	param *extract.Param, key, name string,
) (m projections.Modifier, targetType string, r *refusal) {
	if name == "missing" {
		if param.KnownToIndex() {
			return 0, "", refuse(events.Unsupported, key, "every resource has %s, so :missing is not offered",
				param.Code)
		}
		return projections.Missing, "", nil
	}
	offer, known := modifiers[param.Kind][name]
	switch {
	case known && !offer.offered:
		return 0, "", refuse(events.Unsupported, key, "the modifier :%s is not offered", name)
	case known:
		return offer.means, "", nil
	case param.Kind == projections.Reference && p.catalog.Known(name):
		if !param.RefersTo(name) {
			return 0, "", invalid(key, "%s never refers to %s; it refers to %s", param.Code, name,
				someOf(param.Targets))
		}
		return projections.NoModifier, name, nil
	}
	return 0, "", invalid(key, "a %s parameter has no modifier %.40q", param.Kind, ":"+name)
}

// conditionForm refuses what a condition must not use, by its form alone. Whatever depends on more than the resource
// itself, or on how a text is analyzed, may be answered differently when the log is read again. This stays so whatever
// searches come to offer.
func (p *queryParser) conditionForm(key string) *refusal {
	code, modifier, chain := splitKey(key)
	param := p.own.Params[code]
	switch {
	case code == "_has", code == "_list", chain != "":
		return refuse(events.Unsupported, key, "a condition can not follow references (chains, _has, _list): whether "+
			"a resource matches must hang on nothing but itself; use its own parameters, an identifier best of all")
	case notOffered[code], param != nil && param.Kind == projections.Special:
		return refuse(events.Unsupported, key, "a condition can not use %s; use parameters that name something, an "+
			"identifier best of all", code)
	case param == nil || modifier == "":
		return nil
	}
	if offer, known := modifiers[param.Kind][modifier]; known && !offer.condition {
		return refuse(events.Unsupported, key, "a condition can not use the modifier :%s; use parameters that name "+
			"something, an identifier best of all", modifier)
	}
	return nil
}

// nothing is a clause that no resource satisfies: none has this id.
func nothing() projections.Clause {
	return projections.Clause{Param: projections.ParamID, Kind: projections.Token,
		Values: []projections.Value{{AnySystem: true}}}
}

// isBlank tells whether a value has a text of nothing but white space or combining marks. No resource has such a text.
func isBlank(kind projections.Kind, components []projections.Kind, v *projections.Value) bool {
	blank := func(s string) bool { return s != "" && projections.IsBlank(s) }
	switch kind {
	case projections.String, projections.URI:
		return projections.IsBlank(v.Text)
	case projections.Token, projections.Reference, projections.Quantity:
		return blank(v.System) || blank(v.Code)
	case projections.Composite:
		for i := range v.Parts {
			if isBlank(components[i], nil, &v.Parts[i]) {
				return true
			}
		}
	}
	return false
}

// selecting leaves out the blank values of a clause, because they select nothing. Two clauses are refused: one of a
// condition, and :not with blank values alone, which would select everything.
func (p *queryParser) selecting(clause projections.Clause, key string) (projections.Clause, *refusal) {
	all := len(clause.Values)
	clause.Values = slices.DeleteFunc(clause.Values, func(v projections.Value) bool {
		return isBlank(clause.Kind, clause.Components, &v)
	})
	switch left := len(clause.Values); {
	case left == all:
		return clause, nil
	case p.condition:
		return clause, invalid(key, "a value is blank, and a condition needs values that name something")
	case left > 0:
		return clause, nil
	case clause.Modifier == projections.Not:
		return clause, invalid(key, "the value is blank, so nothing would be left out")
	}
	return nothing(), nil
}
