package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/r4"
)

// operation is one operation of a FHIRPath Patch (FHIR R4, fhirpatch.html).
type operation struct {
	typ         string // add, insert, delete, replace, move
	path        fhirpath.Expr
	text        string           // of the path
	list        *fhirpath.Member // what path ends with, of insert and move
	name        string
	value       content
	index       int // of insert
	source      int // of move
	destination int
}

// content is a value in Parameters: of a datatype, a resource, or made of parts.
type content struct {
	datatype string    // as in valueHumanName; "" for a resource and for parts
	suffix   string    // of the key that it stands under: HumanName
	value    fhir.Node // also the resource
	twin     fhir.Node // the id and extensions of a primitive
	resource bool
	parts    []named
}

// named is a part of a value.
type named struct {
	name string
	content
}

// partsOf says which parts an operation has; all of them are mandatory.
var partsOf = map[string][]string{
	"add":     {"path", "name", "value"},
	"insert":  {"path", "index", "value"},
	"delete":  {"path"},
	"replace": {"path", "value"},
	"move":    {"path", "source", "destination"},
}

// parametersReader reads Parameters.
type parametersReader struct {
	model *r4.Model
	typ   string // of the resource that is patched
	count int    // operations and parts
	paths int    // bytes of them
}

func readParameters(model *r4.Model, typ string, root fhir.Node) ([]operation, *events.Error) {
	if name := root.Get("resourceType").Text(); name != "Parameters" {
		return nil, malformed("a FHIRPath Patch is a resource of the type Parameters; this is %.64q. Send a whole "+
			"resource with PUT", name).At("resourceType")
	}
	r := parametersReader{model: model, typ: typ}
	list := root.Get("parameter")
	if list.Exists() && list.Kind() != fhir.Array {
		return nil, malformed("parameter is an array; this is %s", list.Kind()).At(list.Path())
	}
	var operations []operation
	for one := range list.Items() {
		r.count++
		o, err := r.operation(one)
		if err != nil {
			err.Text = "operation " + strconv.Itoa(len(operations)) + " of the FHIRPath Patch: " + err.Text
			if err.Expression == "" {
				err.Expression = placeOf(len(operations))
			}
			return nil, err
		}
		operations = append(operations, o)
	}
	return operations, nil
}

func placeOf(operation int) string { return "Parameters.parameter[" + strconv.Itoa(operation) + "]" }

func (r *parametersReader) operation(n fhir.Node) (o operation, err *events.Error) {
	if name := n.Get("name").Text(); name != "operation" {
		return o, malformed("a parameter has the name operation; this is %.40q", name)
	}
	parts := map[string]fhir.Node{}
	for part := range n.Get("part").Items() {
		name := part.Get("name").Text()
		if _, twice := parts[name]; twice {
			return o, malformed("the part %.40q stands twice", name)
		}
		parts[name] = part
	}
	if o.typ, err = r.text(parts, "type"); err != nil {
		return o, err
	}
	wanted, known := partsOf[o.typ]
	if !known {
		return o, malformed("the type is %.40q; it must be one of add, insert, delete, replace and move", o.typ)
	}
	for name := range parts {
		if name != "type" && !contains(wanted, name) {
			return o, malformed("the part %.40q doesn't belong to %s, which has type, %s", name, o.typ,
				strings.Join(wanted, ", "))
		}
	}
	for _, name := range wanted {
		switch name {
		case "path":
			err = r.path(&o, parts)
		case "name":
			o.name, err = r.text(parts, name)
		case "value":
			o.value, err = r.mandatory(parts, name)
		case "index":
			o.index, err = r.number(parts, name)
		case "source":
			o.source, err = r.number(parts, name)
		case "destination":
			o.destination, err = r.number(parts, name)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

func contains(list []string, name string) bool {
	for _, one := range list {
		if one == name {
			return true
		}
	}
	return false
}

// path reads the path of an operation.
func (r *parametersReader) path(o *operation, parts map[string]fhir.Node) *events.Error {
	text, err := r.text(parts, "path")
	if err != nil {
		return err
	}
	if r.paths += len(text); r.paths > maxPaths {
		return events.Errorf(events.TooLarge, opPatch, "the paths of the patch have more than %d bytes, which is the most",
			maxPaths)
	}
	o.text = text
	expr, bad := fhirpath.Parse(text)
	if bad != nil {
		return malformed("the path %s: %v", said(text), bad)
	}
	if err := checkPath(expr); err != nil {
		return malformed("the path %s: %v", said(text), err)
	}
	if name := firstName(expr); name != r.typ && r.model.IsResource(name) && !r.model.IsA(r.typ, name) {
		return malformed("the path %s is one of %s, and the patch is for %s", said(text), name, r.typ)
	}
	o.path = expr
	if o.typ == "insert" || o.typ == "move" {
		member, is := expr.(*fhirpath.Member)
		if name, first := expr.(*fhirpath.Name); first && name.Name != r.typ {
			member, is = &fhirpath.Member{At: name.At, Of: &fhirpath.Name{At: name.At, Name: r.typ}, Name: name.Name}, true
		}
		if !is {
			return malformed("the path %s of %s names a list: it ends with the name of an element, as in "+
				"Patient.identifier", said(text), o.typ)
		}
		o.list = member
	}
	return nil
}

func (r *parametersReader) mandatory(parts map[string]fhir.Node, name string) (content, *events.Error) {
	part, found := parts[name]
	if !found {
		return content{}, malformed("the part %s is missing", name)
	}
	return r.content(part, name)
}

// text reads the text of a part.
func (r *parametersReader) text(parts map[string]fhir.Node, name string) (string, *events.Error) {
	c, err := r.mandatory(parts, name)
	if err != nil {
		return "", err
	}
	if c.value.Kind() != fhir.String || c.value.Text() == "" {
		return "", malformed("the part %s has a text, in valueString or valueCode", name)
	}
	return c.value.Text(), nil
}

// number reads the index in a part.
func (r *parametersReader) number(parts map[string]fhir.Node, name string) (int, *events.Error) {
	c, err := r.mandatory(parts, name)
	if err != nil {
		return 0, err
	}
	n, bad := strconv.Atoi(c.value.Text())
	if c.value.Kind() != fhir.Number || bad != nil || n < 0 {
		return 0, malformed("the part %s is a whole number from 0 on, in valueInteger", name)
	}
	return n, nil
}

// content reads what a part holds.
func (r *parametersReader) content(part fhir.Node, name string) (c content, err *events.Error) {
	if part.Kind() != fhir.Object {
		return c, malformed("a part is an object; this is %s", part.Kind())
	}
	r.count++
	if err := checkParts(r.count); err != nil {
		return c, err
	}
	forms := 0
	for key, value := range part.Fields() {
		bare := strings.TrimPrefix(key, fhir.TwinMember)
		switch {
		case key == "resource":
			c.resource, c.value = true, value
			forms++
			if value.Kind() != fhir.Object {
				return c, malformed("the resource in the part %.40q is %s", name, value.Kind())
			}
		case key == "part":
			forms++
			if c.parts, err = r.parts(value); err != nil {
				return c, err
			}
		case strings.HasPrefix(bare, "value"):
			suffix := bare[len("value"):]
			if c.suffix != "" && c.suffix != suffix {
				return c, malformed("the part %.40q has values of several types", name)
			}
			if c.suffix == "" {
				forms++
				if c.datatype = r.datatype(bare); c.datatype == "" {
					return c, malformed("%.60q in the part %.40q is the value of no datatype of FHIR R4", key, name)
				}
			}
			c.suffix = suffix
			if err := c.keep(key != bare, value); err != nil {
				return c, err
			}
		case bare != "name" && bare != "id" && bare != "extension" && bare != "modifierExtension":
			return c, malformed("the part %.40q has the member %.60q, which FHIR R4 doesn't know", name, key)
		}
	}
	if forms != 1 {
		return c, malformed("the part %.40q has one value[x], a resource, or parts of its own; this one has %d of them",
			name, forms)
	}
	return c, nil
}

// keep takes the value or the twin of a value, and holds that it has the form of its datatype.
func (c *content) keep(twin bool, value fhir.Node) *events.Error {
	want := r4.JSONKind(c.datatype)
	if twin {
		want = fhir.Object
	}
	if value.Kind() != want || twin && !r4.IsPrimitive(c.datatype) {
		return malformed("value%s is %s; FHIR R4 has another form for it", c.suffix, value.Kind())
	}
	if value.Len() == 0 && want == fhir.Object {
		return malformed("value%s is empty", c.suffix)
	}
	if twin {
		c.twin = value
	} else {
		c.value = value
	}
	return nil
}

// parts reads the parts that a value is made of.
func (r *parametersReader) parts(list fhir.Node) ([]named, *events.Error) {
	if list.Kind() != fhir.Array || list.Len() == 0 {
		return nil, malformed("a value in parts has an array of them")
	}
	var parts []named
	for part := range list.Items() {
		name := part.Get("name").Text()
		if name == "" {
			return nil, malformed("a part of the value has no name")
		}
		c, err := r.content(part, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, named{name, c})
	}
	return parts, nil
}

// datatype is that of a value by its key; "" when R4 has none.
func (r *parametersReader) datatype(key string) string {
	for _, s := range r.model.Steps(r4.Place{Path: "Parameters.parameter", Datatype: "BackboneElement"}, "value") {
		if s.Key == key {
			return s.To.Datatype
		}
	}
	return ""
}

func (c *content) primitive() bool { return c.datatype != "" && r4.IsPrimitive(c.datatype) }

// describe names what the content is, for people.
func (c *content) describe() string {
	switch {
	case c.resource:
		return "a resource"
	case c.datatype == "":
		return "made of parts"
	}
	return "of the type " + c.datatype
}
