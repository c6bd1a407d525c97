package fhir

import (
	"strings"

	"binnacle/events"
)

// CheckForm holds that all elements of a resource that its shape knows have the JSON that they should have (FHIR R4,
// json.html): an object, an array of them, a string, a number or a boolean. It goes into what is contained and into
// extensions, and not into the resources of a Bundle. A resource that stands inside must have the resourceType of a
// shape. Elements that a shape doesn't know may be anything. An error is of kind Invalid and names the place.
func CheckForm(resource Node, shapes Shapes) error {
	w := formWalk{shapes: shapes}
	if err := w.object(resource, w.shape(resource)); err != nil {
		return err
	}
	return nil
}

type formWalk struct {
	shapes Shapes
	within bool // a Bundle, whose resources are its own matter
}

// shape is that of a resource; nil when its type is not known.
func (w formWalk) shape(resource Node) *Shape { return w.shapes(resource.Get("resourceType").Text()) }

func (w formWalk) object(n Node, s *Shape) *events.Error {
	if s != nil && s.Resource {
		if w.within {
			return nil
		}
		typ, err := typeOf(n)
		if err != nil {
			return err
		}
		if s = w.shapes(typ); s == nil {
			place := n.Get("resourceType").Path()
			return events.Errorf(events.Invalid, "fhir.CheckForm",
				"resourceType %.64q is not a resource type of FHIR R4", typ).At(place)
		}
	}
	if s == nil || len(s.members) == 0 {
		return nil
	}
	w.within = w.within || s.Opaque
	for key, value := range n.Fields() {
		of, known := s.members[key]
		twin := false
		if !known {
			if of, twin = s.members[TwinMember]; !twin || !strings.HasPrefix(key, TwinMember) {
				continue
			}
			of.Many = value.Kind() == Array // it has the form of what it belongs to
		}
		if err := w.value(value, of, twin); err != nil {
			return err
		}
	}
	return nil
}

// value checks what stands under a key. In arrays of primitives, and in those of their twins, null keeps a place
// (json.html#primitive).
func (w formWalk) value(n Node, of member, twin bool) *events.Error {
	kind := n.Kind()
	switch {
	case of.JSON == None:
		return nil
	case !of.Many && kind != of.JSON, of.Many && kind != Array:
		return wrongForm(n, of.Form)
	case !of.Many && kind == Object:
		return w.object(n, of.Shape)
	case !of.Many:
		return nil
	}
	for item := range n.Items() {
		switch kind := item.Kind(); {
		case kind == Null && (twin || of.JSON != Object):
		case kind != of.JSON:
			return wrongForm(item, Form{JSON: of.JSON})
		case kind == Object:
			if err := w.object(item, of.Shape); err != nil {
				return err
			}
		}
	}
	return nil
}

func wrongForm(n Node, want Form) *events.Error {
	words := want.JSON.String()
	if want.Many {
		words = "an array"
	}
	return events.Errorf(events.Invalid, "fhir.CheckForm", "%s is %s; FHIR R4 has %s there", n.Path(), n.Kind(),
		words).At(n.Path())
}
