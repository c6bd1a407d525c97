package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// controls read the parameters that shape the result (FHIR R4, section 3.1.1.5) and the extensions _explain and _asOf.
var controls = map[string]func(p *queryParser, key, value string) *refusal{
	"_count":         (*queryParser).readCount,
	"_sort":          (*queryParser).readSort,
	"_total":         (*queryParser).readTotal,
	"_summary":       (*queryParser).readSummary,
	"_explain":       (*queryParser).readExplain,
	"_asOf":          (*queryParser).readAsOf,
	"_format":        (*queryParser).readFormat,
	"_pretty":        (*queryParser).readFormat,
	"_include":       (*queryParser).readInclude,
	"_revinclude":    (*queryParser).readInclude,
	"_elements":      (*queryParser).readElements,
	"_contained":     (*queryParser).readContained,
	"_containedType": (*queryParser).readContained,
	"_score":         (*queryParser).readNotOffered,
	"_type":          (*queryParser).readType,
}

func (p *queryParser) readNotOffered(key, _ string) *refusal {
	return drop(events.Unsupported, key, "the parameter is not offered")
}

// readContained refuses to answer with contained resources, because chains alone look into them. Without the parameter
// something else would be found than was asked for, so the handling doesn't matter.
func (p *queryParser) readContained(key, value string) *refusal {
	if err := p.once(key, key); err != nil {
		return err
	}
	if key == "_contained" && value != "false" || key == "_containedType" && value != "container" {
		return refuse(events.Unsupported, key, "contained resources are not found by themselves; leave the parameter "+
			"out to search the others (chains look into them)")
	}
	p.use(key, value)
	return nil
}

// readElements reads the names of elements at the root of a resource.
func (p *queryParser) readElements(key, value string) *refusal {
	if err := p.once(key, "_elements"); err != nil {
		return err
	}
	var names, used, unknown []string
	for written := range strings.SplitSeq(value, ",") {
		written = strings.TrimSpace(written)
		name := strings.TrimSuffix(written, "[x]")
		switch {
		case name == "":
			return drop(events.Invalid, key, "one of the names in %.80q is empty", value)
		case name == "resourceType": // which JSON has in place of an element, and every part
		case !p.anyHas(name):
			unknown = append(unknown, name)
			continue
		default:
			names = append(names, name)
		}
		used = append(used, written)
	}
	if len(used) == 0 {
		return drop(events.Invalid, key, "%s has no element %.64q at its root", strings.Join(p.searched(), ", "),
			strings.Join(unknown, ", "))
	}
	if len(unknown) > 0 && (p.system == nil || p.options.Type == p.system[0]) {
		p.issues = append(p.issues, Issue{Param: key, Kind: events.Invalid,
			Text: fmt.Sprintf("%s: %s has no element %.64q at its root (the others were kept)", key,
				strings.Join(p.searched(), ", "), strings.Join(unknown, ", "))})
	}
	p.elements = append([]string{}, names...)
	p.use(key, strings.Join(used, ","))
	return nil
}

// anyHas tells whether one of the types searched has an element, by its name or, for a choice, by its key in JSON.
func (p *queryParser) anyHas(name string) bool {
	for _, typ := range p.searched() {
		if p.catalog.model.RootElement(typ, name) != "" {
			return true
		}
	}
	return false
}

// readType refuses _type where one type is searched; [Catalog.ParseSystem] reads it by itself.
func (p *queryParser) readType(key, _ string) *refusal {
	switch {
	case key != "_type":
		return invalid(key, "_type has no modifiers")
	case p.system != nil:
		return nil
	}
	return drop(events.Invalid, key, "_type selects among all types; this search is on %s alone", p.options.Type)
}

// searched are the types that the search is on.
func (p *queryParser) searched() []string {
	if p.system != nil {
		return p.system
	}
	return []string{p.options.Type}
}

// once refuses a result parameter that stands twice, and one with a modifier.
func (p *queryParser) once(key, code string) *refusal {
	if key != code {
		return invalid(key, "%s has no modifiers", code)
	}
	if p.seen[code] {
		return invalid(key, "the parameter stands twice")
	}
	p.seen[code] = true
	return nil
}

func (p *queryParser) readCount(key, value string) *refusal {
	if err := p.once(key, "_count"); err != nil {
		return err
	}
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return invalid(key, "%.40q is not a whole number from 0 up", value)
	}
	n, err := strconv.Atoi(value)
	if err != nil || n > p.options.MaxCount {
		n = p.options.MaxCount
	}
	p.count = n
	p.use(key, value)
	return nil
}

func (p *queryParser) readTotal(key, value string) *refusal {
	if err := p.once(key, "_total"); err != nil {
		return err
	}
	switch value {
	case "none":
		p.query.Total = projections.TotalNone
	case "estimate":
		p.query.Total = projections.TotalEstimate
	case "accurate":
		p.query.Total = projections.TotalAccurate
	default:
		return invalid(key, "%.40q is not none, estimate or accurate", value)
	}
	p.use(key, value)
	return nil
}

func (p *queryParser) readSummary(key, value string) *refusal {
	if err := p.once(key, "_summary"); err != nil {
		return err
	}
	switch value {
	case "false":
	case "true", "text", "data", "count":
		p.summary = Summary(value)
	default:
		return invalid(key, "%.40q is not true, text, data, count or false", value)
	}
	p.use(key, value)
	return nil
}

func (p *queryParser) readExplain(key, value string) *refusal {
	if err := p.once(key, "_explain"); err != nil {
		return err
	}
	if value != "true" && value != "false" {
		return invalid(key, "the value must be true or false, not %.40q", value)
	}
	p.explain = value == "true"
	p.use(key, value)
	return nil
}

// readAsOf reads a position of the log; what it stands for is the door's matter.
func (p *queryParser) readAsOf(key, value string) *refusal {
	if err := p.once(key, "_asOf"); err != nil {
		return err
	}
	if value == "" {
		return invalid(key, "the value is empty; write a position, as Binnacle-Position has it")
	}
	p.asOf = value
	p.use(key, value)
	return nil
}

// readFormat keeps _format and _pretty for the self link; what they mean is the door's matter.
func (p *queryParser) readFormat(key, value string) *refusal {
	p.use(key, value)
	return nil
}

// readSort reads keys with commas between; a minus sorts downwards.
func (p *queryParser) readSort(key, value string) *refusal {
	if key != "_sort" {
		return invalid(key, "_sort has no modifiers; write -%s to sort downwards", value)
	}
	if value == "" {
		return drop(events.Invalid, key, "the value is empty")
	}
	var sort []projections.SortKey
	for text := range strings.SplitSeq(value, ",") {
		code, descending := strings.CutPrefix(text, "-")
		param := p.own.Params[code]
		switch {
		case param == nil && code == "_score":
			return drop(events.Unsupported, key, "sorting by _score is not offered")
		case param == nil:
			return drop(events.Invalid, key, "%s has no search parameter %.64q to sort by%s", p.options.Type, code,
				hint(p.own, code))
		case !param.Searchable() || param.Kind != projections.Date && param.Kind != projections.String &&
			param.Kind != projections.Token:
			return drop(events.Unsupported, key, "sorting by %s, a %s parameter, is not offered; date, string and "+
				"token parameters are", code, param.Kind)
		}
		sort = append(sort, projections.SortKey{Param: code, Kind: param.Kind, Descending: descending,
			Shares: param.Shares, MainDate: code == p.own.MainDate})
	}
	if len(p.query.Sort)+len(sort) > MaxSortKeys {
		return tooCostly(key, "more than %d keys to sort by", MaxSortKeys)
	}
	p.query.Sort = append(p.query.Sort, sort...)
	p.use(key, value)
	return nil
}
