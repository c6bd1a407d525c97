package fhirpath

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show writes a tree with all its parentheses.
func show(e Expr) string {
	switch e := e.(type) {
	case nil:
		return "·"
	case *Name:
		return e.Name
	case *Variable:
		return e.Name
	case *Literal:
		return fmt.Sprintf("%d:%s", e.Kind, e.Text)
	case *Member:
		return show(e.Of) + "." + e.Name
	case *Index:
		return fmt.Sprintf("%s[%d]", show(e.Of), e.N)
	case *TypeOperation:
		return "(" + show(e.Of) + " " + e.Op + " " + e.Type + ")"
	case *Binary:
		return "(" + show(e.Left) + " " + e.Op + " " + show(e.Right) + ")"
	case *Call:
		var args []string
		for _, a := range e.Args {
			args = append(args, show(a))
		}
		of := "·"
		if e.Of != nil {
			of = show(e.Of)
		}
		return of + "." + e.Name + "(" + strings.Join(args, ", ") + ")"
	}
	return fmt.Sprintf("%T", e)
}

func TestExpressionsBindAsFHIRPathSays(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a", "a"},
		{" a . b\n.c\t", "a.b.c"},
		{"a | b.c|d", "((a | b.c) | d)"},
		{"(a as T).b", "(a as T).b"},
		{"a as FHIR.T | b is System.String", "((a as T) | (b is String))"},
		{"a.b = 'x' and c != false or d", "(((a.b = 1:x) and (c != 3:false)) or d)"},
		{"a or b and c", "(a or (b and c))"},
		{"a implies b or c", "(a implies (b or c))"},
		{"a xor b xor c", "((a xor b) xor c)"},
		{"a | b = c", "((a | b) = c)"},
		{"a.where(b = 'it\\'s').c[12].first()", "a.where((b = 1:it's)).c[12].first()"},
		{"resolve() is Patient", "(·.resolve() is Patient)"},
		{"f(a, b | c)", "·.f(a, (b | c))"},
		{"%resource.a.where($this = 1.5)", "%resource.a.where(($this = 2:1.5))"},
		{"%`a b`.c", "%a b.c"},
		{"X.contains.is.as.and.div", "X.contains.is.as.and.div"},
		{"`div`.a", "div.a"},
		{`'A\t\\\/\n\r\f\"\` + "`'", "1:A\t\\/\n\r\f\"`"},
		{"a[0][1]", "a[0][1]"},
		{"1.a", "2:1.a"},
		{"true", "3:true"},
	} {
		e, err := Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
		} else if got := show(e); got != test.want {
			t.Errorf("%s is read as %s; want %s", test.text, got, test.want)
		}
	}
}

func TestWhatCanNotBeReadIsNamedWithItsPosition(t *testing.T) {
	for _, test := range []struct {
		text     string
		position int
		want     string
	}{
		{"", 0, "a path or a constant should stand where the end of the expression stands"},
		{"a.", 2, "a name should stand where the end"},
		{"a..b", 2, `a name should stand where "." stands`},
		{"a b", 2, `an operator or the end should stand where "b" stands`},
		{"a 'b'", 2, "where the string 'b' stands"},
		{"(a", 2, `")" should stand`},
		{"a)", 1, `an operator or the end should stand where ")"`},
		{"f(a", 3, `"," should stand`},
		{"f(a,)", 4, "a path or a constant"},
		{"a[b]", 2, "a whole number should stand"},
		{"a[1.5]", 2, "a whole number should stand"},
		{"a[99999999999999999999]", 2, "a whole number should stand"},
		{"a[1", 3, `"]" should stand`},
		{"a as 5", 5, "the name of a type should stand"},
		{"a as FHIR.", 10, "the name of a type should stand"},
		{"a + b", 2, "the operator + is not in the subset"},
		{"a.b <= c", 4, "the operator <= is not in the subset"},
		{"a contains b", 2, "the operator contains is not in the subset"},
		{"-1", 0, "the operator - is not in the subset"},
		{"a // b", 2, "comments are not in the subset"},
		{"'a", 0, "the quote that opens here is never closed"},
		{"a = '\\", 4, "never closed"},
		{`'\x'`, 1, `the escape \x`},
		{`'\u12'`, 1, "four hexadecimal digits"},
		{`'\u12zz'`, 1, "four hexadecimal digits"},
		{"{}", 0, `where "{" stands`},
		{"é", 0, `where "é" stands`},
		{strings.Repeat("(", maxDepth+1), maxDepth, "more than 100 levels"},
		{strings.Repeat("a", maxBytes+1), 0, "the most is"},
	} {
		e, err := Parse(test.text)
		var got *Error
		if !errors.As(err, &got) || got.Position != test.position || !strings.Contains(got.Text, test.want) {
			t.Errorf("%.60s: %v, %v; want position %d and %q", test.text, e, err, test.position, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"(Patient.deceased as boolean) | a.where(resolve() is FHIR.Patient)[0].b", "a.exists() and a != false", `'\u0041' = "x"`, "%`x`.f($this, 1.2)", "((((", "é + `"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || bad.Position < 0 || bad.Position > len(text) || bad.Text == "" {
				t.Errorf("%q: %#v", text, err)
			}
			return
		}
		if p := e.Position(); p < 0 || p >= len(text) {
			t.Errorf("%q stands at %d", text, p)
		}
		show(e)
	})
}
