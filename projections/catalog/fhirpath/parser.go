package fhirpath

import "strconv"

// Limits of an expression; the longest of R4 has 1,300 bytes.
const (
	maxBytes = 1 << 16
	maxDepth = 100
)

// Parse reads an expression. An error is an [*Error].
func Parse(text string) (Expr, error) {
	if len(text) > maxBytes {
		return nil, Errorf(0, "the expression has %d bytes; the most is %d", len(text), maxBytes)
	}
	p := parser{text: text}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.token.kind != endToken {
		return nil, p.unexpected("an operator or the end")
	}
	return e, nil
}

type parser struct {
	text  string
	place int // after token
	token token
	depth int
}

func (p *parser) advance() *Error {
	t, place, err := next(p.text, p.place)
	if err != nil {
		return err
	}
	p.token, p.place = t, place
	return nil
}

// unexpected tells what stands where something else should. An operator that FHIRPath has and the subset lacks is named
// as such.
func (p *parser) unexpected(want string) *Error {
	t := p.token
	switch t.kind {
	case symbolToken:
		switch t.text {
		case "+", "-", "*", "/", "&", "<", ">", "<=", ">=", "~", "!~":
			return Errorf(t.position, "the operator %s is not in the subset of FHIRPath that is read here", t.text)
		case "//", "/*":
			return Errorf(t.position, "comments are not in the subset of FHIRPath that is read here")
		}
	case nameToken:
		switch t.text {
		case "div", "mod", "in", "contains":
			return Errorf(t.position, "the operator %s is not in the subset of FHIRPath that is read here", t.text)
		}
	}
	return Errorf(t.position, "%s should stand where %s stands", want, t.describe())
}

func (p *parser) is(symbol string) bool { return p.token.kind == symbolToken && p.token.text == symbol }

func (p *parser) expect(symbol string) *Error {
	if !p.is(symbol) {
		return p.unexpected(strconv.Quote(symbol))
	}
	return p.advance()
}

// precedence of the binary operators, from loose to tight (FHIRPath 2.0.0, section 6.8).
func precedence(t token) int {
	if t.kind == nameToken {
		switch t.text {
		case "implies":
			return 1
		case "or", "xor":
			return 2
		case "and":
			return 3
		case "is", "as":
			return 6
		}
	}
	if t.kind == symbolToken {
		switch t.text {
		case "=", "!=":
			return 4
		case "|":
			return 5
		}
	}
	return 0
}

// binary reads operators that bind more tightly than loosest; all of them associate to the left.
func (p *parser) binary(loosest int) (Expr, *Error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, Errorf(p.token.position, "more than %d levels of parentheses", maxDepth)
	}
	left, err := p.path()
	if err != nil {
		return nil, err
	}
	for {
		op := p.token
		binding := precedence(op)
		if binding <= loosest {
			return left, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if op.text == "is" || op.text == "as" {
			typ, err := p.typeName()
			if err != nil {
				return nil, err
			}
			left = &TypeOperation{At(op.position), op.text, left, typ}
			continue
		}
		right, err := p.binary(binding)
		if err != nil {
			return nil, err
		}
		left = &Binary{At(op.position), op.text, left, right}
	}
}

// typeName reads a type, with or without the namespace FHIR or System.
func (p *parser) typeName() (string, *Error) {
	name := p.token
	if name.kind != nameToken && name.kind != quotedNameToken {
		return "", p.unexpected("the name of a type")
	}
	if err := p.advance(); err != nil {
		return "", err
	}
	if (name.text == "FHIR" || name.text == "System") && p.is(".") {
		if err := p.advance(); err != nil {
			return "", err
		}
		return p.typeName()
	}
	return name.text, nil
}

func (p *parser) path() (Expr, *Error) {
	e, err := p.term()
	for err == nil {
		switch {
		case p.is("."):
			if err = p.advance(); err != nil {
				return nil, err
			}
			name := p.token
			if name.kind != nameToken && name.kind != quotedNameToken {
				return nil, p.unexpected("a name")
			}
			if err = p.advance(); err != nil {
				return nil, err
			}
			if p.is("(") {
				e, err = p.call(e, name)
				break
			}
			e = &Member{At(name.position), e, name.text}
		case p.is("["):
			at := p.token.position
			if err = p.advance(); err != nil {
				return nil, err
			}
			n, bad := strconv.Atoi(p.token.text)
			if p.token.kind != numberToken || bad != nil {
				return nil, p.unexpected("a whole number")
			}
			if err = p.advance(); err == nil {
				err = p.expect("]")
			}
			e = &Index{At(at), e, n}
		default:
			return e, nil
		}
	}
	return nil, err
}

func (p *parser) term() (Expr, *Error) {
	t := p.token
	at := At(t.position)
	switch {
	case p.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind == stringToken:
		return &Literal{at, String, t.text}, p.advance()
	case t.kind == numberToken:
		return &Literal{at, Number, t.text}, p.advance()
	case t.kind == nameToken && (t.text == "true" || t.text == "false"):
		return &Literal{at, Boolean, t.text}, p.advance()
	case t.kind == variableToken:
		return &Variable{at, t.text}, p.advance()
	case t.kind == nameToken || t.kind == quotedNameToken:
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.is("(") {
			return p.call(nil, t)
		}
		return &Name{at, t.text}, nil
	}
	return nil, p.unexpected("a path or a constant")
}

func (p *parser) call(of Expr, name token) (Expr, *Error) {
	c := &Call{At: At(name.position), Of: of, Name: name.text}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	for !p.is(")") {
		if len(c.Args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		arg, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		c.Args = append(c.Args, arg)
	}
	return c, p.advance()
}
