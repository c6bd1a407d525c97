package catalog

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
)

// chain reads "code.rest" and "code:Type.rest": what is asked of the resource that a reference leads to (FHIR R4
// search, 3.1.1.4.13). If the reference may lead to several types, it is followed to those that have the parameter
// asked for. A type for which the value is malformed is left out.
func (p *queryParser) chain(
	at hop, param *extract.Param, modifier, chain, key, value string,
) (projections.Clause, *refusal) {
	clause := param.Clause()
	rest := strings.TrimPrefix(chain, ".")
	types := param.Targets
	switch {
	case param.Kind != projections.Reference:
		return clause, invalid(key, "%s is a %s parameter, which can not be chained; only a reference can", param.Code,
			param.Kind)
	case rest == "":
		return clause, invalid(key, "the chain ends with a dot; write a parameter behind it, as in subject.name")
	case !param.Followable():
		return clause, refuse(events.Unsupported, key, "%s refers by canonical URLs, and following them is not offered",
			param.Code)
	case at.hops == MaxHops:
		return clause, tooCostly(key, "more than %d references one after the other", MaxHops)
	case modifier != "" || strings.HasPrefix(at.path, param.Code+":"):
		if !p.catalog.Known(modifier) {
			return clause, invalid(key, "%.64q is not a resource type of FHIR R4; in a chain nothing else can stand "+
				"behind the colon", modifier)
		}
		if !param.RefersTo(modifier) {
			return clause, invalid(key, "%s never refers to %s; it refers to %s", param.Code, modifier,
				someOf(param.Targets))
		}
		types = []string{modifier}
	case len(types) == 0:
		types = p.catalog.Types()
	}
	follow := &projections.Follow{}
	wanted, _, _ := splitKey(rest)
	var first, further *refusal // what is wrong with the value, and with what comes further along the chain
	for _, typ := range types {
		if !p.catalog.Known(typ) {
			continue // an abstract one, in an operator's definition
		}
		next, r := p.filter(hop{typ: typ, path: rest, hops: at.hops + 1}, key, value)
		switch {
		case r == nil:
			target := projections.Target{Type: typ, Clauses: []projections.Clause{next}, Shares: param.Shares}
			lookInside(param, &target)
			follow.Targets = append(follow.Targets, target)
		case r.unknown:
			if further == nil && (wanted == "_has" || p.catalog.types.Of(typ).Params[wanted] != nil) {
				further = r
			}
		case r.kind != events.Invalid:
			return clause, r // known and not offered, or too much: it must not narrow in silence
		case first == nil:
			first = r
		}
	}
	if len(follow.Targets) == 0 {
		if first != nil {
			return clause, first
		}
		if further != nil {
			return clause, further
		}
		r := drop(events.Invalid, key, "nothing that %s refers to (%s) has a search parameter %.64q%s", param.Code,
			someOf(types), wanted, p.hintAt(types, wanted))
		r.unknown = at.hops > 0
		return clause, r
	}
	clause.Follow = follow
	return clause, nil
}

// hintAt names parameters of a like spelling when one type alone is meant.
func (p *queryParser) hintAt(types []string, code string) string {
	if t := p.catalog.types.Of(types[0]); len(types) == 1 && t != nil {
		return hint(t, code)
	}
	return ""
}

// someOf lists names, the first few of many.
func someOf(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// has reads the rest of "_has:Type:reference:rest": what is asked of the resources that refer to the one at hand (FHIR
// R4 search, 3.1.1.4.14).
func (p *queryParser) has(at hop, rest, key, value string) (projections.Clause, *refusal) {
	var clause projections.Clause
	typ, rest, _ := strings.Cut(rest, ":")
	code, rest, complete := strings.Cut(rest, ":")
	switch {
	case !complete || typ == "" || code == "" || rest == "":
		return clause, invalid(key, "_has names a type, its reference and a parameter: _has:Observation:patient:code=…")
	case !p.catalog.Known(typ):
		return clause, invalid(key, "%.64q is not a resource type of FHIR R4", typ)
	case at.hops == MaxHops:
		return clause, tooCostly(key, "more than %d references one after the other", MaxHops)
	}
	referring := p.catalog.types.Of(typ)
	param := referring.Params[code]
	switch {
	case param == nil:
		return clause, drop(events.Invalid, key, "%s has no search parameter %.64q%s", typ, code, hint(referring, code))
	case param.Kind != projections.Reference:
		return clause, invalid(key, "%s of %s is a %s parameter; _has needs a reference", code, typ, param.Kind)
	case !param.Followable():
		return clause, refuse(events.Unsupported, key, "%s refers by canonical URLs, and following them is not offered",
			code)
	case !param.RefersTo(at.typ) && at.hops == 0 && slices.ContainsFunc(p.system, param.RefersTo):
		return nothing(), nil // others of the types searched are referred to
	case !param.RefersTo(at.typ):
		r := invalid(key, "%s of %s never refers to %s; it refers to %s", code, typ, at.typ, someOf(param.Targets))
		r.unknown = at.hops > 0
		return clause, r
	}
	next, r := p.filter(hop{typ: typ, path: rest, hops: at.hops + 1}, key, value)
	if r != nil {
		r.unknown = false
		return clause, r
	}
	return projections.Clause{Param: code, Kind: projections.Reference, Follow: &projections.Follow{Reverse: true,
		Targets: []projections.Target{{Type: typ, Clauses: []projections.Clause{next}, Shares: param.Shares}}}}, nil
}

// list reads _list: the resources that are items of a List (FHIR R4 search, 3.1.1.4.9).
func (p *queryParser) list(at hop, key, value string) (projections.Clause, *refusal) {
	var clause projections.Clause
	switch {
	case at.path != "_list":
		return clause, invalid(key, "_list has no modifiers")
	case value == "":
		return clause, drop(events.Invalid, key, "the value is empty")
	case strings.HasPrefix(value, "$"):
		return clause,
			refuse(events.Unsupported, key, "the functional list %.40q is not offered; give the id of a List", value)
	}
	ids, r := p.alternatives(key, value)
	if r != nil {
		return clause, r
	}
	wanted := projections.Clause{Param: projections.ParamID, Kind: projections.Token}
	for _, id := range ids {
		if !fhir.IsID(id) {
			return clause, invalid(key, "%.80q is not an id of a List", id)
		}
		wanted.Values = append(wanted.Values, projections.Value{AnySystem: true, Code: id})
	}
	return projections.Clause{Param: "item", Kind: projections.Reference, Follow: &projections.Follow{Reverse: true,
		Targets: []projections.Target{{Type: "List", Clauses: []projections.Clause{wanted},
			Shares: p.catalog.Clause("List", "item").Shares}}}}, nil
}

// lookInside has a chain look into what is contained, too. It does so unless a _has is asked of the target: nothing
// refers to a contained resource from elsewhere.
func lookInside(p *extract.Param, t *projections.Target) {
	for i := range t.Clauses {
		switch c := &t.Clauses[i]; {
		case c.Follow != nil && c.Follow.Reverse:
			return
		case c.Follow == nil:
			t.Each = t.Each || c.Modifier == projections.Not || c.Modifier == projections.Missing && c.Missing
		}
	}
	t.Inside = projections.Inside(p.InsideCode(t.Type), t.Type)
}
