package catalog

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// controls read the parameters that shape the result (FHIR R4, section 3.1.1.5) and _explain, an extension.
var controls = map[string]func(p *queryParser, key, value string) *events.Error{
	"_count": (*queryParser).readCount, "_sort": (*queryParser).readSort, "_total": (*queryParser).readTotal, "_summary": (*queryParser).readSummary,
	"_explain": (*queryParser).readExplain, "_format": (*queryParser).readFormat, "_pretty": (*queryParser).readFormat,
	"_include": (*queryParser).readNotOffered, "_revinclude": (*queryParser).readNotOffered, "_elements": (*queryParser).readNotOffered,
	"_contained": (*queryParser).readNotOffered, "_containedType": (*queryParser).readNotOffered, "_score": (*queryParser).readNotOffered,
}

// notOffered are FHIR's parameters that filter and that no definition of R4 stands for.
var notOffered = map[string]bool{"_list": true, "_filter": true, "_type": true, "_in": true}

func (p *queryParser) readNotOffered(key, _ string) *events.Error {
	return p.drop(events.Unsupported, key, "the parameter is not offered")
}

// once refuses a result parameter that stands twice, and one with a modifier.
func (p *queryParser) once(key, code string) *events.Error {
	if key != code {
		return invalid(key, "%s has no modifiers", code)
	}
	if p.seen[code] {
		return invalid(key, "the parameter stands twice")
	}
	p.seen[code] = true
	return nil
}

func (p *queryParser) readCount(key, value string) *events.Error {
	if err := p.once(key, "_count"); err != nil {
		return err
	}
	if !onlyDigits(value) {
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

func (p *queryParser) readTotal(key, value string) *events.Error {
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

func (p *queryParser) readSummary(key, value string) *events.Error {
	if err := p.once(key, "_summary"); err != nil {
		return err
	}
	switch value {
	case "false":
	case "count":
		p.summary = value
	case "true", "text", "data":
		return p.drop(events.Unsupported, key, "_summary=%s is not offered; false and count are", value)
	default:
		return invalid(key, "%.40q is not true, text, data, count or false", value)
	}
	p.use(key, value)
	return nil
}

func (p *queryParser) readExplain(key, value string) *events.Error {
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

// readFormat keeps _format and _pretty for the self link; what they mean is the door's matter.
func (p *queryParser) readFormat(key, value string) *events.Error {
	p.use(key, value)
	return nil
}

// readSort reads keys with commas between; a minus sorts downwards.
func (p *queryParser) readSort(key, value string) *events.Error {
	if key != "_sort" {
		return invalid(key, "_sort has no modifiers; write -%s to sort downwards", value)
	}
	if value == "" {
		return p.drop(events.Invalid, key, "the value is empty")
	}
	var sort []projections.SortKey
	for text := range strings.SplitSeq(value, ",") {
		code, descending := strings.CutPrefix(text, "-")
		param := p.params[code]
		switch {
		case param == nil && code == "_score":
			return p.drop(events.Unsupported, key, "sorting by _score is not offered")
		case param == nil:
			return p.drop(events.Invalid, key, "%s has no search parameter %.64q to sort by%s", p.options.Type, code, p.hint(code))
		case !param.Searchable() || param.Kind != projections.Date && param.Kind != projections.String && param.Kind != projections.Token:
			return p.drop(events.Unsupported, key, "sorting by %s, a %s parameter, is not offered; date, string and token parameters are", code, param.Kind)
		}
		sort = append(sort, projections.SortKey{Param: code, Kind: param.Kind, Descending: descending})
	}
	if len(p.query.Sort)+len(sort) > MaxSortKeys {
		return tooCostly(key, "more than %d keys to sort by", MaxSortKeys)
	}
	p.query.Sort = append(p.query.Sort, sort...)
	p.use(key, value)
	return nil
}
