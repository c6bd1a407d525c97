package patch

import (
	"fmt"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/r4"
)

// element is an element of a resource: a place in its JSON where a value, its twin, or both may stand.
type element struct {
	up   *element   // that it belongs to; nil: it is the resource
	in   *container // the object that it stands in
	key  string     // there
	at   int        // in the array; -1: it is in none
	to   r4.Place
	name string // by the model: "Patient.name"
}

// result is one value that an expression gives: an element, or a constant.
type result struct {
	element *element
	kind    fhir.JSONKind // of a constant
	text    string
}

// functions are those that a path and its criteria may use, with the number of their arguments.
var functions = map[string]int{"where": 1, "first": 0, "last": 0, "tail": 0, "skip": 1, "take": 1, "single": 0,
	"ofType": 1, "as": 1, "is": 1, "extension": 1, "exists": -1, "empty": 0, "not": 0, "hasValue": 0, "startsWith": 1,
	"count": 0}

// checkPath holds that a path uses nothing but what is known here.
func checkPath(e fhirpath.Expr) error {
	var inner []fhirpath.Expr
	switch e := e.(type) {
	case *fhirpath.Variable:
		if e.Name != "$this" && e.Name != "%resource" && e.Name != "%context" {
			return fmt.Errorf("position %d: %.40s is not known in a patch", e.Position(), e.Name)
		}
	case *fhirpath.Member:
		inner = append(inner, e.Of)
	case *fhirpath.Index:
		inner = append(inner, e.Of)
	case *fhirpath.TypeOperation:
		inner = append(inner, e.Of)
	case *fhirpath.Binary:
		inner = append(inner, e.Left, e.Right)
	case *fhirpath.Call:
		wants, known := functions[e.Name]
		if !known {
			return fmt.Errorf("position %d: the function %.40s() is not known in a patch", e.Position(), e.Name)
		}
		if wants >= 0 && len(e.Args) != wants || wants < 0 && len(e.Args) > 1 {
			return fmt.Errorf("position %d: %s() has %d arguments", e.Position(), e.Name, len(e.Args))
		}
		if e.Of != nil {
			inner = append(inner, e.Of)
		}
		if e.Name == "ofType" || e.Name == "as" || e.Name == "is" {
			if typeName(e.Args[0]) == "" {
				return fmt.Errorf("position %d: %s() has the name of a type", e.Position(), e.Name)
			}
			break
		}
		inner = append(inner, e.Args...)
	}
	for _, one := range inner {
		if err := checkPath(one); err != nil {
			return err
		}
	}
	return nil
}

// typeName is the type that an argument names, without its namespace; "" when it names none.
func typeName(e fhirpath.Expr) string {
	switch e := e.(type) {
	case *fhirpath.Name:
		return e.Name
	case *fhirpath.Member:
		if of, is := e.Of.(*fhirpath.Name); is && (of.Name == "FHIR" || of.Name == "System") {
			return e.Name
		}
	}
	return ""
}

// firstName is the name that a path begins with; "" when it begins with something else.
func firstName(e fhirpath.Expr) string {
	switch e := e.(type) {
	case *fhirpath.Name:
		return e.Name
	case *fhirpath.Member:
		return firstName(e.Of)
	case *fhirpath.Index:
		return firstName(e.Of)
	case *fhirpath.TypeOperation:
		return firstName(e.Of)
	case *fhirpath.Call:
		if e.Of != nil {
			return firstName(e.Of)
		}
	}
	return ""
}

// perElement is how many steps it takes to find an element.
const perElement = 4

// finder evaluates expressions on a resource.
type finder struct {
	*tree
	model *r4.Model
	root  *element
	typ   string // of the resource
}

// elements are those that a path leads to, each once.
func (f *finder) elements(e fhirpath.Expr) ([]*element, *events.Error) {
	found, err := f.eval(e, []result{{element: f.root}}, result{element: f.root})
	if err != nil {
		return nil, err
	}
	var elements []*element
	for _, one := range found {
		if one.element == nil {
			return nil, impossible("the path gives a value that was computed, and no element")
		}
		elements = append(elements, one.element)
	}
	return elements, nil
}

// eval gives what an expression makes of a focus.
func (f *finder) eval(e fhirpath.Expr, focus []result, this result) ([]result, *events.Error) {
	switch e := e.(type) {
	case *fhirpath.Name:
		if len(focus) == 1 && focus[0].element == f.root && f.model.IsResource(e.Name) && f.model.IsA(f.typ, e.Name) {
			return focus, nil
		}
		return f.children(focus, e.Name)
	case *fhirpath.Variable:
		if e.Name == "$this" {
			return []result{this}, nil
		}
		return []result{{element: f.root}}, nil
	case *fhirpath.Literal:
		kind := map[fhirpath.LiteralKind]fhir.JSONKind{fhirpath.String: fhir.String, fhirpath.Number: fhir.Number,
			fhirpath.Boolean: fhir.Bool}[e.Kind]
		return []result{{kind: kind, text: e.Text}}, nil
	case *fhirpath.Member:
		of, err := f.eval(e.Of, focus, this)
		if err != nil {
			return nil, err
		}
		return f.children(of, e.Name)
	case *fhirpath.Index:
		of, err := f.eval(e.Of, focus, this)
		if err != nil || e.N >= len(of) {
			return nil, err
		}
		return of[e.N : e.N+1], nil
	case *fhirpath.TypeOperation:
		of, err := f.eval(e.Of, focus, this)
		if err != nil {
			return nil, err
		}
		return f.typed(e.Op, of, e.Type)
	case *fhirpath.Binary:
		return f.binary(e, focus, this)
	case *fhirpath.Call:
		if e.Of != nil {
			var err *events.Error
			if focus, err = f.eval(e.Of, focus, this); err != nil {
				return nil, err
			}
		}
		return f.call(e, focus, this)
	}
	return nil, impossible("the path has %T, which is not known in a patch", e)
}

// children are the elements of a name in those of a focus.
func (f *finder) children(focus []result, name string) ([]result, *events.Error) {
	if err := f.costs(perElement * len(focus)); err != nil {
		return nil, err
	}
	var found []result
	known := len(focus) == 0
	var last *element
	for _, one := range focus {
		if one.element == nil {
			continue
		}
		last = one.element
		steps := f.model.Steps(f.placeOf(one.element), name)
		known = known || len(steps) > 0
		var err *events.Error
		if found, err = f.below(found, one.element, steps); err != nil {
			return nil, err
		}
	}
	if !known && last != nil {
		return nil, impossible("%s has no element %.60q", orResource(last.name, f.typ), name)
	}
	return found, nil
}

func orResource(name, typ string) string {
	if name == "" {
		return typ
	}
	return name
}

// below appends the elements that stand where steps lead from an element.
func (f *finder) below(found []result, of *element, steps []r4.Step) ([]result, *events.Error) {
	object, err := f.object(of, false)
	if err != nil || object == nil {
		return found, err
	}
	for _, s := range steps {
		n, err := f.count(object, s.Key)
		if err != nil {
			return nil, err
		}
		if err := f.costs(perElement * max(n, 1)); err != nil {
			return nil, err
		}
		for i := range max(n, 0) {
			found = append(found, result{element: &element{up: of, in: object, key: s.Key, at: i, to: s.To,
				name: s.Element}})
		}
		if n < 0 {
			found = append(found, result{element: &element{up: of, in: object, key: s.Key, at: -1, to: s.To,
				name: s.Element}})
		}
	}
	return found, nil
}

// count tells how many items an element has by its key: those of an array, or -1 for one that is no array; 0: nothing
// is there.
func (f *finder) count(object *container, key string) (int, *events.Error) {
	n := 0
	for _, k := range [...]string{key, fhir.TwinMember + key} {
		at, err := f.find(object, k)
		if err != nil {
			return 0, err
		}
		if at < 0 {
			continue
		}
		v := &object.items[at].value
		if v.kind() != fhir.Array {
			return -1, nil
		}
		list, err := f.into(v)
		if err != nil {
			return 0, err
		}
		n = max(n, len(list.items))
	}
	return n, nil
}

// placeOf is where the elements of an element are defined: of a resource, its own type says it.
func (f *finder) placeOf(e *element) r4.Place {
	if e.to.Datatype != "Resource" {
		return e.to
	}
	if v := f.valueOf(e); v != nil && v.kind() == fhir.Object {
		if object, err := f.into(v); err == nil {
			if at, err := f.find(object, "resourceType"); err == nil && at >= 0 {
				return r4.PlaceOf(object.items[at].node.Text())
			}
		}
	}
	return e.to
}

// object is the one that the elements of an element stand in: of a primitive, its twin. nil: it has none; make: it gets
// one.
func (f *finder) object(e *element, make bool) (*container, *events.Error) {
	if e.up == nil {
		return f.root.in, nil
	}
	key := e.key
	if r4.IsPrimitive(e.to.Datatype) {
		key = fhir.TwinMember + key
	}
	v, err := f.slot(e, key)
	if err != nil || v == nil || v.kind() != fhir.Object {
		if err == nil && make {
			return f.makeObject(e, key)
		}
		return nil, err
	}
	return f.into(v)
}

// valueOf is the value of an element; nil when it has none.
func (f *finder) valueOf(e *element) *value {
	if e.up == nil {
		return &f.tree.root
	}
	v, err := f.slot(e, e.key)
	if err != nil || v == nil || v.kind() == fhir.Null {
		return nil
	}
	return v
}

// slot is where the value of an element stands, or its twin, by the key; nil when there is none.
func (f *finder) slot(e *element, key string) (*value, *events.Error) {
	at, err := f.find(e.in, key)
	if err != nil || at < 0 {
		return nil, err
	}
	v := &e.in.items[at].value
	if e.at < 0 {
		return v, nil
	}
	list, err := f.into(v)
	if err != nil || list == nil || list.kind != fhir.Array || e.at >= len(list.items) {
		return nil, err
	}
	return &list.items[e.at].value, nil
}

// text names an element for people: Patient.name[0].given[1].
func (e *element) text(typ string) string {
	if e.up == nil {
		return typ
	}
	var b strings.Builder
	b.WriteString(e.up.text(typ) + "." + e.key)
	if e.at >= 0 {
		fmt.Fprintf(&b, "[%d]", e.at)
	}
	return b.String()
}
