package r4

import (
	"slices"
	"strings"

	"binnacle/events/fhir"
)

// Shape tells which elements of a resource type name resources, for [fhir.References]; nil for a type that is not
// known. Elements of the types uri, url, oid and uuid may link to an entry of a transaction (FHIR R4,
// http.html#trules), apart from those that give something its name: the url of an Extension and of a definition, and
// the system of a code or an identifier. Canonicals never do.
func (m *Model) Shape(typ string) *fhir.Shape { return m.shapes()[typ] }

// makeShapes makes the shapes of all resource types.
func (m *Model) makeShapes() map[string]*fhir.Shape {
	b := shaper{model: m, known: make(map[string]*fhir.Shape)}
	found := make(map[string]*fhir.Shape, len(m.concrete))
	for _, typ := range m.concrete {
		found[typ] = b.of(PlaceOf(typ))
	}
	found["Bundle"].Opaque = true
	return found
}

// shaper makes the shape of each place once: types contain each other.
type shaper struct {
	model *Model
	known map[string]*fhir.Shape
}

var (
	noShape        = &fhir.Shape{}
	uriShape       = &fhir.Shape{Kind: fhir.URIPlace}
	referenceShape = &fhir.Shape{Kind: fhir.ReferencePlace}
	narrativeShape = &fhir.Shape{Kind: fhir.NarrativePlace}
	resourceShape  = &fhir.Shape{Resource: true}
)

// of returns the shape of what has elements.
func (b *shaper) of(at Place) *fhir.Shape {
	if known := b.known[at.Path]; known != nil {
		return known
	}
	shape := new(fhir.Shape)
	b.known[at.Path] = shape
	names := []string{"id", "extension"}
	for path := at.Path; path != ""; path = b.model.Parent(path) {
		names = append(names, b.model.names[path]...)
	}
	for _, name := range names {
		for _, s := range b.model.Steps(at, name) {
			if !shape.Has(s.Key) {
				shape.Set(s.Key, b.step(s), fhir.Form{JSON: JSONKind(s.To.Datatype), Many: s.Many})
			}
		}
	}
	shape.Set(fhir.TwinMember, b.of(PlaceOf("Element")), fhir.Form{JSON: fhir.Object})
	return shape
}

func (b *shaper) step(s Step) *fhir.Shape {
	switch datatype := s.To.Datatype; {
	case s.Element == "Reference.reference":
		return referenceShape
	case datatype == "xhtml":
		return narrativeShape
	case datatype == "Resource":
		return resourceShape
	case !IsPrimitive(datatype):
		return b.of(s.To)
	case slices.Contains([]string{"uri", "url", "oid", "uuid"}, datatype) && !b.model.givesName(s.Element):
		return uriShape
	}
	return noShape
}

// givesName tells whether an element of a URI type says what something is called, rather than where it is.
func (m *Model) givesName(element string) bool {
	dot := strings.LastIndexByte(element, '.')
	switch of, name := element[:dot], element[dot+1:]; name {
	case "system":
		return true
	case "url": // only definitions say the context of their use
		_, definition := m.elements[of+".useContext"]
		return definition || element == "Extension.url"
	case "source", "target":
		return of == "ConceptMap.group" // code systems
	}
	return false
}
