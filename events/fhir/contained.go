package fhir

import "binnacle/events"

// Contained is what a resource contains (FHIR R4, references.html#contained). The zero value contains nothing.
type Contained struct {
	start, end int // of the list in Document.Bytes
	ids        map[string]bool
}

// ContainedOf reads what a resource contains. An error is of kind Invalid: two of these resources have one id. It names the second.
func ContainedOf(resource Node) (Contained, error) {
	list := resource.Get("contained")
	if list.Kind() != Array {
		return Contained{}, nil
	}
	c := Contained{ids: make(map[string]bool, list.Len())}
	c.start, c.end = list.Span()
	for one := range list.Items() {
		id := one.Get("id")
		switch text := id.Text(); {
		case text == "":
		case c.ids[text]:
			return Contained{}, events.Errorf(events.Invalid, "fhir.Contained", "another contained resource has the id %q, too", cut(text, maxPathKey)).At(id.Path())
		default:
			c.ids[text] = true
		}
	}
	return c, nil
}

// Check holds that a [ContainedReference] at a place of the resource leads to something: #id to what is contained, with exactly this id,
// and # alone from there to the resource that contains it (invariant ref-1). An error is of kind Invalid and names the place.
func (c Contained) Check(p Place, fragment string) error {
	refused := func(format string, args ...any) error {
		return events.Errorf(events.Invalid, "fhir.Contained", format, args...).At(p.Node.Path())
	}
	switch {
	case fragment == "" && (p.Start < c.start || p.Start >= c.end):
		return refused("the reference # leads from a contained resource to the one that contains it; it stands in no contained one")
	case fragment != "" && !c.ids[fragment]:
		return refused("the reference %q leads to no contained resource: none has this id", "#"+cut(fragment, maxPathKey))
	}
	return nil
}
