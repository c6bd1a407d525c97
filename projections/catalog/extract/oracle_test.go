package extract

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// readOracle reads a compressed JSON file of testdata.
func readOracle[T any](t *testing.T, name string) T {
	t.Helper()
	file, err := os.Open("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.NewDecoder(r).Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

type oracleParam struct {
	Type       string
	Datatypes  []string
	Components []oracleComponent
}

type oracleComponent struct {
	Code, Type, Expression string
	Datatypes              []string
}

func TestEveryParameterOfR4CompilesToTheKindAndDatatypesOfTheOracle(t *testing.T) {
	c := compiled(t)
	oracle := readOracle[map[string]map[string]oracleParam](t, "param-types.json.gz")
	pairs := 0
	for typ, params := range oracle {
		if got := len(c.Of(typ).Sorted); got != len(params) {
			t.Errorf("%s has %d parameters; want %d", typ, got, len(params))
		}
		for code, want := range params {
			pairs++
			p := c.Of(typ).Params[code]
			if p == nil {
				t.Errorf("%s.%s is missing", typ, code)
				continue
			}
			if p.Kind.String() != want.Type {
				t.Errorf("%s.%s is %s; want %s", typ, code, p.Kind, want.Type)
			}
			if got := p.Datatypes; !slices.Equal(got, want.Datatypes) {
				t.Errorf("%s.%s selects %v; want %v", typ, code, got, want.Datatypes)
			}
			if typ == "DocumentReference" && code == "relationship" {
				continue // R4 has the expressions of its components the wrong way round; r4/generate puts them right
			}
			if len(p.Components) != len(want.Components) {
				t.Errorf("%s.%s has %d components; want %d", typ, code, len(p.Components), len(want.Components))
				continue
			}
			for i, part := range want.Components {
				got := p.Components[i]
				if got.Kind.String() != part.Type || got.Code != part.Code || got.Expression != part.Expression ||
					!slices.Equal(got.Datatypes, part.Datatypes) {
					t.Errorf("%s.%s: component %d is %+v; want %+v", typ, code, i, got, part)
				}
			}
		}
	}
	if pairs != 3008 || len(oracle) != 146 {
		t.Errorf("compared %d pairs of %d types; want 3008 of 146", pairs, len(oracle))
	}
}
