package r4

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"binnacle/events/fhir"
)

// Model is the structure of FHIR R4's resources: what elements a type has, of which types, and which of them repeat.
// JSON does not show the types, so every expression is resolved against the model when it is compiled. A model doesn't
// change and is safe for concurrent use.
type Model struct {
	types        map[string]typeDefinition
	elements     map[string]elementDefinition // by path: "Patient.contact.name", "Observation.value[x]"
	names        map[string][]string          // of the elements under a path, without [x], in their order
	systems      map[string][]string          // see [Model.CodeSystems]
	parts        map[string][]Part            // see [Model.PartsOf]
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

// Place is where a path has come to: a datatype, and where its elements are defined.
type Place struct {
	Path     string // "HumanName", "Patient.contact"
	Datatype string // "HumanName", "BackboneElement"
}

// PlaceOf is where a type has its elements.
func PlaceOf(typ string) Place { return Place{typ, typ} }

// Step is one way on from a place.
type Step struct {
	Key     string // in the JSON object
	Many    bool   // an array in JSON
	To      Place
	Element string // the element's path, for people
}

// readTypes reads the lines that r4/generate writes: "name kind parent" for a type, "path max types" for an element.
func (m *Model) readTypes() error {
	data, err := unpack(modelFile)
	if err != nil {
		return err
	}
	m.types, m.elements = make(map[string]typeDefinition, 256), make(map[string]elementDefinition, 8192)
	m.names = make(map[string][]string, 1024)
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		middle, last, found := strings.Cut(rest, " ")
		if !found {
			return fmt.Errorf("the line %q has no three parts", line)
		}
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			m.elements[name] = elementDefinition{many: middle == "*", types: last}
			m.names[name[:dot]] = append(m.names[name[:dot]], strings.TrimSuffix(name[dot+1:], "[x]"))
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
func (m *Model) Types() []string { return m.concrete }

// Parent is the type that a type inherits from; "" when there is none.
func (m *Model) Parent(typ string) string {
	if parent := m.types[typ].parent; parent != "-" {
		return parent
	}
	return ""
}

// Compartments are the parameters by which a resource is in a compartment, by the compartment's type and the
// resource's, as CompartmentDefinition writes them: "{def}" stands for the resource's own id. They must not be changed.
func (m *Model) Compartments() map[string]map[string][]string { return m.compartments }

// MainDate is the code of the date parameter that says when what a resource of the type tells of has happened; "" when
// it has none. See main-dates.txt.
func (m *Model) MainDate(typ string) string { return m.mainDates[typ] }

// IsResource tells whether a name is that of a resource type; the abstract ones are such, too.
func (m *Model) IsResource(name string) bool {
	t, ok := m.types[name]
	return ok && (t.kind == "resource" || name == "Resource" || name == "DomainResource")
}

// IsConcrete tells whether a name is one of [Model.Types].
func (m *Model) IsConcrete(name string) bool { return m.types[name].kind == "resource" }

// noEndpoint is the one type whose resources travel in requests and answers of operations alone (FHIR R4,
// parameters.html).
const noEndpoint = "Parameters"

// HasEndpoint tells whether a name is that of a resource type that has an endpoint: all of [Model.Types] but
// Parameters.
func (m *Model) HasEndpoint(name string) bool { return m.IsConcrete(name) && name != noEndpoint }

// IsA tells whether a type is another one or a descendant of it.
func (m *Model) IsA(name, ancestor string) bool {
	for ; name != ""; name = m.Parent(name) {
		if name == ancestor {
			return true
		}
	}
	return false
}

// IsPrimitive tells whether a datatype is a JSON string, number or boolean. Primitive types begin with a small letter.
func IsPrimitive(datatype string) bool { return datatype != "" && unicode.IsLower(rune(datatype[0])) }

// JSONKind tells how a datatype stands in JSON (FHIR R4, section 2.6.2).
func JSONKind(datatype string) fhir.JSONKind {
	switch datatype {
	case "boolean":
		return fhir.Bool
	case "integer", "decimal", "positiveInt", "unsignedInt":
		return fhir.Number
	}
	if IsPrimitive(datatype) {
		return fhir.String
	}
	return fhir.Object
}

// RootElement returns the name of an element at the root of a type, by that name or, for a choice, by its key in JSON
// ("valueQuantity" is "value"); "" when there is none.
func (m *Model) RootElement(typ, name string) string {
	if len(m.Steps(PlaceOf(typ), name)) > 0 {
		return name
	}
	for i := 1; i < len(name); i++ {
		if name[i] >= 'A' && name[i] <= 'Z' && slices.ContainsFunc(m.Steps(PlaceOf(typ), name[:i]), func(s Step) bool {
			return s.Key == name
		}) {
			return name[:i]
		}
	}
	return ""
}

// Steps returns the ways on from a place by an element's name: one for each datatype of a choice; none when there is no
// such element.
func (m *Model) Steps(from Place, name string) []Step {
	switch name { // every element has these
	case "id":
		return []Step{{Key: "id", To: PlaceOf("string"), Element: from.Path + ".id"}}
	case "extension":
		return []Step{{Key: "extension", Many: true, To: PlaceOf("Extension"), Element: from.Path + ".extension"}}
	}
	path := from.Path + "." + name
	if e, ok := m.elements[path]; ok {
		return m.expand(path, name, e, false)
	}
	if e, ok := m.elements[path+"[x]"]; ok {
		return m.expand(path+"[x]", name, e, true)
	}
	if parent := m.Parent(from.Path); parent != "" {
		return m.Steps(Place{parent, from.Datatype}, name)
	}
	return nil
}

func (m *Model) expand(path, name string, e elementDefinition, choice bool) []Step {
	if target, found := strings.CutPrefix(e.types, "#"); found {
		return []Step{{Key: name, Many: e.many, To: Place{target, m.elements[target].types}, Element: path}}
	}
	var steps []Step
	for datatype := range strings.SplitSeq(e.types, ",") {
		s := Step{Key: name, Many: e.many, To: PlaceOf(datatype), Element: path}
		if datatype == "BackboneElement" || datatype == "Element" {
			s.To.Path = path
		}
		if choice {
			s.Key = name + strings.ToUpper(datatype[:1]) + datatype[1:]
		}
		steps = append(steps, s)
	}
	return steps
}
