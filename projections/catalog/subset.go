package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"binnacle/events/fhir"
)

// parts tells which elements are mandatory or belong to a summary (StructureDefinition: min, isSummary), and how parts of resources are cut out.
type parts struct {
	model    *model
	elements map[string][]element // of a type or a backbone element, by its path
	mu       sync.Mutex
	made     map[string]*part // of summaries, by the path of their place
}

// element is one that is mandatory or in a summary.
type element struct {
	name               string // without [x]
	summary, mandatory bool
}

// part is what is kept of an object.
type part struct {
	whole bool // everything
	keys  map[string]*part
}

var wholePart = &part{whole: true}

// parseParts reads the lines that r4/generate writes: "path letters", s for summary, m for mandatory.
func parseParts(compressed []byte, m *model) (*parts, error) {
	data, err := unpack(compressed)
	if err != nil {
		return nil, err
	}
	p := &parts{model: m, elements: make(map[string][]element, 1024), made: map[string]*part{}}
	for line := range strings.Lines(string(data)) {
		path, letters, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		dot := strings.LastIndexByte(path, '.')
		if !found || dot < 0 {
			return nil, fmt.Errorf("the line %q of the parts has no path and letters", line)
		}
		p.elements[path[:dot]] = append(p.elements[path[:dot]], element{name: strings.TrimSuffix(path[dot+1:], "[x]"),
			summary: strings.Contains(letters, "s"), mandatory: strings.Contains(letters, "m")})
	}
	return p, nil
}

// summary returns what a summary keeps at a place. Types of which no element is in a summary are kept whole where they stand in one.
func (p *parts) summary(at place) *part {
	if made := p.made[at.path]; made != nil {
		return made
	}
	elements := p.elements[at.path]
	if isPrimitive(at.datatype) || p.model.isResource(at.path) && strings.HasSuffix(at.path, "Resource") ||
		!slices.ContainsFunc(elements, func(e element) bool { return e.summary && e.name != "modifierExtension" }) {
		return wholePart
	}
	made := &part{keys: make(map[string]*part, len(elements))}
	p.made[at.path] = made // types may hold themselves
	for _, e := range elements {
		for _, s := range p.model.steps(at, e.name) {
			made.keys[s.key] = p.summary(s.to)
		}
	}
	return made
}

// Subset is a part of the resources of one type that a client has asked for. It is safe for concurrent use.
type Subset struct {
	part *part
	text bool // without text, else whole: _summary=data
}

// Subset returns the part of a type's resources that _summary or _elements asks for; nil when that is everything. Beside what is asked for the
// type, the id, meta and the mandatory elements are kept (FHIR R4 search, 3.1.1.5.8 and 3.1.1.5.9).
func (c *Catalog) Subset(typ string, summary Summary, elements []string) *Subset {
	p := c.parts
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case summary == SummaryData:
		return &Subset{text: true}
	case summary == SummaryTrue:
		root := p.summary(place{typ, typ})
		kept := &part{keys: map[string]*part{"resourceType": wholePart}}
		for key, inner := range root.keys {
			kept.keys[key] = inner
		}
		return &Subset{part: kept}
	case summary == SummaryText:
		elements = []string{"text"}
	case elements == nil:
		return nil
	}
	kept := &part{keys: map[string]*part{"resourceType": wholePart, "id": wholePart, "meta": wholePart}}
	keep := func(name string) {
		for _, s := range p.model.steps(place{typ, typ}, name) {
			kept.keys[s.key], kept.keys["_"+s.key] = wholePart, wholePart
		}
	}
	for _, name := range elements {
		keep(c.rootElement(typ, name))
	}
	for _, e := range p.elements[typ] {
		if e.mandatory {
			keep(e.name)
		}
	}
	return &Subset{part: kept}
}

// ParseSubset reads _summary and _elements where one resource of a type is read, and passes over all other parameters; nil when everything is
// wanted. Errors are of kind Invalid.
func (c *Catalog) ParseSubset(typ, raw string) (*Subset, error) {
	p, err := c.newQueryParser(Options{Type: typ})
	if err != nil {
		return nil, err
	}
	err = each(raw, func(key, value string) error {
		if code, _, _ := splitKey(key); code != "_summary" && code != "_elements" {
			return nil
		}
		return p.param(key, value)
	})
	if err != nil {
		return nil, err
	}
	parsed, err := p.finish()
	if err != nil {
		return nil, err
	}
	if parsed.Summary == SummaryOfCount {
		return nil, invalid("_summary", "count is for searches; true, text, data and false are for a read").error()
	}
	return c.Subset(typ, parsed.Summary, parsed.Elements), nil
}

// rootElement returns the name of an element at the root of a type, by that name or, for a choice, by its key in JSON ("valueQuantity" is
// "value"); "" when there is none.
func (c *Catalog) rootElement(typ, name string) string {
	if len(c.model.steps(place{typ, typ}, name)) > 0 {
		return name
	}
	for i := 1; i < len(name); i++ {
		if name[i] >= 'A' && name[i] <= 'Z' && slices.ContainsFunc(c.model.steps(place{typ, typ}, name[:i]), func(s step) bool { return s.key == name }) {
			return name[:i]
		}
	}
	return ""
}

// subsetted is the tag of a resource that is not all there (FHIR R4 search, 3.1.1.5.8).
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"}`

// Append appends the part of a resource to dst, tagged as such. What is kept stands as it stood.
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
			if inner := s.part.keys[key]; inner != nil && key != "meta" {
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
func appendPart(dst []byte, v fhir.Node, kept *part) []byte {
	switch {
	case kept.whole:
	case v.Kind() == fhir.Array:
		dst = append(dst, '[')
		first := true
		for item := range v.Items() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendPart(dst, item, kept)
		}
		return append(dst, ']')
	case v.Kind() == fhir.Object:
		dst = append(dst, '{')
		first := true
		for key, value := range v.Fields() {
			inner := kept.keys[key]
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
