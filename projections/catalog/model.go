package catalog

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"binnacle/events/fhir"
)

// model is the FHIR R4 type model: what elements a type has, of which types, and which of them repeat. JSON does not show the types,
// so every expression is resolved against the model when it is compiled.
type model struct {
	types    map[string]typeDefinition
	elements map[string]elementDefinition // by path: "Patient.contact.name", "Observation.value[x]"
	systems  map[string][]string          // of codes, by path: the code systems of their value sets, as far as they are known
	concrete []string                     // the resource types that are not abstract, sorted
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

// step is one way on from a place.
type step struct {
	key     string // in the JSON object
	many    bool   // an array in JSON
	to      place
	element string // the element's path, for people
}

// parseModel reads the lines that r4/generate writes: "name kind parent" for a type, "path max types" for an element.
func parseModel(compressed []byte) (*model, error) {
	data, err := unpack(compressed)
	if err != nil {
		return nil, err
	}
	m := &model{types: make(map[string]typeDefinition, 256), elements: make(map[string]elementDefinition, 8192)}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		middle, last, found := strings.Cut(rest, " ")
		if !found {
			return nil, fmt.Errorf("the line %q of the type model has no three parts", line)
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
	return m, nil
}

func (m *model) isResource(name string) bool {
	t, ok := m.types[name]
	return ok && (t.kind == "resource" || name == "Resource" || name == "DomainResource")
}

// isA tells whether a type is another one or a descendant of it.
func (m *model) isA(name, ancestor string) bool {
	for name != "" && name != "-" {
		if name == ancestor {
			return true
		}
		name = m.types[name].parent
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

// steps returns the ways on from a place by an element's name: one for each datatype of a choice; none when there is no such element.
func (m *model) steps(from place, name string) []step {
	switch name { // every element has these
	case "id":
		return []step{{key: "id", to: place{"string", "string"}, element: from.path + ".id"}}
	case "extension":
		return []step{{key: "extension", many: true, to: place{"Extension", "Extension"}, element: from.path + ".extension"}}
	}
	path := from.path + "." + name
	if e, ok := m.elements[path]; ok {
		return m.expand(path, name, e, false)
	}
	if e, ok := m.elements[path+"[x]"]; ok {
		return m.expand(path+"[x]", name, e, true)
	}
	if parent := m.types[from.path].parent; parent != "" && parent != "-" {
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
		s := step{key: name, many: e.many, to: place{datatype, datatype}, element: path}
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
