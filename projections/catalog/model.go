package catalog

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"binnacle/events/fhir"
)

// model is the structure of FHIR R4's resources: what elements a type has, of which types, and which of them repeat.
// JSON does not show the types, so every expression is resolved against the model when it is compiled. A model doesn't
// change and is safe for concurrent use.
type model struct {
	types        map[string]typeDefinition
	elements     map[string]elementDefinition // by path: "Patient.contact.name", "Observation.value[x]"
	systems      map[string][]string          // see codeSystems
	parts        map[string][]part            // see partsOf
	concrete     []string                     // the resource types that are not abstract, sorted
	compartments map[string]map[string][]string
	mainDates    map[string]string
	shapes       func() map[string]*fhir.Shape
}

type typeDefinition struct {
	kind   string // "resource", "abstract", "complex-type" or "primitive-type"
	parent string
}

type elementDefinition struct {
	many  bool
	types string // datatypes with commas between; "#" and a path: the elements are defined there
}

// place is where a path has come to: a datatype, and where its elements are defined.
type place struct {
	path     string // "HumanName", "Patient.contact"
	datatype string // "HumanName", "BackboneElement"
}

// placeOf is where a type has its elements.
func placeOf(typ string) place { return place{typ, typ} }

// step is one way on from a place.
type step struct {
	key     string // in the JSON object
	many    bool   // an array in JSON
	to      place
	element string // the element's path, for people
}

// readTypes reads the lines that r4/generate writes: "name kind parent" for a type, "path max types" for an element.
func (m *model) readTypes() error {
	data, err := unpack(modelFile)
	if err != nil {
		return err
	}
	m.types, m.elements = make(map[string]typeDefinition, 256), make(map[string]elementDefinition, 8192)
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		middle, last, found := strings.Cut(rest, " ")
		if !found {
			return fmt.Errorf("the line %q has no three parts", line)
		}
		if strings.Contains(name, ".") {
			m.elements[name] = elementDefinition{many: middle == "*", types: last}
			continue
		}
		m.types[name] = typeDefinition{kind: middle, parent: last}
		if middle == "resource" {
			m.concrete = append(m.concrete, name)
		}
	}
	slices.Sort(m.concrete)
	return nil
}

// Types are the resource types that are not abstract, sorted. They must not be changed.
func (m *model) Types() []string { return m.concrete }

// parent is the type that a type inherits from; "" when there is none.
func (m *model) parent(typ string) string {
	if parent := m.types[typ].parent; parent != "-" {
		return parent
	}
	return ""
}

// Compartments are the parameters by which a resource is in a compartment, by the compartment's type and the
// resource's, as CompartmentDefinition writes them: "{def}" stands for the resource's own id. They must not be changed.
func (m *model) Compartments() map[string]map[string][]string { return m.compartments }

// mainDate is the code of the date parameter that says when what a resource of the type tells of has happened; "" when
// it has none. See main-dates.txt.
func (m *model) mainDate(typ string) string { return m.mainDates[typ] }

// isResource tells whether a name is that of a resource type; the abstract ones are such, too.
func (m *model) isResource(name string) bool {
	t, ok := m.types[name]
	return ok && (t.kind == "resource" || name == "Resource" || name == "DomainResource")
}

// isConcrete tells whether a name is one of [model.Types].
func (m *model) isConcrete(name string) bool { return m.types[name].kind == "resource" }

// noEndpoint is the one type whose resources travel in requests and answers of operations alone (FHIR R4,
// parameters.html).
const noEndpoint = "Parameters"

// hasEndpoint tells whether a name is that of a resource type that has an endpoint: all of [model.Types] but Parameters.
func (m *model) hasEndpoint(name string) bool { return m.isConcrete(name) && name != noEndpoint }

// isA tells whether a type is another one or a descendant of it.
func (m *model) isA(name, ancestor string) bool {
	for ; name != ""; name = m.parent(name) {
		if name == ancestor {
			return true
		}
	}
	return false
}

// isPrimitive tells whether a datatype is a JSON string, number or boolean. Primitive types begin with a small letter.
func isPrimitive(datatype string) bool { return datatype != "" && unicode.IsLower(rune(datatype[0])) }

// jsonKind tells how a datatype stands in JSON (FHIR R4, section 2.6.2).
func jsonKind(datatype string) fhir.JSONKind {
	switch datatype {
	case "boolean":
		return fhir.Bool
	case "integer", "decimal", "positiveInt", "unsignedInt":
		return fhir.Number
	}
	if isPrimitive(datatype) {
		return fhir.String
	}
	return fhir.Object
}

// rootElement returns the name of an element at the root of a type, by that name or, for a choice, by its key in JSON
// ("valueQuantity" is "value"); "" when there is none.
func (m *model) rootElement(typ, name string) string {
	if len(m.steps(placeOf(typ), name)) > 0 {
		return name
	}
	for i := 1; i < len(name); i++ {
		if name[i] >= 'A' && name[i] <= 'Z' && slices.ContainsFunc(m.steps(placeOf(typ), name[:i]), func(s step) bool { return s.key == name }) {
			return name[:i]
		}
	}
	return ""
}

// steps returns the ways on from a place by an element's name: one for each datatype of a choice; none when there is no such element.
func (m *model) steps(from place, name string) []step {
	switch name { // every element has these
	case "id":
		return []step{{key: "id", to: placeOf("string"), element: from.path + ".id"}}
	case "extension":
		return []step{{key: "extension", many: true, to: placeOf("Extension"), element: from.path + ".extension"}}
	}
	path := from.path + "." + name
	if e, ok := m.elements[path]; ok {
		return m.expand(path, name, e, false)
	}
	if e, ok := m.elements[path+"[x]"]; ok {
		return m.expand(path+"[x]", name, e, true)
	}
	if parent := m.parent(from.path); parent != "" {
		return m.steps(place{parent, from.datatype}, name)
	}
	return nil
}

func (m *model) expand(path, name string, e elementDefinition, choice bool) []step {
	if target, found := strings.CutPrefix(e.types, "#"); found {
		return []step{{key: name, many: e.many, to: place{target, m.elements[target].types}, element: path}}
	}
	var steps []step
	for datatype := range strings.SplitSeq(e.types, ",") {
		s := step{key: name, many: e.many, to: placeOf(datatype), element: path}
		if datatype == "BackboneElement" || datatype == "Element" {
			s.to.path = path
		}
		if choice {
			s.key = name + strings.ToUpper(datatype[:1]) + datatype[1:]
		}
		steps = append(steps, s)
	}
	return steps
}
