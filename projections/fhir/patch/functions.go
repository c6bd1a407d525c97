package patch

import (
	"strconv"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/r4"
)

func (f *finder) call(e *fhirpath.Call, focus []result, this result) ([]result, *events.Error) {
	switch e.Name {
	case "where":
		return f.where(focus, e.Args[0])
	case "extension":
		all, err := f.children(focus, "extension")
		if err != nil {
			return nil, err
		}
		url := &fhirpath.Binary{Op: "=", Left: &fhirpath.Name{Name: "url"}, Right: e.Args[0]}
		return f.where(all, url)
	case "ofType", "as", "is":
		return f.typed(e.Name, focus, typeName(e.Args[0]))
	case "first":
		return focus[:min(1, len(focus))], nil
	case "last":
		return focus[max(0, len(focus)-1):], nil
	case "tail":
		return focus[min(1, len(focus)):], nil
	case "single":
		if len(focus) > 1 {
			return nil, impossible("single() is asked of %d elements", len(focus))
		}
		return focus, nil
	case "skip", "take":
		n, err := f.wholeNumber(e, focus, this)
		if err != nil {
			return nil, err
		}
		if n = min(n, len(focus)); e.Name == "skip" {
			return focus[n:], nil
		}
		return focus[:n], nil
	case "exists":
		var err *events.Error
		if len(e.Args) == 1 {
			focus, err = f.where(focus, e.Args[0])
		}
		return truth(len(focus) > 0), err
	case "empty":
		return truth(len(focus) == 0), nil
	case "count":
		return []result{{kind: fhir.Number, text: strconv.Itoa(len(focus))}}, nil
	case "hasValue":
		return truth(len(focus) == 1 && f.constant(focus[0]).kind != fhir.None), nil
	case "not":
		is, known, err := f.boolean(focus)
		if err != nil || !known {
			return nil, err
		}
		return truth(!is), nil
	}
	return f.startsWith(e, focus, this)
}

func (f *finder) startsWith(e *fhirpath.Call, focus []result, this result) ([]result, *events.Error) {
	with, err := f.eval(e.Args[0], focus, this)
	if err != nil || len(focus) == 0 || len(with) != 1 {
		return nil, err
	}
	text, head := f.constant(focus[0]), f.constant(with[0])
	if len(focus) > 1 || text.kind != fhir.String || head.kind != fhir.String {
		return nil, impossible("startsWith() compares one text with another")
	}
	return truth(strings.HasPrefix(text.text, head.text)), nil
}

func (f *finder) wholeNumber(e *fhirpath.Call, focus []result, this result) (int, *events.Error) {
	of, err := f.eval(e.Args[0], focus, this)
	if err != nil {
		return 0, err
	}
	if len(of) == 1 {
		if n, bad := strconv.Atoi(f.constant(of[0]).text); bad == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, impossible("%s() is given no whole number from 0 on", e.Name)
}

func truth(is bool) []result { return []result{{kind: fhir.Bool, text: strconv.FormatBool(is)}} }

// where keeps the elements for which a criterion is true.
func (f *finder) where(focus []result, criterion fhirpath.Expr) ([]result, *events.Error) {
	var kept []result
	for _, one := range focus {
		if err := f.costs(1); err != nil {
			return nil, err
		}
		found, err := f.eval(criterion, []result{one}, one)
		if err != nil {
			return nil, err
		}
		is, _, err := f.boolean(found)
		if err != nil {
			return nil, err
		}
		if is {
			kept = append(kept, one)
		}
	}
	return kept, nil
}

// boolean reads the result of a criterion: true, false, or not known, which an empty collection is. One element that is
// no boolean is true (FHIRPath 2.0.0, section 4.5).
func (f *finder) boolean(found []result) (is, known bool, err *events.Error) {
	switch len(found) {
	case 0:
		return false, false, nil
	case 1:
		if one := f.constant(found[0]); one.kind == fhir.Bool {
			return one.text == "true", true, nil
		}
		return true, true, nil
	}
	return false, false, impossible("a criterion of the path gives %d values, where it should give true or false",
		len(found))
}

// typed keeps elements of a type, or tells whether one is of the type.
func (f *finder) typed(op string, of []result, typ string) ([]result, *events.Error) {
	if err := f.costs(len(of)); err != nil {
		return nil, err
	}
	var kept []result
	for _, one := range of {
		if f.isType(one, typ) {
			kept = append(kept, one)
		}
	}
	switch {
	case op == "ofType":
		return kept, nil
	case len(of) > 1:
		return nil, impossible("%s is asked of %d elements", op, len(of))
	case op == "is" && len(of) == 1:
		return truth(len(kept) > 0), nil
	}
	return kept, nil
}

func (f *finder) isType(one result, typ string) bool {
	if one.element == nil {
		return map[fhir.JSONKind]string{fhir.String: "String", fhir.Bool: "Boolean", fhir.Number: "Decimal"}[one.kind] == typ
	}
	return f.model.IsA(f.placeOf(one.element).Datatype, typ)
}

func (f *finder) binary(e *fhirpath.Binary, focus []result, this result) ([]result, *events.Error) {
	left, err := f.eval(e.Left, focus, this)
	if err != nil {
		return nil, err
	}
	right, err := f.eval(e.Right, focus, this)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case "|":
		return f.union(left, right)
	case "=", "!=":
		if len(left) == 0 || len(right) == 0 {
			return nil, nil
		}
		same, err := f.same(left, right)
		return truth(same == (e.Op == "=")), err
	}
	a, aKnown, err := f.boolean(left)
	if err != nil {
		return nil, err
	}
	b, bKnown, err := f.boolean(right)
	if err != nil {
		return nil, err
	}
	if e.Op == "implies" { // not a, or b
		a, e = !a && aKnown, &fhirpath.Binary{At: e.At, Op: "or"}
	}
	switch {
	case e.Op == "and" && (aKnown && !a || bKnown && !b):
		return truth(false), nil
	case e.Op == "or" && (aKnown && a || bKnown && b):
		return truth(true), nil
	case !aKnown || !bKnown:
		return nil, nil
	case e.Op == "xor":
		return truth(a != b), nil
	}
	return truth(e.Op == "and"), nil
}

// union is what is on one side or the other, each element once.
func (f *finder) union(left, right []result) ([]result, *events.Error) {
	type place struct {
		in  *container
		key string
		at  int
	}
	seen := map[place]bool{}
	var all []result
	for _, one := range append(left[:len(left):len(left)], right...) {
		if one.element != nil {
			at := place{one.element.in, one.element.key, one.element.at}
			if seen[at] {
				continue
			}
			seen[at] = true
		}
		all = append(all, one)
	}
	return all, f.costs(perElement * (len(left) + len(right)))
}

// same compares two collections item by item (FHIRPath 2.0.0, section 6.1.1).
func (f *finder) same(left, right []result) (bool, *events.Error) {
	if len(left) != len(right) {
		return false, nil
	}
	for i := range left {
		if err := f.costs(1); err != nil {
			return false, err
		}
		a, b := f.constant(left[i]), f.constant(right[i])
		switch {
		case a.kind == fhir.None || b.kind == fhir.None:
			return false, impossible("a criterion of the path compares what has elements of its own; compare those")
		case a.kind != b.kind, a.kind != fhir.Number && a.text != b.text,
			a.kind == fhir.Number && !sameNumber(a.text, b.text):
			return false, nil
		}
	}
	return true, nil
}

// constant is the value of a primitive; its kind is None when a result is none, or has no value.
func (f *finder) constant(one result) result {
	if one.element == nil {
		return one
	}
	if v := f.valueOf(one.element); v != nil && r4.IsPrimitive(one.element.to.Datatype) && v.kind() < fhir.Array {
		return result{kind: v.kind(), text: v.node.Text()}
	}
	return result{}
}
