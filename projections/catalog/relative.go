package catalog

import (
	"net/url"
	"slices"
	"strings"

	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog/extract"
	"binnacle/projections/catalog/literal"
)

// Relative returns a condition in which references under a base are relative, as they are in the resources that are
// stored. So a condition names no server, and means the same wherever it is read. Everything else stays as it is. What
// is malformed is refused by [Catalog.ParseCondition].
func (c *Catalog) Relative(typ, raw, base string) string {
	own := c.types.Of(typ)
	if own == nil || base == "" || !strings.Contains(raw, "=") {
		return raw
	}
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		key, text, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		value, badValue := url.QueryUnescape(text)
		code, _, _ := splitKey(name)
		param := own.Params[code]
		if err != nil || badValue != nil || param == nil {
			continue
		}
		if relative := relativeValue(param, value, base); relative != value {
			pairs[i] = key + "=" + url.QueryEscape(relative)
		}
	}
	return strings.Join(pairs, "&")
}

// relativeValue makes the references in a value of the parameter relative, those that stand as parts of a composite
// too.
func relativeValue(p *extract.Param, value, base string) string {
	alternatives := splitUnescaped(value, ',')
	for i, one := range alternatives {
		switch p.Kind {
		case projections.Reference:
			alternatives[i] = relativeReference(p.Datatypes, one, base)
		case projections.Composite:
			parts := splitUnescaped(one, '$')
			for n := range min(len(parts), len(p.Components)) {
				if part := p.Components[n]; part.Kind == projections.Reference {
					parts[n] = relativeReference(part.Datatypes, parts[n], base)
				}
			}
			alternatives[i] = strings.Join(parts, "$")
		}
	}
	return strings.Join(alternatives, ",")
}

// relativeReference leaves canonicals alone, which are stored as they were sent.
func relativeReference(datatypes []string, text, base string) string {
	rest, own := fhir.Below(text, base)
	rest = strings.TrimPrefix(rest, "/")
	if r := literal.ParseReference(rest); own && r.Relative && slices.Contains(datatypes, "Reference") {
		return rest
	}
	return text
}
