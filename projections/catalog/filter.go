package catalog

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
)

// read takes one parameter, or says why not and leaves everything as it was.
func (p *queryParser) read(key, value string) *refusal {
	if slices.Contains(p.options.Own, key) {
		return nil
	}
	code, _, _ := splitKey(key)
	if p.condition {
		if r := p.conditionForm(key); r != nil {
			return r
		}
	}
	if control := controls[code]; control != nil {
		if p.condition {
			return invalid(key, "a condition takes no parameters but those that select resources")
		}
		return control(p, key, value)
	}
	if len(p.query.Clauses) == MaxClauses {
		return tooCostly(key, "more than %d parameters; ask in several queries", MaxClauses)
	}
	p.targets = 0
	clause, r := p.filter(hop{typ: p.options.Type, path: key}, key, value)
	if r != nil {
		return r
	}
	p.query.Clauses = append(p.query.Clauses, clause)
	p.use(key, value)
	return nil
}

// hop is a place on the way along references: a type, and what is asked of its resources.
type hop struct {
	typ  string
	path string // the rest of the key: "code", "code:modifier", "code.chain", "code:Type.chain", "_has:…"
	hops int    // references followed so far
}

// filter reads a parameter that filters the resources of a type.
func (p *queryParser) filter(at hop, key, value string) (projections.Clause, *refusal) {
	if p.targets++; p.targets > MaxTargets {
		return projections.Clause{}, tooCostly(key, "the references may lead to too many types; name them, as in "+
			"subject:Patient.name")
	}
	if rest, reverse := strings.CutPrefix(at.path, "_has:"); reverse {
		return p.has(at, rest, key, value)
	}
	code, modifier, chain := splitKey(at.path)
	own := p.catalog.types.Of(at.typ)
	param := own.Params[code]
	switch {
	case at.path == "":
		return projections.Clause{}, drop(events.Invalid, key, "a parameter without a name")
	case code == "_has":
		return projections.Clause{}, invalid(key, "_has names a type, its reference and a parameter: "+
			"_has:Observation:patient:code=…")
	case code == "_list":
		return p.list(at, key, value)
	case notOffered[code]:
		return projections.Clause{}, refuse(events.Unsupported, key, "the parameter %s is not offered", code)
	case param == nil && at.hops > 0:
		r := drop(events.Invalid, key, "%s has no search parameter %.64q", at.typ, code)
		r.unknown = true
		return projections.Clause{}, r
	case param == nil:
		return projections.Clause{}, drop(events.Invalid, key, "%s has no such search parameter%s", at.typ,
			hint(own, code))
	case chain != "":
		return p.chain(at, param, modifier, chain, key, value)
	case !param.Searchable():
		return projections.Clause{}, refuse(events.Unsupported, key, "%s parameters of this kind (%s) are not offered",
			at.typ, param.Kind)
	}
	return p.clause(param, key, modifier, strings.Contains(at.path, ":"), value)
}

// splitKey splits "code:modifier", "code.chain" and "code:Type.chain".
func splitKey(key string) (code, modifier, chain string) {
	i := strings.IndexAny(key, ":.")
	if i < 0 {
		return key, "", ""
	}
	if key[i] == '.' {
		return key[:i], "", key[i:]
	}
	modifier = key[i+1:]
	if dot := strings.IndexByte(modifier, '.'); dot >= 0 {
		modifier, chain = modifier[:dot], modifier[dot:]
	}
	return key[:i], modifier, chain
}

// clause reads the values of a parameter and its modifier.
func (p *queryParser) clause(
	param *extract.Param, key, modifier string, hasModifier bool, value string,
) (projections.Clause, *refusal) {
	clause := param.Clause()
	if value == "" {
		return clause, drop(events.Invalid, key, "the value is empty")
	}
	var targetType string
	if hasModifier {
		var r *refusal
		if clause.Modifier, targetType, r = p.modifier(param, key, modifier); r != nil {
			return clause, r
		}
	}
	if clause.Modifier == projections.Missing {
		if value != "true" && value != "false" {
			return clause, invalid(key, "the value must be true or false, not %.40q", value)
		}
		clause.Missing = value == "true"
		return clause, nil
	}
	for _, part := range param.Components {
		clause.Components = append(clause.Components, part.Kind)
	}
	texts, r := p.alternatives(key, value)
	if r != nil {
		return clause, r
	}
	for _, text := range texts {
		values, r := p.values(param, clause.Modifier, targetType, key, text)
		if r != nil {
			return clause, r
		}
		clause.Values = append(clause.Values, values...)
	}
	return p.selecting(clause, key)
}

// alternatives splits a value at its commas. A search passes over empty alternatives beside others, because they find
// nothing.
func (p *queryParser) alternatives(key, value string) ([]string, *refusal) {
	texts := splitUnescaped(value, ',')
	if most := p.options.MaxValues; len(texts) > most {
		return nil, tooCostly(key, "%d alternatives; the most is %d", len(texts), most)
	}
	given := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "" })
	if len(given) == 0 || p.condition && len(given) < len(texts) {
		return nil, invalid(key, "one of the alternatives in %.80q is empty; write a comma that belongs to a "+
			"value as \\,", value)
	}
	return given, nil
}
