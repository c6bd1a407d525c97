package r4

// Ordered are the ways on from a place in the order that its elements have in XML (FHIR R4, xml.html): one for each
// element, and for each datatype of a choice. Extensions come before those that modify, else first; a resource that is
// no DomainResource has none.
func (m *Model) Ordered(from Place) []Step {
	names := m.names[from.Path]
	steps := m.Steps(from, "id")
	if m.IsResource(from.Path) {
		steps[0].To = PlaceOf("id")
	}
	extension := !m.IsResource(from.Path)
	if extension && !m.has(from, "modifierExtension") {
		steps = append(steps, m.Steps(from, "extension")...)
	}
	for _, name := range names {
		if name == "modifierExtension" {
			steps = append(steps, m.Steps(from, "extension")...)
		}
		steps = append(steps, m.Steps(from, name)...)
	}
	return steps
}

// has tells whether a place has an element of its own by a name.
func (m *Model) has(from Place, name string) bool {
	_, found := m.elements[from.Path+"."+name]
	return found
}
