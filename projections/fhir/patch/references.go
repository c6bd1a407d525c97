package patch

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"binnacle/events/fhir"
	"binnacle/projections/catalog/fhirpath"
)

// References goes through the places in the document of a patch for resources of a type that name other resources, or
// may name them, in the order of the document; see [fhir.References]. What a value is depends on where the patch puts
// it.
func (p *Patch) References(typ string, shapes fhir.Shapes) iter.Seq[fhir.Place] {
	c := collector{shapes: shapes}
	for i := range p.steps {
		if s := &p.steps[i]; s.value.Exists() {
			c.collect(s.value, shapeAt(shapes(typ), s.path))
		}
	}
	c.values = shapes("Parameters").At("parameter")
	for i := range p.parts {
		o := &p.parts[i]
		at := shapeOf(shapes(typ), typ, o.path)
		if o.name != "" {
			at = at.At(o.name)
		}
		c.content(&o.value, at)
	}
	slices.SortStableFunc(c.places, func(a, b fhir.Place) int { return cmp.Compare(a.Start, b.Start) })
	return slices.Values(c.places)
}

type collector struct {
	shapes fhir.Shapes
	values *fhir.Shape // of what has a value[x]
	places []fhir.Place
}

func (c *collector) collect(n fhir.Node, of *fhir.Shape) {
	for place := range fhir.ReferencesIn(n, of, c.shapes) {
		c.places = append(c.places, place)
	}
}

// content collects from a value that is put where a shape is.
func (c *collector) content(v *content, at *fhir.Shape) {
	for i := range v.parts {
		c.content(&v.parts[i].content, at.At(v.parts[i].name))
	}
	switch {
	case v.resource:
		c.collect(v.value, &fhir.Shape{Resource: true})
	case v.datatype != "":
		of := c.values.At("value" + v.suffix)
		if v.primitive() && at != nil && at.Kind != 0 { // a text says less of itself than where it goes
			of = at
		}
		c.collect(v.value, of)
		c.collect(v.twin, c.values.At(fhir.TwinMember+"value"+v.suffix))
	}
}

// shapeAt is the shape of what a JSON Pointer leads to in a resource.
func shapeAt(s *fhir.Shape, p pointer) *fhir.Shape {
	for _, token := range p.tokens {
		inArray := token == "-" || token != "" && strings.Trim(token, "0123456789") == ""
		if !inArray || s != nil && s.Has(token) {
			s = s.At(token)
		}
	}
	return s
}

// shapeOf is the shape of what a path leads to in a resource.
func shapeOf(s *fhir.Shape, typ string, e fhirpath.Expr) *fhir.Shape {
	switch e := e.(type) {
	case *fhirpath.Name:
		if e.Name == typ || e.Name == "Resource" || e.Name == "DomainResource" {
			return s
		}
		return s.At(e.Name)
	case *fhirpath.Member:
		return shapeOf(s, typ, e.Of).At(e.Name)
	case *fhirpath.Index:
		return shapeOf(s, typ, e.Of)
	case *fhirpath.TypeOperation:
		return shapeOf(s, typ, e.Of)
	case *fhirpath.Call:
		of := s
		if e.Of != nil {
			of = shapeOf(s, typ, e.Of)
		}
		if e.Name == "extension" {
			return of.At("extension")
		}
		return of
	}
	return nil
}
