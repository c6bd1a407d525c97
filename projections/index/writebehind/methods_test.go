package writebehind

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"binnacle/projections"
)

// A new method of a contract must not pass by what waits only because nobody has thought of it.
func TestEveryMethodKnowsOfWhatWaits(t *testing.T) {
	for receiver, want := range map[string]struct {
		contract reflect.Type
		passed   []string // that have nothing to do with what waits
	}{
		"front":   {reflect.TypeFor[projections.Index](), []string{"Digests", "Quarantine", "Unsettled"}},
		"auditor": {reflect.TypeFor[projections.Auditor](), []string{"Digests", "Quarantine", "Unsettled"}},
		"Blobs":   {reflect.TypeFor[projections.Blobs](), []string{"Put", "Ready", "Close"}},
		"Generations": {reflect.TypeFor[projections.Generations](), []string{"Sweeper", "Keep", "Definitions", "Builder",
			"List", "Drop", "Ready"}},
	} {
		declared := methodsOf(t, receiver)
		for i := range want.contract.NumMethod() {
			name := want.contract.Method(i).Name
			if slices.Contains(declared, name) == slices.Contains(want.passed, name) {
				t.Errorf("%s.%s: declared %v; declare it, or say here that what waits is none of its business", receiver,
					name, slices.Contains(declared, name))
			}
		}
	}
}

// methodsOf returns the names of the methods that the package declares on a type.
func methodsOf(t *testing.T, receiver string) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			method, is := d.(*ast.FuncDecl)
			if !is || method.Recv == nil {
				continue
			}
			if star, is := method.Recv.List[0].Type.(*ast.StarExpr); is {
				if name, is := star.X.(*ast.Ident); is && name.Name == receiver {
					names = append(names, method.Name.Name)
				}
			}
		}
	}
	return names
}
