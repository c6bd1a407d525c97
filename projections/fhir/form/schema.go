package form

import (
	"strings"
	"sync"

	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

// class is what the definitions say of something that has elements: a resource, a datatype or a backbone element.
type class struct {
	path     string
	resource bool
	url      bool              // its url is an attribute, as that of an Extension is
	members  map[string]member // by the name of the element, which is the key in JSON, too
}

// member is an element of a class.
type member struct {
	name  string
	place int // in the order of the elements
	many  bool
	kind  kind
	json  fhir.JSONKind // of a primitive
	of    *class        // of what is complex
}

// kind is how an element stands in XML (FHIR R4, xml.html).
type kind uint8

const (
	complexKind kind = iota
	primitiveKind
	resourceKind  // holds one element, which is the resource
	narrativeKind // the div of a Narrative
)

// schema knows the classes of FHIR R4.
type schema struct {
	model   *r4.Model
	classes map[string]*class // by path
	element *class            // of what a primitive has beside its value
	names   map[string]string // of elements, types and attributes, and of what narratives have most
}

// theSchema makes the schema when the first content in XML comes, or is asked for.
var theSchema = sync.OnceValues(func() (*schema, error) {
	model, err := r4.Load()
	if err != nil {
		return nil, err
	}
	s := &schema{model: model, classes: make(map[string]*class, 1024), names: make(map[string]string, 4096)}
	s.element = s.classOf(r4.PlaceOf("Element"))
	for _, typ := range model.Types() {
		s.classOf(r4.PlaceOf(typ))
		s.names[typ] = typ
	}
	for _, name := range []string{"xmlns", "value", "div", "p", "b", "a", "br", "table", "tbody", "tr", "td", "th", "span",
		"style", "class", "href"} {
		s.names[name] = name
	}
	return s, nil
})

// resource returns the class of a resource type; nil when there is none.
func (s *schema) resource(typ string) *class {
	if !s.model.IsConcrete(typ) {
		return nil
	}
	return s.classes[typ]
}

// classOf makes the class of each place once: types contain each other.
func (s *schema) classOf(at r4.Place) *class {
	if known := s.classes[at.Path]; known != nil {
		return known
	}
	c := &class{path: at.Path, resource: s.model.IsResource(at.Path), url: at.Path == "Extension"}
	s.classes[at.Path] = c
	steps := s.model.Ordered(at)
	c.members = make(map[string]member, len(steps))
	for place, step := range steps {
		m := member{name: step.Key, place: place, many: step.Many}
		switch typ := step.To.Datatype; {
		case typ == "xhtml":
			m.kind = narrativeKind
		case typ == "Resource":
			m.kind = resourceKind
		case r4.IsPrimitive(typ):
			m.kind, m.json = primitiveKind, r4.JSONKind(typ)
		default:
			m.of = s.classOf(step.To)
		}
		c.members[step.Key] = m
		s.names[m.name] = m.name
	}
	return c
}

// attribute tells whether an element of the class is an attribute in XML.
func (c *class) attribute(name string) bool {
	return name == "id" && !c.resource || name == "url" && c.url
}

// twinOf returns the name of the primitive element that a key with an underscore in front belongs to.
func twinOf(key string) (name string, is bool) { return strings.CutPrefix(key, "_") }
