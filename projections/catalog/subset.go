package catalog

import (
	"slices"
	"strings"
	"sync"

	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

// kept is what is kept of an object.
type kept struct {
	whole bool // everything
	keys  map[string]*kept
}

var everything = &kept{whole: true}

// summaries tells what summaries keep.
type summaries struct {
	model *r4.Model
	mu    sync.Mutex
	made  map[string]*kept // by the path of their place
}

func newSummaries(m *r4.Model) *summaries { return &summaries{model: m, made: map[string]*kept{}} }

// of returns what a summary keeps of the resources of a type.
func (s *summaries) of(typ string) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at(r4.PlaceOf(typ))
}

// at returns what a summary keeps at a place. A type that has no element marked as summary is kept whole where it
// stands in one.
func (s *summaries) at(at r4.Place) *kept {
	if made := s.made[at.Path]; made != nil {
		return made
	}
	elements := s.model.PartsOf(at.Path)
	if r4.IsPrimitive(at.Datatype) || s.model.IsResource(at.Path) && strings.HasSuffix(at.Path, "Resource") ||
		!slices.ContainsFunc(elements, func(e r4.Part) bool { return e.Summary && e.Name != "modifierExtension" }) {
		return everything
	}
	made := &kept{keys: make(map[string]*kept, len(elements))}
	s.made[at.Path] = made // types may hold themselves
	for _, e := range elements {
		for _, way := range s.model.Steps(at, e.Name) {
			made.keys[way.Key] = s.at(way.To)
		}
	}
	return made
}

// Subset is a part of the resources of one type that a client has asked for. It is safe for concurrent use.
type Subset struct {
	kept *kept
	text bool // without text, else whole: _summary=data
}

// Subset returns the part of a type's resources that _summary or _elements asks for; nil when that is everything.
// Beside what is asked for the type, the id, meta and the mandatory elements are kept (FHIR R4 search, 3.1.1.5.8 and
// 3.1.1.5.9).
func (c *Catalog) Subset(typ string, summary Summary, elements []string) *Subset {
	switch {
	case summary == SummaryData:
		return &Subset{text: true}
	case summary == SummaryTrue:
		root := c.summaries.of(typ)
		part := &kept{keys: map[string]*kept{"resourceType": everything}}
		for key, inner := range root.keys {
			part.keys[key] = inner
		}
		return &Subset{kept: part}
	case summary == SummaryText:
		elements = []string{"text"}
	case elements == nil:
		return nil
	}
	part := &kept{keys: map[string]*kept{"resourceType": everything, "id": everything, "meta": everything}}
	keep := func(name string) {
		for _, s := range c.model.Steps(r4.PlaceOf(typ), name) {
			part.keys[s.Key], part.keys["_"+s.Key] = everything, everything
		}
	}
	for _, name := range elements {
		keep(c.model.RootElement(typ, name))
	}
	for _, e := range c.model.PartsOf(typ) {
		if e.Mandatory {
			keep(e.Name)
		}
	}
	return &Subset{kept: part}
}

// ParseSubset reads _summary and _elements where one resource of a type is read, and passes over all other parameters;
// nil when everything is wanted. Errors are of kind Invalid.
func (c *Catalog) ParseSubset(typ, raw string) (*Subset, error) {
	summary, elements, err := c.ParseParts([]string{typ}, raw)
	if err != nil {
		return nil, err
	}
	if summary == SummaryOfCount {
		return nil, invalid("_summary", "count is for searches; true, text, data and false are for a read").error()
	}
	return c.Subset(typ, summary, elements), nil
}

// ParseParts reads _summary and _elements where resources of some types are read, and passes over all other parameters.
// Each element must be one of at least one type. Errors are of kind Invalid.
func (c *Catalog) ParseParts(types []string, raw string) (Summary, []string, error) {
	p, err := c.newQueryParser(Options{Type: types[0]})
	if err != nil {
		return WholeResource, nil, err
	}
	if len(types) > 1 {
		p.system = types
	}
	err = each(raw, func(key, value string) error {
		if code, _, _ := splitKey(key); code != "_summary" && code != "_elements" {
			return nil
		}
		return p.param(key, value)
	})
	if err != nil {
		return WholeResource, nil, err
	}
	parsed, err := p.finish()
	return parsed.Summary, parsed.Elements, err
}

// subsetted is the tag of a resource that is not all there (FHIR R4 search, 3.1.1.5.8).
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue",` +
	`"code":"SUBSETTED","display":"subsetted"}`

// Append appends the part of a resource to dst, tagged as a part. What is kept has the bytes that it had.
func (s *Subset) Append(dst []byte, doc *fhir.Document) []byte {
	root := doc.Root()
	dst = append(dst, '{')
	comma := false
	member := func(key string) {
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = fhir.AppendString(dst, key)
		dst = append(dst, ':')
	}
	tagged := false
	for key, value := range root.Fields() {
		switch {
		case key == "meta" && value.Kind() == fhir.Object:
			member(key)
			dst = appendTagged(dst, value)
			tagged = true
		case s.text:
			if key != "text" && key != "_text" {
				member(key)
				dst = append(dst, value.Raw()...)
			}
		default:
			if inner := s.kept.keys[key]; inner != nil && key != "meta" {
				member(key)
				dst = appendPart(dst, value, inner)
			}
		}
	}
	if !tagged {
		member("meta")
		dst = append(append(append(dst, `{"tag":[`...), subsetted...), "]}"...)
	}
	return append(dst, '}')
}

// appendTagged appends a meta with one more tag.
func appendTagged(dst []byte, meta fhir.Node) []byte {
	dst = append(dst, '{')
	for key, value := range meta.Fields() {
		if key != "tag" {
			dst = fhir.AppendString(dst, key)
			dst = append(append(append(dst, ':'), value.Raw()...), ',')
		}
	}
	dst = append(dst, `"tag":[`...)
	if tag := meta.Get("tag"); tag.Kind() == fhir.Array {
		for one := range tag.Items() {
			dst = append(append(dst, one.Raw()...), ',')
		}
	}
	return append(append(dst, subsetted...), "]}"...)
}

// appendPart appends what is kept of a value.
func appendPart(dst []byte, v fhir.Node, part *kept) []byte {
	switch {
	case part.whole:
	case v.Kind() == fhir.Array:
		dst = append(dst, '[')
		first := true
		for item := range v.Items() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendPart(dst, item, part)
		}
		return append(dst, ']')
	case v.Kind() == fhir.Object:
		dst = append(dst, '{')
		first := true
		for key, value := range v.Fields() {
			inner := part.keys[key]
			if inner == nil {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = fhir.AppendString(dst, key)
			dst = append(dst, ':')
			dst = appendPart(dst, value, inner)
		}
		return append(dst, '}')
	}
	return append(dst, v.Raw()...)
}
