package catalog

import (
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
	"binnacle/projections/catalog/literal"
)

// specialValues is the system that the specification gives to true and false as tokens (FHIR R4, section 3.1.1.4.10).
const specialValues = "http://hl7.org/fhir/special-values"

// splitUnescaped splits at a character that no backslash stands before. The parts keep their escapes.
func splitUnescaped(s string, at byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescape resolves \, \| \$ and \\ (FHIR R4, section 3.1.1.4.2). Any other backslash stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,|$\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// values reads one alternative. It may stand for several values: a URL under the server's own base means the resource,
// too.
func (p *queryParser) values(
	param *extract.Param, m projections.Modifier, targetType, key, text string,
) ([]projections.Value, *refusal) {
	var v *projections.Value
	var r *refusal
	switch param.Kind {
	case projections.Token:
		if v, r = p.tokenValue(param, key, text); r == nil {
			return caseless(param, *v), nil
		}
	case projections.Reference:
		if m != projections.IdentifierModifier {
			return p.referenceValues(param, targetType, key, text)
		}
		v, r = p.systemAndCode(key, text)
	case projections.String, projections.URI:
		v = &projections.Value{Text: unescape(text)}
	case projections.Date:
		v, r = p.dateValue(key, unescape(text))
	case projections.Number:
		v = new(projections.Value)
		r = numberInto(v, key, unescape(text))
	case projections.Composite:
		return p.compositeValues(param, key, text)
	default:
		v, r = quantityValue(key, text)
	}
	if r != nil {
		return nil, r
	}
	return []projections.Value{*v}, nil
}

// compositeValues reads a value for each component, with $ between (FHIR R4, section 3.1.1.4.17).
func (p *queryParser) compositeValues(param *extract.Param, key, text string) ([]projections.Value, *refusal) {
	texts := splitUnescaped(text, '$')
	if len(texts) != len(param.Components) {
		var names []string
		for _, part := range param.Components {
			names = append(names, part.Code)
		}
		return nil, invalid(key, "%.80q has %d parts; write %s, and a $ that belongs to a value as \\$", text,
			len(texts), strings.Join(names, "$"))
	}
	all := []projections.Value{{}}
	for i, part := range param.Components {
		if texts[i] == "" {
			return nil, invalid(key, "the part for %s in %.80q is empty", part.Code, text)
		}
		values, r := p.values(part.Param(), projections.NoModifier, "", key, texts[i])
		if r != nil {
			return nil, r
		}
		var longer []projections.Value
		for _, one := range all {
			for _, value := range values {
				longer = append(longer, projections.Value{Parts: append(slices.Clone(one.Parts), value)})
			}
		}
		all = longer
	}
	return all, nil
}

// caseless gives a token the forms in which an index may have it: codes as they are, texts with their case folded. If
// the parameter selects both, it is asked for in both forms.
func caseless(param *extract.Param, v projections.Value) []projections.Value {
	folded := v
	folded.Code = projections.FoldCase(v.Code)
	switch {
	case v.Code == folded.Code, param.KnownToIndex(), !slices.ContainsFunc(param.Datatypes, extract.IsCaseless):
		return []projections.Value{v}
	case slices.ContainsFunc(param.Datatypes, func(datatype string) bool { return !extract.IsCaseless(datatype) }):
		return []projections.Value{v, folded}
	}
	return []projections.Value{folded}
}

// systemAndCode reads code, |code, system|code and system|.
func (p *queryParser) systemAndCode(key, text string) (*projections.Value, *refusal) {
	parts := splitUnescaped(text, '|')
	switch {
	case len(parts) == 1:
		return &projections.Value{AnySystem: true, Code: unescape(parts[0])}, nil
	case len(parts) > 2:
		return nil, invalid(key, "%.80q has more than one |; write one that belongs to a value as \\|", text)
	case parts[0] == "" && parts[1] == "":
		return nil, invalid(key, "%.80q names neither a system nor a code", text)
	}
	v := &projections.Value{System: unescape(parts[0]), Code: unescape(parts[1])}
	v.AnyCode = v.Code == ""
	return v, nil
}

func (p *queryParser) tokenValue(param *extract.Param, key, text string) (*projections.Value, *refusal) {
	v, err := p.systemAndCode(key, text)
	if err != nil {
		return nil, err
	}
	only := func(datatype string) bool { return len(param.Datatypes) == 1 && param.Datatypes[0] == datatype }
	if v.AnySystem && !param.KnownToIndex() && !slices.ContainsFunc(param.Datatypes, hasSystem) {
		v.AnySystem = false // no term of the parameter has a system, and an index finds one place faster than several
	}
	switch {
	case param.KnownToIndex():
		if !v.AnySystem {
			return nil, invalid(key, "an id has no system; write the id alone")
		}
	case only("boolean"):
		if v.System != "" && v.System != specialValues || v.Code != "true" && v.Code != "false" {
			return nil, invalid(key, "the value must be true or false, not %.40q", text)
		}
		*v = projections.Value{Code: v.Code}
	case only("code"):
		value, offered := param.CodeValue(*v)
		if !offered {
			return nil, refuse(events.Unsupported, key, "%s is a code, whose system does not stand in resources; any "+
				"code of a system is not offered, write the codes", param.Code)
		}
		*v = value
	}
	return v, nil
}

// hasSystem tells whether the tokens of a datatype have a system.
func hasSystem(datatype string) bool {
	return datatype == "CodeableConcept" || datatype == "Coding" || datatype == "Identifier"
}

// referenceValues reads id, Type/id, an absolute URL or a canonical with or without version (FHIR R4, section
// 3.1.1.4.11). A URL under the server's own base stands for the resource. It also stands for the URL itself, because
// canonicals are kept as they were sent, and so is a reference that was sent under another name of the server.
func (p *queryParser) referenceValues(
	param *extract.Param, targetType, key, text string,
) ([]projections.Value, *refusal) {
	canonical := slices.ContainsFunc(param.Datatypes, func(d string) bool {
		return d == "canonical" || d == "uri" || d == "url"
	})
	if parts := splitUnescaped(text, '|'); len(parts) == 2 && canonical && targetType == "" {
		if parts[0] == "" || parts[1] == "" {
			return nil, invalid(key, "%.80q lacks the URL or the version", text)
		}
		return []projections.Value{{Code: unescape(parts[0]), System: unescape(parts[1])}}, nil
	} else if len(parts) > 1 {
		return nil, invalid(key, "%.80q has a |; write id, Type/id or a URL, and a | that belongs to it as \\|", text)
	}
	text = unescape(text)
	if base := p.options.BaseURL; base != "" {
		relative, own := fhir.Below(text, base)
		relative = strings.TrimPrefix(relative, "/")
		if r := literal.ParseReference(relative); own && r.Relative && r.Version == "" && p.catalog.Known(r.Type) {
			v, refused := p.referenceValue(param, canonical, targetType, key, relative)
			if refused != nil {
				return nil, refused
			}
			return []projections.Value{*v, {AnySystem: canonical, Code: text}}, nil
		} else if own && !canonical {
			text = relative
		}
	}
	v, r := p.referenceValue(param, canonical, targetType, key, text)
	if r != nil {
		return nil, r
	}
	return []projections.Value{*v}, nil
}

// referenceValue reads a reference that has been unescaped.
func (p *queryParser) referenceValue(
	param *extract.Param, canonical bool, targetType, key, text string,
) (*projections.Value, *refusal) {
	r := literal.ParseReference(text)
	switch {
	case strings.Contains(text, "?"):
		return nil, invalid(key, "%.80q holds a query; write id, Type/id or a URL", text)
	case r.Version != "":
		return nil, refuse(events.Unsupported, key,
			"references to a version are not offered; leave out /_history/%.64s", r.Version)
	case r.Fragment != "":
		return nil, refuse(events.Unsupported, key, "references to a part are not offered; leave out #%.64s",
			r.Fragment)
	case r.Relative && targetType != "" && r.Type != targetType:
		return nil, invalid(key, "the modifier asks for %s and the value %.80q for %s", targetType, text, r.Type)
	case r.Relative && !p.catalog.Known(r.Type):
		return nil, invalid(key, "%.64q is not a resource type of FHIR R4", r.Type)
	case r.Relative:
		return &projections.Value{System: r.Type, Code: r.ID}, nil
	case targetType != "" && fhir.IsID(text):
		return &projections.Value{System: targetType, Code: text}, nil
	case targetType != "":
		return nil, invalid(key, "%.80q is not an id", text)
	case !canonical && fhir.IsID(text):
		if len(param.Targets) == 1 {
			return &projections.Value{System: param.Targets[0], Code: text}, nil
		}
		return &projections.Value{AnySystem: true, Code: text}, nil
	case canonical:
		return &projections.Value{AnySystem: true, Code: text}, nil
	case strings.Contains(text, ":"):
		return &projections.Value{Code: text}, nil
	}
	return nil, invalid(key, "%.80q is no reference; write id, Type/id or a URL", text)
}

// cutPrefix splits off the letters before a number or date.
func cutPrefix(key, text string) (projections.Prefix, string, *refusal) {
	n := 0
	for n < len(text) && (text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z') {
		n++
	}
	if n == 0 {
		return projections.Eq, text, nil
	}
	prefix, ok := prefixes[text[:n]]
	if !ok {
		return 0, "", invalid(key, "%.40q begins with no prefix that there is: eq, ne, gt, lt, ge, le, sa, eb, ap",
			text)
	}
	return prefix, text[n:], nil
}

func (p *queryParser) dateValue(key, text string) (*projections.Value, *refusal) {
	prefix, rest, err := cutPrefix(key, text)
	if err != nil {
		return nil, err
	}
	m, bad := literal.ParseMoment(literal.RestorePlus(rest))
	if bad != nil {
		return nil, invalid(key, "%v", bad)
	}
	if prefix == projections.Ap {
		if p.options.Now == nil {
			return nil, invalid(key, "the prefix ap depends on the clock, and what is asked for here must mean the "+
				"same at any time; write ge and le")
		}
		now := p.options.Now().UnixMicro()
		delta := max(now-m.End, m.Start-now, 0) / 10
		m.Start, m.End = m.Start-delta, m.End+delta
	}
	return &projections.Value{Prefix: prefix, Start: m.Start, End: m.End}, nil
}

// numberInto reads a number with its prefix and sets the range that is meant. The precision counts for eq, ne and ap
// alone (FHIR R4, section 3.1.1.4.9).
func numberInto(v *projections.Value, key, text string) *refusal {
	prefix, rest, err := cutPrefix(key, text)
	if err != nil {
		return err
	}
	d, bad := literal.ParseDecimal(rest)
	if bad != nil {
		return invalid(key, "%v", bad)
	}
	v.Prefix, v.Low, v.High = prefix, d.Value, d.Value
	switch prefix {
	case projections.Eq, projections.Ne:
		v.Low, v.High = d.Low, d.High
	case projections.Ap:
		v.Low, v.High = d.Around()
	}
	return nil
}

// quantityValue reads number, number|system|code and number||code (FHIR R4, section 3.1.1.4.12).
func quantityValue(key, text string) (*projections.Value, *refusal) {
	parts := splitUnescaped(text, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return nil, invalid(key, "%.80q is no quantity; write number, number|system|code or number||code", text)
	}
	v := new(projections.Value)
	if err := numberInto(v, key, unescape(parts[0])); err != nil {
		return nil, err
	}
	if len(parts) == 1 {
		v.AnySystem, v.AnyCode = true, true
		return v, nil
	}
	v.System, v.Code = unescape(parts[1]), unescape(parts[2])
	v.AnyCode = v.Code == ""
	if v.AnySystem = v.System == ""; v.AnySystem {
		v.Text = v.Code
	}
	return v, nil
}
