package fhir

import "binnacle/events"

// Resource is a checked view of one resource: it has a type, and an id when the document has one. What stands in it
// beyond resourceType, id and meta is not looked at.
type Resource struct {
	Node Node   // the whole resource
	Type string // resourceType, checked by its shape only
	ID   string // empty when there is none
	Meta Node   // an object, or the zero Node
}

// ParseResource parses data and returns its one resource; see [Parse] and [ResourceOf] for the errors.
func ParseResource(data []byte) (Resource, error) {
	d, err := Parse(data)
	if err != nil {
		return Resource{}, err
	}
	return ResourceOf(d.Root())
}

// ResourceOf reads n as a resource (FHIR R4, resource.html). An error is of kind Invalid and names the place: no
// object, no resourceType or one that is no name, an id that [CheckID] refuses, a meta of the wrong kind, or the tag
// SUBSETTED, which marks a resource that a server sent incompletely (search.html, section "Summary"): stored, it
// would destroy the parts left out.
func ResourceOf(n Node) (Resource, error) {
	const op = "fhir.ResourceOf"
	if n.Kind() != Object {
		return Resource{}, events.Errorf(events.Invalid, op, "a resource must be a JSON object").At(n.Path())
	}
	r := Resource{Node: n, Meta: n.Get("meta")}
	var wrong *events.Error
	if r.Type, wrong = typeOf(n); wrong != nil {
		return Resource{}, wrong
	}
	if id := n.Get("id"); id.Exists() {
		if id.Kind() != String {
			return Resource{}, events.Errorf(events.Invalid, op, "id must be a string").At(id.Path())
		}
		if err := checkID(id.Text()); err != nil {
			return Resource{}, err.At(id.Path())
		}
		r.ID = id.Text()
	}
	switch r.Meta.Kind() {
	case None, Object:
	case Null:
		r.Meta = Node{}
	default:
		return Resource{}, events.Errorf(events.Invalid, op, "meta must be an object").At(r.Meta.Path())
	}
	for tag := range r.Meta.Get("tag").Items() {
		if tag.Get("code").Text() == "SUBSETTED" &&
			tag.Get("system").Text() == "http://terminology.hl7.org/CodeSystem/v3-ObservationValue" {
			return Resource{}, events.Errorf(events.Invalid, op,
				"the resource is tagged SUBSETTED: parts of it were left out when it was read; read it whole, then "+
					"change it").At(tag.Path())
		}
	}
	return r, nil
}

// typeOf reads the resourceType of an object, by its shape only.
func typeOf(n Node) (string, *events.Error) {
	const op = "fhir.ResourceOf"
	name := n.Get("resourceType")
	switch {
	case !name.Exists():
		return "", events.Errorf(events.Invalid, op, "resourceType is missing").At(n.Path())
	case name.Kind() != String || !isTypeName(name.Text()):
		return "", events.Errorf(events.Invalid, op,
			"resourceType must be the name of a resource type, as in \"Patient\"").At(name.Path())
	}
	return name.Text(), nil
}

// CheckID refuses what is no id (FHIR R4, datatypes.html#id): 1 to 64 of A–Z, a–z, 0–9, "-" and ".". The error is of
// kind Invalid.
func CheckID(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return nil
}

func checkID(id string) *events.Error {
	if IsID(id) {
		return nil
	}
	return events.Errorf(events.Invalid, "fhir.CheckID",
		"%q is no id; an id has 1 to 64 letters, digits, - and . (A-Z a-z 0-9)", cut(id, maxPathKey))
}

// IsID tells whether a text has the form of an id: 1 to 64 letters, digits, - and . (FHIR R4, datatypes.html#id).
func IsID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isTypeName tells whether s has the shape of a resource type: a capital and letters, at most 64.
func isTypeName(s string) bool {
	if len(s) < 2 || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isLetter(s[i]) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
