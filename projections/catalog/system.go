package catalog

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// ParseSystem reads the parameters of a search over several types (FHIR R4 http, 3.1.0.11). It searches the types that
// _type names, else all types; in a compartment, those that can be in it. A parameter must be known to every type that
// is searched. Without _sort the newest come first. Options.Type is not used. See [Catalog.ParseQuery] for the rest.
func (c *Catalog) ParseSystem(raw string, o Options) (Parsed, error) {
	types, typed, err := c.systemTypes(raw, o.Compartment)
	if err != nil {
		return Parsed{}, err
	}
	s := &systemParser{}
	for _, typ := range types {
		o.Type = typ
		p, err := c.newQueryParser(o)
		if err != nil {
			return Parsed{}, err
		}
		p.system = types
		if o.Compartment != (Compartment{}) {
			if err := p.enter(o.Compartment); err != nil {
				return Parsed{}, err
			}
		}
		s.parsers = append(s.parsers, p)
	}
	if err := each(raw, s.param); err != nil {
		return Parsed{}, err
	}
	return s.finish(typed)
}

// systemTypes tells which types are searched, sorted, and whether _type names them.
func (c *Catalog) systemTypes(raw string, in Compartment) (types []string, typed bool, err error) {
	all := c.Types()
	if in != (Compartment{}) {
		members := c.model.Compartments()[in.Type]
		if members == nil {
			return nil, false, events.Errorf(events.NotFound, "catalog.ParseSystem",
				"%.64q has no compartment; these have one: %s", in.Type, someOf(c.Compartments()))
		}
		all = slices.DeleteFunc(all, func(typ string) bool { return members[typ] == nil })
	}
	err = each(raw, func(key, value string) error {
		switch {
		case key != "_type":
			return nil
		case typed:
			return invalid(key, "the parameter stands twice; put commas between the types").error()
		}
		typed = true
		for typ := range strings.SplitSeq(value, ",") {
			switch {
			case !c.Known(typ):
				return invalid(key, "%.64q is not a resource type of FHIR R4", typ).error()
			case !slices.Contains(all, typ):
				return invalid(key, "a %s is never in the compartment of a %s", typ, in.Type).error()
			}
			types = append(types, typ)
		}
		return nil
	})
	if !typed {
		return all, false, err
	}
	slices.Sort(types)
	return slices.Compact(types), true, err
}

// systemParser is one query being read for several types at once.
type systemParser struct {
	parsers []*queryParser
}

// param reads a parameter for each type: for all of them, or for none.
func (s *systemParser) param(key, value string) error {
	before := make([]queryParser, len(s.parsers))
	for i, p := range s.parsers {
		before[i] = *p
		r := p.read(key, value)
		if r == nil {
			continue
		}
		if !r.dropped || !p.options.Lenient {
			return r.error()
		}
		for j := range s.parsers[:i] {
			*s.parsers[j] = before[j]
		}
		first := s.parsers[0]
		first.issues = append(first.issues, Issue{Param: key, Kind: r.kind,
			Text: r.text + " (the parameter was ignored)"})
		return nil
	}
	return nil
}

// finish makes the queries. What shapes the result is the same for all types.
func (s *systemParser) finish(typed bool) (Parsed, error) {
	if len(s.parsers) == 0 {
		return Parsed{}, events.Errorf(events.Invalid, "catalog.ParseSystem", "no type is searched")
	}
	first := s.parsers[0]
	for _, p := range s.parsers {
		if len(p.query.Sort) == 0 {
			p.query.Sort = []projections.SortKey{{Param: projections.ParamLastUpdated, Kind: projections.Date,
				Descending: true}}
		}
	}
	parsed, err := first.finish()
	if err != nil {
		return Parsed{}, err
	}
	for _, p := range s.parsers {
		of, err := p.finish()
		if err != nil {
			return Parsed{}, err
		}
		for i, key := range of.Query.Sort {
			if want := parsed.Query.Sort[i]; key.Kind != want.Kind {
				return Parsed{}, invalid("_sort", "%s is a %s of %s and a %s of %s, which have no common order",
					key.Param, want.Kind, first.options.Type, key.Kind, p.options.Type).error()
			}
		}
		parsed.Types = append(parsed.Types, of.Query)
	}
	if typed {
		names := make([]string, len(s.parsers))
		for i, p := range s.parsers {
			names[i] = p.options.Type
		}
		parsed.Used = slices.Insert(parsed.Used, 0, KeyValue{"_type", strings.Join(names, ",")})
	}
	return parsed, nil
}
