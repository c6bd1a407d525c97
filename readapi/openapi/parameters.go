package openapi

import (
	"net/http"
	"strings"

	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/catalog"
	"binnacle/projections/catalog/extract"
)

// meanings are the parameters and headers that rows name.
var meanings = map[string]string{
	"_format":                "The format of the answer, over Accept: json, xml, or a media type",
	"_pretty":                "true: the answer is indented",
	"_summary":               "true, false, text, data or count: a part of each resource",
	"_elements":              "The elements of each resource that are wanted, with commas between",
	"_count":                 "Entries on a page",
	"_sort":                  "Parameters to order by, with commas between; -date is descending",
	"_total":                 "none, estimate or accurate",
	"_include":               "What the matches refer to comes, too: Observation:subject",
	"_revinclude":            "What refers to the matches comes, too: Observation:subject",
	"_type":                  "The types that are asked for, with commas between",
	"_asOf":                  "A position of the log: as it was then",
	"_explain":               "true: the plan of the search in words",
	"_since":                 "Versions from this instant on",
	"_at":                    "Versions that were current at this time, or with ge, gt, le or lt before it, since or until then",
	"_list":                  "Resources that a List names",
	"mode":                   "full",
	"If-Match":               `The version that must be current: W/"3"`,
	"If-None-Match":          `On reads: the versions that the client has. On writes: * writes only what is not there`,
	"If-None-Exist":          "A search: create only if nothing fits it",
	"If-Modified-Since":      "The time of the client's copy",
	"Prefer":                 "return=minimal, representation or OperationOutcome; handling=strict or lenient; respond-async",
	"Idempotency-Key":        "The request may be sent again under the same key, and has one outcome",
	"Accept":                 "Media types of the answer",
	"Range":                  "The bytes that are wanted",
	"If-Range":               "The version of which the range is wanted; else all of it comes",
	"X-Provenance":           "A Provenance without target, which is stored with what it tells of",
	"X-Security-Context":     "A reference to what tells who may see the Binary",
	rest.ParamCascade:        "delete: what refers to what goes goes with it; none",
	rest.HeaderCascade:       "delete: what refers to what goes goes with it; none",
	rest.HeaderMinPosition:   "A position of the log that the answer must have reached",
	rest.HeaderAllowDangling: "true: references need not lead to something",
	rest.HeaderAcknowledge:   "log: the answer comes when the write is in the log; nobody waits for its outcome",
}

// known is the reference to a parameter that rows name.
func (w *writer) known(name, in string) reference {
	return w.refer(name, parameter{Name: name, In: in, Description: meanings[name], Schema: text()})
}

// refer makes a component of a parameter.
func (w *writer) refer(key string, p parameter) reference {
	key = strings.NewReplacer("[", "", "]", "", ":", "-").Replace(key)
	w.parameters[key] = p
	return reference{"#/components/parameters/" + key}
}

// ofPath is a parameter of a path.
func (w *writer) ofPath(row *rest.Row, name string) any {
	one := parameter{Name: name, In: "path", Required: true, Schema: text()}
	switch {
	case name == "type" && row.Types != nil:
		one.Schema = schema{"type": "string", "enum": row.Types}
		return one
	case name == "type" && strings.Contains(row.Path, ":inside"):
		one.Schema, one.Description = schema{"type": "string", "enum": w.Catalog.Compartments()}, "A compartment"
		return w.refer("compartment", one)
	case name == "type":
		one.Schema = *of("Type")
	case name == "inside":
		one.Schema = schema{"anyOf": []schema{*of("Type"), {"const": "*"}}}
		one.Description = "A type, or * for all"
	case name == "id":
		one.Schema = schema{"type": "string", "pattern": `^[A-Za-z0-9\-.]{1,64}$`}
		one.Description = "The id of a resource"
	case name == "version":
		one.Description = "The number of a version"
	}
	return w.refer("path-"+name, one)
}

// criteria are the search parameters of a type, or with "" those that all types have, and others. A write by criteria
// has the same ones as a search, and does not list them again.
func (w *writer) criteria(row *rest.Row, typ string) []any {
	explode := true
	list := []any{w.refer("more", parameter{Name: "more", In: "query", Style: "form", Explode: &explode,
		Description: "Parameters with modifiers (name:exact), chains (subject.name), _has, and those of all types that " +
			"are asked for; metadata lists the parameters of each type",
		Schema: schema{"type": "object", "additionalProperties": text()}})}
	if row.Method != http.MethodGet {
		return list
	}
	params := ofAllTypes(w.Catalog)
	if typ != "" {
		params = w.Catalog.Params(typ)
	}
	for _, param := range params {
		if param.Searchable() {
			list = append(list, w.refer(param.Code+"-"+nameOf(param), parameter{Name: param.Code, In: "query",
				Description: usageOf(param), Schema: text()}))
		}
	}
	return list
}

// ofAllTypes are the search parameters that each type has from its base.
func ofAllTypes(known *catalog.Catalog) (params []*extract.Param) {
	for _, param := range known.Params(known.Types()[0]) {
		if param.Searchable() && param.Type == "Resource" {
			params = append(params, param)
		}
	}
	return params
}

// nameOf tells parameters of one code apart, of which types have others: those that are written alike are one.
func nameOf(param *extract.Param) string {
	if param.Kind == projections.Composite {
		return param.Type
	}
	return param.Kind.String()
}

// usageOf tells of what type a search parameter is, and how its values are written where that isn't plain.
func usageOf(param *extract.Param) string {
	kind := param.Kind.String()
	switch param.Kind {
	case projections.Token:
		return kind + ": code, system|code"
	case projections.Reference:
		return kind + ": Type/id"
	case projections.Quantity:
		return kind + ": [prefix]number|system|code"
	case projections.Date, projections.Number:
		return kind + ": [prefix]value; prefixes eq, ne, gt, lt, ge, le, sa, eb, ap"
	case projections.Composite:
		names := make([]string, len(param.Components))
		for n, part := range param.Components {
			names[n] = part.Code
		}
		return kind + ": " + strings.Join(names, "$")
	}
	return kind
}
