// Package fhirpath reads the subset of FHIRPath (HL7 FHIRPath 2.0.0) that the expressions of SearchParameters and the
// paths of patches are written in, into a tree. What the tree means is the catalog's matter, or that of patches.
//
// The subset: paths of names, indexers, function calls, |, is, as, =, !=, and, or, xor, implies, parentheses,
// %variables, $this, and literals (strings, numbers, booleans). Anything else is an [Error] that names the construct
// and its position.
package fhirpath

import "fmt"

// Expr is an expression. Position is the byte offset of its first character in the text; for an operator, of the
// operator.
type Expr interface {
	Position() int
}

// At is the position of an expression.
type At int

// Position returns the byte offset in the text.
func (a At) Position() int { return int(a) }

// The expressions.
type (
	// Name is a name that stands at the beginning of a path: a type, or an element of the focus.
	Name struct {
		At
		Name string
	}
	// Variable is %name, with its sign, or $this.
	Variable struct {
		At
		Name string
	}
	// Literal is a constant.
	Literal struct {
		At
		Kind LiteralKind
		Text string // a string's value without quotes and escapes; "true" or "false"; the number as written
	}
	// Member is an element of what Of gives.
	Member struct {
		At
		Of   Expr
		Name string
	}
	// Call is a function on what Of gives; Of is nil at the beginning of a path, where the function is on the focus.
	Call struct {
		At
		Of   Expr
		Name string
		Args []Expr
	}
	// Index is Of[N].
	Index struct {
		At
		Of Expr
		N  int
	}
	// TypeOperation is "Of is Type" or "Of as Type".
	TypeOperation struct {
		At
		Op   string
		Of   Expr
		Type string // without the namespace
	}
	// Binary is Left Op Right; Op is one of | = != and or xor implies.
	Binary struct {
		At
		Op          string
		Left, Right Expr
	}
)

// LiteralKind is the kind of a constant.
type LiteralKind uint8

// The kinds of constants.
const (
	String LiteralKind = 1 + iota
	Number
	Boolean
)

// Error tells what cannot be read, and where.
type Error struct {
	Position int // byte offset in the text
	Text     string
}

func (e *Error) Error() string { return fmt.Sprintf("position %d: %s", e.Position, e.Text) }

// Errorf makes an [Error] at a position.
func Errorf(position int, format string, args ...any) *Error {
	return &Error{Position: position, Text: fmt.Sprintf(format, args...)}
}
