package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/r4"
)

// operate does the operations of a FHIRPath Patch in their order.
func (t *tree) operate(p *Patch) error {
	if t.root.kind() != fhir.Object {
		return impossible("a FHIRPath Patch is for resources; the document is %s", t.root.kind())
	}
	object, err := t.into(&t.root)
	if err != nil {
		return err
	}
	at, err := t.find(object, "resourceType")
	if err != nil {
		return err
	}
	f := &finder{tree: t, model: p.model}
	if at >= 0 {
		f.typ = object.items[at].node.Text()
	}
	f.root = &element{at: -1, to: r4.PlaceOf(f.typ), in: object}
	for i := range p.parts {
		o := &p.parts[i]
		if err := f.do(o); err != nil {
			err.Text = "operation " + strconv.Itoa(i) + " of the FHIRPath Patch (" + o.typ + " " + said(o.text) + "): " +
				err.Text
			err.Expression = placeOf(i)
			return err
		}
	}
	return nil
}

func (f *finder) do(o *operation) *events.Error {
	if o.list != nil {
		l, err := f.list(o)
		if err != nil {
			return err
		}
		if o.typ == "insert" {
			return f.insertAt(l, o)
		}
		return f.moveIn(l, o)
	}
	found, err := f.elements(o.path)
	switch {
	case err != nil:
		return err
	case len(found) > 1:
		return impossible("the path leads to %d elements, and must lead to one: %s and %s are the first; give an index "+
			"or where()", len(found), found[0].text(f.typ), found[1].text(f.typ))
	case len(found) == 0 && o.typ == "delete":
		return nil
	case len(found) == 0:
		return impossible("the path leads to nothing")
	}
	one := found[0]
	if o.typ == "add" {
		return f.addTo(one, o.name, &o.value)
	}
	if one.up == nil {
		return impossible("the path leads to the resource itself; DELETE removes it, and PUT replaces it")
	}
	if o.typ == "delete" {
		return f.delete(one)
	}
	return f.replace(one, &o.value)
}

// list is a repeating element: all items that stand under a key.
type list struct {
	of  *element // that the list belongs to
	to  r4.Step
	len int
}

// list finds the list that the path of an insert or a move names.
func (f *finder) list(o *operation) (list, *events.Error) {
	parents, err := f.elements(o.list.Of)
	switch {
	case err != nil:
		return list{}, err
	case len(parents) != 1:
		return list{}, impossible("the list stands in %d elements, and must stand in one", len(parents))
	}
	l := list{of: parents[0]}
	steps := f.model.Steps(f.placeOf(l.of), o.list.Name)
	switch {
	case len(steps) == 0:
		return list{}, impossible("%s has no element %.60q", l.of.text(f.typ), o.list.Name)
	case !steps[0].Many:
		return list{}, impossible("%s is no list: it stands once at the most", steps[0].Element)
	}
	l.to = steps[0]
	object, err := f.object(l.of, false)
	if err != nil || object == nil {
		return l, err
	}
	if l.len, err = f.count(object, l.to.Key); err == nil && l.len < 0 {
		err = impossible("%s is no array in the document", l.to.Element)
	}
	return l, err
}

func (f *finder) insertAt(l list, o *operation) *events.Error {
	if o.index > l.len {
		return impossible("the index is %d, and the list has %d items", o.index, l.len)
	}
	object, err := f.object(l.of, true)
	if err != nil {
		return err
	}
	if _, err := stepFor(f.model, []r4.Step{l.to}, &o.value); err != nil {
		return err
	}
	return f.put(l.of, object, l.to, o.index, &o.value)
}

func (f *finder) moveIn(l list, o *operation) *events.Error {
	if o.source >= l.len || o.destination >= l.len {
		return impossible("an item is moved from %d to %d, and the list has %d items", o.source, o.destination, l.len)
	}
	object, err := f.object(l.of, false)
	if err != nil {
		return err
	}
	return f.each(object, l.to.Key, l.len, func(list *container) *events.Error {
		return f.tree.move(list, o.source, o.destination)
	})
}

// addTo adds a value to an element under a name (fhirpatch.html, add): to a list behind its last item.
func (f *finder) addTo(of *element, name string, c *content) *events.Error {
	object, err := f.object(of, true)
	if err != nil {
		return err
	}
	steps := f.named(f.placeOf(of), name)
	if len(steps) == 0 {
		return impossible("%s has no element %.60q", of.text(f.typ), name)
	}
	if isChoice(steps[0]) { // which stands once
		for _, s := range steps {
			if n, err := f.count(object, s.Key); err != nil || n != 0 {
				return orElse(err, "%s.%s is there already; replace it", of.text(f.typ), s.Key)
			}
		}
	}
	to, err := stepFor(f.model, steps, c)
	if err != nil {
		return err
	}
	n, err := f.count(object, to.Key)
	if err != nil {
		return err
	}
	if !to.Many && n != 0 {
		return impossible("%s.%s is there already; replace it", of.text(f.typ), to.Key)
	}
	if n < 0 {
		return impossible("%s.%s is no array in the document", of.text(f.typ), to.Key)
	}
	return f.put(of, object, to, n, c)
}

// named are the ways on by the name of an element: a choice may be called value, value[x] and, as in JSON, valueString.
func (f *finder) named(place r4.Place, name string) []r4.Step {
	name = strings.TrimSuffix(name, "[x]")
	if steps := f.model.Steps(place, name); len(steps) > 0 {
		return steps
	}
	for i := 1; i < len(name); i++ {
		if name[i] < 'A' || name[i] > 'Z' {
			continue
		}
		steps := f.model.Steps(place, name[:i])
		for _, s := range steps {
			if s.Key == name && isChoice(s) {
				return steps
			}
		}
	}
	return nil
}

func orElse(err *events.Error, format string, args ...any) *events.Error {
	if err != nil {
		return err
	}
	return impossible(format, args...)
}

// stepFor is the element that a content is for, of those of a choice.
func stepFor(model *r4.Model, steps []r4.Step, c *content) (r4.Step, *events.Error) {
	if to := steps[0]; !isChoice(to) {
		if !fits(model, to.To.Datatype, c) {
			return to, impossible("%s is of the type %s, and the value is %s", to.Element, to.To.Datatype, c.describe())
		}
		return to, nil
	}
	for _, s := range steps {
		if c.datatype != "" && s.To.Datatype == c.datatype {
			return s, nil
		}
	}
	return r4.Step{}, impossible("%s can't be %s", steps[0].Element, c.describe())
}

func isChoice(s r4.Step) bool { return strings.HasSuffix(s.Element, "[x]") }

// fits tells whether a content can stand where a datatype does. Primitives that JSON writes alike stand for each other:
// many give a code in valueString.
func fits(model *r4.Model, want string, c *content) bool {
	switch {
	case want == "Resource" || c.resource:
		return want == "Resource" && c.resource
	case c.datatype == "":
		return !r4.IsPrimitive(want)
	case r4.IsPrimitive(want) || c.primitive():
		return r4.IsPrimitive(want) && c.primitive() && r4.JSONKind(want) == r4.JSONKind(c.datatype)
	}
	return model.IsA(c.datatype, want) || model.IsA(want, c.datatype)
}
