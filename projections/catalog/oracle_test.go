package catalog

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"binnacle/projections"
)

// readOracle reads a compressed JSON file of testdata.
func readOracle[T any](t *testing.T, name string) T {
	t.Helper()
	file, err := os.Open("testdata/" + name)
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

func defaultCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type oracleParam struct {
	Type       string
	Datatypes  []string
	Components []struct {
		Code, Type, Expression string
		Datatypes              []string
	}
}

func TestEveryParameterOfR4CompilesToTheKindAndDatatypesOfTheOracle(t *testing.T) {
	c := defaultCatalog(t)
	oracle := readOracle[map[string]map[string]oracleParam](t, "param-types.json.gz")
	pairs := 0
	for typ, params := range oracle {
		if got := len(c.Params(typ)); got != len(params) {
			t.Errorf("%s has %d parameters; want %d", typ, got, len(params))
		}
		for code, want := range params {
			pairs++
			p, ok := c.Param(typ, code)
			if !ok {
				t.Errorf("%s.%s is missing", typ, code)
				continue
			}
			if p.Kind != kinds[want.Type] {
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
				if got.Kind != kinds[part.Type] || got.Code != part.Code || got.Expression != part.Expression || !slices.Equal(got.Datatypes, part.Datatypes) {
					t.Errorf("%s.%s: component %d is %+v; want %+v", typ, code, i, got, part)
				}
			}
		}
	}
	if pairs != 3008 || len(oracle) != 146 || len(c.Types()) != 145 {
		t.Errorf("compared %d pairs of %d types, the catalog has %d types; want 3008 of 146 and 145: Parameters has no endpoint", pairs, len(oracle), len(c.Types()))
	}
}

func TestEveryMainDateIsADateParameterThatGivesDates(t *testing.T) {
	c := defaultCatalog(t)
	with := 0
	for _, typ := range c.Types() {
		code := c.MainDate(typ)
		if code == "" {
			for _, p := range c.Params(typ) {
				if p.Kind == projections.Date && (p.Code == "date" || p.Code == "created" || p.Code == "issued" || p.Code == "period") {
					t.Errorf("%s has the date parameter %s and no main date", typ, p.Code)
				}
			}
			continue
		}
		with++
		p, ok := c.Param(typ, code)
		if !ok || p.Kind != projections.Date || !p.readable || code == "birthdate" {
			t.Errorf("the main date of %s is %q: %+v", typ, code, p)
		}
	}
	if with != 94 {
		t.Errorf("%d types have a main date; want 94", with)
	}
	if c.MainDate("Nonsense") != "" {
		t.Error("a type that is none has a main date")
	}
}

func TestCompartmentsNameParametersThatThereAre(t *testing.T) {
	c := defaultCatalog(t)
	n := 0
	for name, types := range c.model.Compartments() {
		for typ := range types {
			params, ok := c.Compartment(name, typ)
			if !ok || len(params) == 0 {
				t.Errorf("compartment %s has nothing for %s", name, typ)
			}
			for _, code := range params {
				n++
				if p, ok := c.Param(typ, code); code != "{def}" && (!ok || p.Kind != projections.Reference) {
					t.Errorf("compartment %s has %s.%s, which is no reference parameter", name, typ, code)
				}
			}
		}
	}
	if params, ok := c.Compartment("Patient", "Observation"); !ok || !slices.Equal(params, []string{"performer", "subject"}) {
		t.Errorf("an Observation is in the compartment Patient by %v, %v", params, ok)
	}
	if _, ok := c.Compartment("Patient", "Organization"); ok {
		t.Error("an Organization is in no compartment of a Patient")
	}
	if n < 300 {
		t.Errorf("only %d parameters", n)
	}
}
