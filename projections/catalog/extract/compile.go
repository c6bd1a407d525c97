package extract

import (
	"errors"
	"slices"
	"strings"

	"binnacle/projections"
	"binnacle/projections/catalog/fhirpath"
	"binnacle/projections/catalog/r4"
)

// errOtherType is the error of a branch of a union that begins with another type than the one at hand.
var errOtherType = errors.New("the path belongs to another type")

// compiler compiles expressions against one focus into paths.
type compiler struct {
	model *r4.Model
	typ   string // the resource type that %resource has
	paths *paths
}

func newCompiler(m *r4.Model, typ string) *compiler {
	root := newNode(r4.PlaceOf(typ), typ)
	return &compiler{m, typ, &paths{focus: root, resource: root}}
}

// at makes a compiler for expressions whose focus is a place inside the same resource.
func (c *compiler) at(focus r4.Place) *compiler {
	return &compiler{c.model, c.typ, &paths{focus: newNode(focus, focus.Path),
		resource: newNode(r4.PlaceOf(c.typ), c.typ)}}
}

// branches are the operands of the unions at the top of an expression.
func branches(e fhirpath.Expr) []fhirpath.Expr {
	if b, ok := e.(*fhirpath.Binary); ok && b.Op == "|" {
		return append(branches(b.Left), branches(b.Right)...)
	}
	return []fhirpath.Expr{e}
}

// isBoolean tells whether an expression gives true or false in place of elements.
func isBoolean(e fhirpath.Expr) bool {
	switch e := e.(type) {
	case *fhirpath.Binary:
		return e.Op != "|"
	case *fhirpath.TypeOperation:
		return e.Op == "is"
	case *fhirpath.Call:
		return slices.Contains([]string{"exists", "empty", "not", "hasValue", "is"}, e.Name)
	}
	return false
}

// path compiles an expression that gives elements and returns their nodes.
func (c *compiler) path(e fhirpath.Expr) ([]*node, error) {
	switch e := e.(type) {
	case *fhirpath.Name:
		return c.name(e)
	case *fhirpath.Variable:
		switch e.Name {
		case "%resource":
			return []*node{c.paths.resource}, nil
		case "$this", "%context":
			return []*node{c.paths.focus}, nil
		}
		return nil, fhirpath.Errorf(e.Position(), "the variable %s is not in the subset of FHIRPath that search "+
			"parameters may use here", e.Name)
	case *fhirpath.Literal:
		return nil, fhirpath.Errorf(e.Position(), "a constant selects no element")
	case *fhirpath.Member:
		from, err := c.path(e.Of)
		if err != nil {
			return nil, err
		}
		return c.member(from, e.Name, e.Position())
	case *fhirpath.Index:
		from, err := c.path(e.Of)
		if err != nil {
			return nil, err
		}
		return c.pick(from, e.N), nil
	case *fhirpath.TypeOperation:
		if e.Op == "is" {
			return nil, fhirpath.Errorf(e.Position(), "\"is\" selects no element")
		}
		return c.cast(e.Of, e.Type, e.Position())
	case *fhirpath.Call:
		return c.call(e)
	case *fhirpath.Binary:
		return c.union(e)
	}
	return nil, fhirpath.Errorf(e.Position(), "unknown construct")
}

// name compiles the first name of a path: a type, or an element of the focus.
func (c *compiler) name(e *fhirpath.Name) ([]*node, error) {
	if c.model.IsResource(e.Name) {
		if !c.model.IsA(c.typ, e.Name) {
			return nil, errOtherType
		}
		return []*node{c.paths.resource}, nil
	}
	return c.member([]*node{c.paths.focus}, e.Name, e.Position())
}

func (c *compiler) union(e *fhirpath.Binary) ([]*node, error) {
	if e.Op != "|" {
		return nil, fhirpath.Errorf(e.Position(), "%q gives true or false; it can stand alone or in where()", e.Op)
	}
	left, err := c.path(e.Left)
	if err != nil && !errors.Is(err, errOtherType) {
		return nil, err
	}
	right, rightErr := c.path(e.Right)
	if errors.Is(rightErr, errOtherType) {
		return left, err
	}
	return append(left, right...), rightErr
}

func (c *compiler) member(from []*node, name string, position int) ([]*node, error) {
	var to []*node
	for _, n := range from {
		if name == "extension" && r4.IsPrimitive(n.at.Datatype) {
			if n.parent == nil {
				return nil, fhirpath.Errorf(position, "the extensions of a primitive can be had right after its "+
					"name only")
			}
			twin := n.parent.child(r4.Step{Key: "_" + n.key, Many: n.many, To: r4.PlaceOf("Element"),
				Element: n.element})
			twin.holes = true
			n = twin
		}
		for _, s := range c.model.Steps(n.at, name) {
			to = append(to, n.child(s))
		}
	}
	if to == nil {
		return nil, fhirpath.Errorf(position, "%s has no element %q", elementNames(from), name)
	}
	return to, nil
}

func elementNames(nodes []*node) string {
	var names []string
	for _, n := range nodes {
		if !slices.Contains(names, n.element) {
			names = append(names, n.element)
		}
	}
	return strings.Join(names, " or ")
}

func (c *compiler) pick(from []*node, n int) []*node {
	slot := c.paths.slots
	c.paths.slots++
	var to []*node
	for _, f := range from {
		t := newNode(f.at, f.element)
		f.picks = append(f.picks, pick{slot, n, t})
		to = append(to, t)
	}
	return to
}

// cast keeps what is of a type: "as" on a collection filters, as ofType does (the expressions of R4 need that).
func (c *compiler) cast(of fhirpath.Expr, typ string, position int) ([]*node, error) {
	from, err := c.path(of)
	if err != nil {
		return nil, err
	}
	var to []*node
	var have []string
	for _, n := range from {
		switch {
		case strings.EqualFold(n.at.Datatype, typ): // R4 writes "DateTime" once
			to = append(to, n)
		case c.model.IsA(typ, n.at.Datatype) && c.model.IsConcrete(typ):
			t := newNode(r4.PlaceOf(typ), typ)
			n.filters = append(n.filters, filter{isResourceType(typ), t})
			to = append(to, t)
		}
		have = append(have, n.at.Datatype)
	}
	if to == nil {
		return nil, fhirpath.Errorf(position, "%s can not be %s; its types are %s", elementNames(from), typ,
			strings.Join(have, ", "))
	}
	return to, nil
}

// call compiles the functions that give elements.
func (c *compiler) call(e *fhirpath.Call) ([]*node, error) {
	of := e.Of
	if of == nil {
		of = &fhirpath.Variable{At: e.At, Name: "$this"}
	}
	if len(e.Args) > 1 {
		return nil, fhirpath.Errorf(e.Position(), "%s() takes at most one argument", e.Name)
	}
	switch {
	case (e.Name == "as" || e.Name == "ofType") && len(e.Args) == 1:
		typ, err := typeArgument(e.Args[0])
		if err != nil {
			return nil, err
		}
		return c.cast(of, typ, e.Position())
	case e.Name == "first" && len(e.Args) == 0:
		from, err := c.path(of)
		if err != nil {
			return nil, err
		}
		return c.pick(from, 0), nil
	case e.Name == "where" && len(e.Args) == 1:
		from, err := c.path(of)
		if err != nil {
			return nil, err
		}
		return c.where(from, e.Args[0])
	case e.Name == "extension" && len(e.Args) == 1:
		from, err := c.path(of)
		if err != nil {
			return nil, err
		}
		if from, err = c.member(from, "extension", e.Position()); err != nil {
			return nil, err
		}
		url := &fhirpath.Binary{At: e.At, Op: "=", Left: &fhirpath.Name{At: e.At, Name: "url"}, Right: e.Args[0]}
		return c.where(from, url)
	}
	return nil, fhirpath.Errorf(e.Position(), "the function %s() with %d arguments is not in the subset of FHIRPath "+
		"that search parameters may use here", e.Name, len(e.Args))
}

// typeArgument reads a type that stands as an argument: as(Quantity), ofType(FHIR.Quantity).
func typeArgument(e fhirpath.Expr) (string, error) {
	switch e := e.(type) {
	case *fhirpath.Name:
		return e.Name, nil
	case *fhirpath.Member:
		if of, ok := e.Of.(*fhirpath.Name); ok && (of.Name == "FHIR" || of.Name == "System") {
			return e.Name, nil
		}
	}
	return "", fhirpath.Errorf(e.Position(), "the name of a type should stand here")
}

// where filters. Of a choice it leaves out the datatypes for which the condition makes no sense.
func (c *compiler) where(from []*node, criterion fhirpath.Expr) ([]*node, error) {
	var to []*node
	var firstErr error
	for _, n := range from {
		condition, err := c.at(n.at).condition(criterion)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		t := newNode(n.at, n.element)
		n.filters = append(n.filters, filter{condition, t})
		to = append(to, t)
	}
	if to == nil {
		return nil, firstErr
	}
	return to, nil
}

// compileParam compiles a parameter's expression into the tree of its type, and notes in p the datatypes that it
// selects.
func (c *compiler) compileParam(p *Param, e fhirpath.Expr, components []*component, main bool) error {
	applies := false
	var targets []string // of branches that ask for the target's type
	anyTarget := false
	for _, branch := range branches(e) {
		if isBoolean(branch) {
			cond, err := c.sameFocus().condition(branch)
			if errors.Is(err, errOtherType) {
				continue
			} else if err != nil {
				return err
			}
			if p.Kind != projections.Token {
				return fhirpath.Errorf(branch.Position(),
					"the expression gives true or false, which a %s parameter can not index", p.Kind)
			}
			applies, p.readable, p.alone = true, true, true
			p.addDatatype("boolean")
			c.paths.focus.output(output{param: p.Code, read: readCondition, condition: cond})
			continue
		}
		ends, err := c.path(branch)
		if errors.Is(err, errOtherType) {
			continue
		} else if err != nil {
			return err
		}
		applies = true
		selected, target := ends, resolvedType(branch)
		if target != "" {
			targets = union(targets, []string{target})
			if selected, err = c.path(branch.(*fhirpath.Call).Of); err != nil {
				return err
			}
			p.alone = p.alone || len(selected) != len(ends)
		} else {
			anyTarget = true
		}
		for i, n := range ends {
			p.addDatatype(n.at.Datatype)
			if n.at.Datatype == "code" {
				p.systems.add(c.model, n.element)
			}
			from := sourceNode{at: n, of: selected[min(i, len(selected)-1)], target: target}
			if p.Kind == projections.Composite {
				compiled, err := c.compileComponents(n.at, components)
				if err != nil {
					return err
				}
				p.Components = mergeComponents(p.Components, compiled)
				n.output(output{param: p.Code, read: readComposite, composite: compiled})
				from.composite = compiled.describe()
				p.selections = append(p.selections, from)
			} else if p.KnownToIndex() {
				p.readable, p.alone = true, true
			} else if read := c.readerOf(p.Kind, n); read != nil {
				n.output(output{param: p.Code, read: read, main: main, marks: p.Code != ""})
				p.readable = true
				p.selections = append(p.selections, from)
			}
		}
	}
	if !applies {
		return fhirpath.Errorf(e.Position(), "no part of the expression is about %s", c.typ)
	}
	if !anyTarget && p.Kind == projections.Reference {
		p.Targets = targets
	}
	return nil
}

// readerOf returns how a parameter reads the values of a node.
func (c *compiler) readerOf(kind projections.Kind, n *node) reader {
	if kind == projections.URI && n.element == c.typ+".url" && len(c.model.Steps(r4.PlaceOf(c.typ), "version")) > 0 {
		return readOwnURL
	}
	return readerOf(kind, n.at.Datatype)
}

// resolvedType tells the type T of a branch that ends with where(resolve() is T); "" for any other.
func resolvedType(e fhirpath.Expr) string {
	where, ok := e.(*fhirpath.Call)
	if !ok || where.Name != "where" || len(where.Args) != 1 {
		return ""
	}
	is, ok := where.Args[0].(*fhirpath.TypeOperation)
	if !ok || is.Op != "is" {
		return ""
	}
	if resolve, ok := is.Of.(*fhirpath.Call); !ok || resolve.Name != "resolve" || resolve.Of != nil {
		return ""
	}
	return is.Type
}

// sameFocus makes a compiler for a condition on the resource itself.
func (c *compiler) sameFocus() *compiler { return c.at(r4.PlaceOf(c.typ)) }
