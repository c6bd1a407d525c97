package extract

import (
	"strconv"
	"strings"

	"binnacle/events/fhir"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/literal"
)

// truth is a FHIRPath boolean: an empty collection is neither true nor false (FHIRPath 2.0.0, section 6.5).
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition is a compiled criterion on a value.
type condition func(w *walk, v fhir.Node) truth

// condition compiles an expression that gives true or false of the compiler's focus.
func (c *compiler) condition(e fhirpath.Expr) (condition, error) {
	switch e := e.(type) {
	case *fhirpath.Literal:
		if e.Kind == fhirpath.Boolean {
			t := truthOf(e.Text == "true")
			return func(*walk, fhir.Node) truth { return t }, nil
		}
	case *fhirpath.Binary:
		if e.Op == "=" || e.Op == "!=" {
			return c.comparison(e)
		}
		if e.Op != "|" {
			return c.logic(e)
		}
	case *fhirpath.TypeOperation:
		if e.Op == "is" {
			return c.isType(e.Of, e.Type, e.Position())
		}
	case *fhirpath.Call:
		switch {
		case e.Name == "is" && len(e.Args) == 1 && e.Of != nil:
			typ, err := typeArgument(e.Args[0])
			if err != nil {
				return nil, err
			}
			return c.isType(e.Of, typ, e.Position())
		case (e.Name == "exists" || e.Name == "empty" || e.Name == "hasValue" || e.Name == "not") && e.Of != nil:
			return c.existence(e)
		}
	}
	ends, err := c.fresh().find(e)
	if err != nil {
		return nil, err
	}
	for _, n := range ends.nodes {
		if n.at.Datatype != "boolean" {
			return nil, fhirpath.Errorf(e.Position(), "%s is %s, which is neither true nor false", n.element,
				n.at.Datatype)
		}
	}
	return func(w *walk, v fhir.Node) truth {
		return ends.reduce(w, v, func(values []fhir.Node) truth {
			if len(values) != 1 {
				return unknown
			}
			return truthOf(values[0].Text() == "true")
		})
	}, nil
}

// fresh makes a compiler with the same focus and trees of its own, so that two operands don't mix what they find.
func (c *compiler) fresh() *compiler { return c.at(c.paths.focus.at) }

// finding is a set of paths whose values a condition wants.
type finding struct {
	paths *paths
	nodes []*node
}

func (c *compiler) find(e fhirpath.Expr) (*finding, error) {
	nodes, err := c.path(e)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		n.found = true
	}
	c.paths.focus.prune()
	c.paths.resource.prune()
	return &finding{c.paths, nodes}, nil
}

// reduce finds the values from v on and hands them to f.
func (f *finding) reduce(w *walk, v fhir.Node, fold func([]fhir.Node) truth) truth {
	start := len(w.found)
	w.run(f.paths, v)
	t := fold(w.found[start:])
	w.found = w.found[:start]
	return t
}

func (c *compiler) logic(e *fhirpath.Binary) (condition, error) {
	left, err := c.fresh().condition(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.fresh().condition(e.Right)
	if err != nil {
		return nil, err
	}
	var combine func(a, b truth) truth
	switch e.Op {
	case "and":
		combine = func(a, b truth) truth { return min(a, b) }
	case "or":
		combine = func(a, b truth) truth { return max(a, b) }
	case "xor":
		combine = func(a, b truth) truth { return -a * b }
	default: // implies
		combine = func(a, b truth) truth { return max(-a, b) }
	}
	return func(w *walk, v fhir.Node) truth { return combine(left(w, v), right(w, v)) }, nil
}

// comparison compiles "path = constant" and "path != constant", in either order.
func (c *compiler) comparison(e *fhirpath.Binary) (condition, error) {
	path, constant := e.Left, e.Right
	literal, ok := constant.(*fhirpath.Literal)
	if !ok {
		path = e.Right
		if literal, ok = e.Left.(*fhirpath.Literal); !ok {
			return nil, fhirpath.Errorf(e.Position(), "one side of %s must be a constant", e.Op)
		}
	}
	ends, err := c.fresh().find(path)
	if err != nil {
		return nil, err
	}
	equal := equalTo(literal)
	sign := yes
	if e.Op == "!=" {
		sign = no
	}
	return func(w *walk, v fhir.Node) truth {
		return ends.reduce(w, v, func(values []fhir.Node) truth {
			if len(values) == 0 {
				return unknown
			}
			return sign * truthOf(len(values) == 1 && equal(values[0]))
		})
	}, nil
}

func equalTo(literal *fhirpath.Literal) func(fhir.Node) bool {
	text := literal.Text
	switch literal.Kind {
	case fhirpath.Boolean:
		return func(v fhir.Node) bool { return v.Kind() == fhir.Bool && v.Text() == text }
	case fhirpath.Number:
		want, _ := strconv.ParseFloat(text, 64)
		return func(v fhir.Node) bool {
			got, err := strconv.ParseFloat(v.Text(), 64)
			return v.Kind() == fhir.Number && err == nil && got == want
		}
	}
	return func(v fhir.Node) bool { return v.Kind() == fhir.String && v.Text() == text }
}

// existence compiles exists(), exists(criterion), empty(), hasValue() and not().
func (c *compiler) existence(e *fhirpath.Call) (condition, error) {
	of := e.Of
	if e.Name == "exists" && len(e.Args) == 1 {
		of = &fhirpath.Call{At: e.At, Of: e.Of, Name: "where", Args: e.Args}
	} else if len(e.Args) > 0 {
		return nil, fhirpath.Errorf(e.Position(), "%s() takes fewer arguments", e.Name)
	}
	if e.Name == "not" {
		operand, err := c.condition(of)
		if err != nil {
			return nil, err
		}
		return func(w *walk, v fhir.Node) truth { return -operand(w, v) }, nil
	}
	ends, err := c.fresh().find(of)
	if err != nil {
		return nil, err
	}
	empty := e.Name == "empty"
	return func(w *walk, v fhir.Node) truth {
		return ends.reduce(w, v, func(values []fhir.Node) truth { return truthOf((len(values) == 0) == empty) })
	}, nil
}

// isType compiles "path is Type" and "resolve() is Type". For the latter nothing is resolved: the reference shows the
// type of its target.
func (c *compiler) isType(of fhirpath.Expr, typ string, position int) (condition, error) {
	resolve, ok := of.(*fhirpath.Call)
	if !ok || resolve.Name != "resolve" {
		return c.existence(&fhirpath.Call{At: fhirpath.At(position), Name: "exists",
			Of: &fhirpath.TypeOperation{At: fhirpath.At(position), Op: "as", Of: of, Type: typ}})
	}
	if !c.model.IsResource(typ) {
		return nil, fhirpath.Errorf(position, "%s is no resource type", typ)
	}
	path := resolve.Of
	if path == nil {
		path = &fhirpath.Variable{At: resolve.At, Name: "$this"}
	}
	ends, err := c.fresh().find(path)
	if err != nil {
		return nil, err
	}
	for _, n := range ends.nodes {
		if n.at.Datatype != "Reference" && n.at.Datatype != "canonical" && n.at.Datatype != "uri" {
			return nil, fhirpath.Errorf(resolve.Position(), "%s is %s, which refers to nothing", n.element,
				n.at.Datatype)
		}
	}
	return func(w *walk, v fhir.Node) truth {
		return ends.reduce(w, v, func(values []fhir.Node) truth {
			if len(values) != 1 {
				return unknown
			}
			target := w.targetType(values[0])
			if target == "" {
				return unknown
			}
			return truthOf(c.model.IsA(target, typ))
		})
	}, nil
}

func isResourceType(typ string) condition {
	return func(_ *walk, v fhir.Node) truth { return truthOf(v.Get("resourceType").Text() == typ) }
}

// targetType tells the type of what a reference points to, as far as the document shows it: by the reference's form, by
// Reference.type, or by the contained resource. "" when it does not show.
func (w *walk) targetType(v fhir.Node) string {
	text := v.Text()
	if v.Kind() == fhir.Object {
		text = v.Get("reference").Text()
	}
	if id, contained := strings.CutPrefix(text, "#"); contained {
		if r := containedIn(w.container, id); r.Exists() {
			return r.Get("resourceType").Text()
		}
	}
	if r := literal.ParseReference(text); r.Type != "" {
		return r.Type
	}
	typ := v.Get("type").Text()
	return typ[strings.LastIndexByte(typ, '/')+1:]
}
