package catalog

import (
	"slices"
	"strings"

	"binnacle/events"
)

// Include asks for resources beside the matches (FHIR R4 search, 3.1.1.5.4): those that they refer to, or with Reverse
// those that refer to them.
type Include struct {
	Reverse bool
	Iterate bool     // also for what was included
	Source  string   // the type whose reference it is; "": any
	Params  []string // of the source: its reference parameters, sorted; nil: all of the source, whatever it is
	Target  string   // the type referred to; "": any
}

// readInclude reads Source:parameter, Source:parameter:Target, Source:* and *.
func (p *queryParser) readInclude(key, value string) *refusal {
	name, modifier, modified := strings.Cut(key, ":")
	include := Include{Reverse: name == "_revinclude", Iterate: modifier == "iterate"}
	if modified && !include.Iterate {
		return invalid(key, "%s has no modifier %.40q; :iterate is one", name, ":"+modifier)
	}
	if len(p.includes) == MaxIncludes {
		return tooCostly(key, "more than %d includes", MaxIncludes)
	}
	if value != "*" {
		if r := p.sourceOf(&include, key, value); r != nil {
			return r
		}
	}
	p.includes = append(p.includes, include)
	p.use(key, value)
	return nil
}

// sourceOf reads which reference an include follows.
func (p *queryParser) sourceOf(include *Include, key, value string) *refusal {
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return invalid(key, "%.80q names no reference; write Type:parameter, Type:parameter:Target, Type:* or *", value)
	}
	include.Source = parts[0]
	if !p.catalog.Known(include.Source) {
		return drop(events.Invalid, key, "%.64q is not a resource type of FHIR R4", include.Source)
	}
	if len(parts) == 3 {
		if include.Target = parts[2]; !p.catalog.Known(include.Target) {
			return drop(events.Invalid, key, "%.64q is not a resource type of FHIR R4", include.Target)
		}
	}
	own := p.catalog.types.Of(include.Source)
	if parts[1] == "*" {
		include.Params = p.catalog.References(include.Source, include.Target)
	} else {
		param := own.Params[parts[1]]
		switch {
		case param == nil:
			return drop(events.Invalid, key, "%s has no search parameter %.64q%s", include.Source, parts[1],
				hint(own, parts[1]))
		case !param.Followable() && len(param.Datatypes) > 0 && slices.Contains(param.Datatypes, "canonical"):
			return drop(events.Unsupported, key, "%s refers by canonical URLs, and following them is not offered",
				param.Code)
		case !param.Followable():
			return drop(events.Invalid, key, "%s is a %s parameter; only a reference can be followed", param.Code,
				param.Kind)
		case include.Target != "" && !param.RefersTo(include.Target):
			return drop(events.Invalid, key, "%s of %s never refers to %s; it refers to %s", param.Code, include.Source,
				include.Target, someOf(param.Targets))
		}
		include.Params = []string{param.Code}
	}
	return p.reaches(include, key)
}

// reaches refuses an include that can never find something from the types searched. What was included may be of any
// type, so :iterate is not refused.
func (p *queryParser) reaches(include *Include, key string) *refusal {
	searched := p.searched()
	if include.Iterate {
		return nil
	}
	if !include.Reverse {
		if !slices.Contains(searched, include.Source) {
			return drop(events.Invalid, key, "the search finds %s, not %s; to follow references of what was included "+
				"write %s:iterate", someOf(searched), include.Source, key)
		}
		return nil
	}
	if include.Target != "" && !slices.Contains(searched, include.Target) {
		return drop(events.Invalid, key, "the search finds %s, not %s; for what refers to what was included write "+
			"%s:iterate", someOf(searched), include.Target, key)
	}
	for _, code := range include.Params {
		if slices.ContainsFunc(searched, p.catalog.types.Of(include.Source).Params[code].RefersTo) {
			return nil
		}
	}
	return drop(events.Invalid, key, "%s never refers to %s by it; for what refers to what was included write "+
		"%s:iterate", include.Source, someOf(searched), key)
}

// References returns the codes of a type's parameters that refer to resources by type and id, sorted; with a target,
// those that may refer to it.
func (c *Catalog) References(typ, target string) []string {
	t := c.types.Of(typ)
	if t == nil {
		return nil
	}
	var codes []string
	for _, p := range t.Sorted {
		if p.Followable() && (target == "" || p.RefersTo(target)) {
			codes = append(codes, p.Code)
		}
	}
	return codes
}

// RefersTo tells whether a type's parameter may refer to resources of another type, by type and id.
func (c *Catalog) RefersTo(typ, code, target string) bool {
	p, ok := c.Param(typ, code)
	return ok && p.Followable() && p.RefersTo(target)
}
