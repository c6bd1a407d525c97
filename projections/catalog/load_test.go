package catalog

import (
	"slices"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

// document parses a document of a test.
func document(t testing.TB, text string) *fhir.Document {
	t.Helper()
	doc, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

func defaultCatalog(t testing.TB) *Catalog {
	t.Helper()
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// own writes a SearchParameter.
func own(code, base, typ, expression string) string {
	return `{"resourceType":"SearchParameter","url":"http://example.org/` + code + `","code":"` + code + `","base":["` +
		base + `"],"type":"` + typ + `","expression":"` + expression + `"}`
}

func TestABadDefinitionIsRefusedByName(t *testing.T) {
	bundle := func(entries ...string) string {
		for i := range entries {
			entries[i] = `{"resource":` + entries[i] + `}`
		}
		return `{"resourceType":"Bundle","entry":[` + strings.Join(entries, ",") + `]}`
	}
	composite := func(component string) string {
		return `{"resourceType":"SearchParameter","id":"x","code":"x","base":["Observation"],"type":"composite","expression":"Observation","component":[` + component + `,` + component + `]}`
	}
	for _, test := range []struct{ data, want string }{
		{`nonsense`, "definition file 1 of 1: it is no JSON"},
		{`{"resourceType":"Patient"}`, `resourceType is "Patient"`},
		{bundle(`{"resourceType":"ValueSet"}`), "holds no SearchParameter"},
		{bundle(`{"resourceType":"SearchParameter","code":5}`), "the entry 0"},
		{`{"resourceType":"SearchParameter","code":"x","base":["Patient"],"type":"token","expression":"Patient.gender"}`, "neither url nor id"},
		{own("a.b", "Patient", "token", "Patient.gender"), `code "a.b"`},
		{own("_count", "Patient", "token", "Patient.gender"), "FHIR's own"},
		{own("x", "Patient", "tokens", "Patient.gender"), `type "tokens"`},
		{own("x", "Patient", "special", "Patient.gender"), "type special"},
		{own("x", "Patients", "token", "Patient.gender"), `base "Patients"`},
		{own("x", "Patient", "token", ""), "expression is missing"},
		{strings.Replace(own("x", "Patient", "token", "Patient.gender"), `["Patient"]`, `[]`, 1), "base is missing"},
		{bundle(own("x", "Patient", "token", "Patient.gender"), own("x", "Patient", "token", "Patient.active")),
			"both define the parameter x of Patient"},
		{own("x", "Patient", "token", "Patient.gendre"),
			`http://example.org/x, expression "Patient.gendre": on Patient: position 8: Patient has no element "gendre"`},
		{own("x", "Patient", "token", "Patient.name.("), "position 13: a name should stand where"},
		{own("x", "Patient", "token", "Patient.name."),
			"position 13: a name should stand where the end of the expression stands"},
		{own("x", "Patient", "token", "Patient.name + 'x'"), "position 13: the operator + is not in the subset"},
		{own("x", "Patient", "token", "Patient.name.repeat(given)"),
			"position 13: the function repeat() with 1 arguments is not in the subset"},
		{own("x", "Patient", "token", "Patient.link.other.resolve().gender"), "position 19: the function resolve()"},
		{own("x", "Patient", "token", "%ucum"), "position 0: the variable %ucum"},
		{own("x", "Patient", "token", "'x'"), "position 0: a constant selects no element"},
		{own("x", "Patient", "token", "Observation.code"), "no part of the expression is about Patient"},
		{own("x", "Patient", "date", "Patient.gender"), "a date parameter can index none of [code]"},
		{own("x", "Patient", "date", "Patient.active = true"), "which a date parameter can not index"},
		{own("x", "Patient", "token", "Patient.deceased.as(Period)"),
			"Patient.deceased[x] can not be Period; its types are boolean, dateTime"},
		{own("x", "Patient", "token", "Patient.telecom.where(sistem = 'x')"), `ContactPoint has no element "sistem"`},
		{own("x", "Patient", "token", "Patient.telecom.where(system)"), "which is neither true nor false"},
		{own("x", "Patient", "token", "Patient.telecom.where(system = use)"), "one side of = must be a constant"},
		{own("x", "Patient", "token", "Patient.telecom.where(resolve() is Patient)"),
			"ContactPoint is ContactPoint, which refers to nothing"},
		{own("x", "Patient", "token", "Patient.link.other.where(resolve() is Human)"), "Human is no resource type"},
		{own("x", "Patient", "reference", "(Patient.active = true) | Patient.link.other"), "gives true or false"},
		{own("date", "Encounter", "string", "Encounter.status"), "is its main date, and must stay a date parameter"},
		{composite(`{"definition":"http://x/unknown","expression":"code"}`),
			`component[0].definition "http://x/unknown" is not a known SearchParameter`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"kode"}`),
			`component code, expression "kode"`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"("}`),
			`component[0].expression "("`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"effective"}`),
			"a token can index none of"},
		{strings.Replace(own("x", "Observation", "composite", "Observation"), `"expression"`,
			`"component":[],"expression"`, 1), "at least two components"},
	} {
		_, err := Load([]byte(test.data))
		if events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngives %v\nwant an Invalid with %s", test.data, err, test.want)
		}
	}
}

func TestAnOwnDefinitionStandsInPlaceOfAnInheritedOrR4One(t *testing.T) {
	c, err := Load([]byte(own("gender", "Patient", "string", "Patient.gender")),
		[]byte(strings.Replace(own("born", "Person", "date", "Person.birthDate"),
			"http://example.org/born", "http://hl7.org/fhir/SearchParameter/individual-birthdate", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		typ, code string
		kind      projections.Kind
	}{
		{"Patient", "gender", projections.String}, // by base and code
		{"Person", "gender", projections.Token},   // the R4 definition keeps its other bases
		{"Person", "born", projections.Date},      // by url
		{"Person", "birthdate", 0},
		{"Patient", "birthdate", 0},
	} {
		p, ok := c.Param(test.typ, test.code)
		if ok != (test.kind != 0) || ok && p.Kind != test.kind {
			t.Errorf("%s.%s is %+v; want kind %v", test.typ, test.code, p, test.kind)
		}
	}
}

func TestTheDigestChangesWithTheDefinitionsAlone(t *testing.T) {
	digest := func(more ...string) string {
		var data [][]byte
		for _, m := range more {
			data = append(data, []byte(m))
		}
		c, err := Load(data...)
		if err != nil {
			t.Fatal(err)
		}
		return c.Digest()
	}
	a, b := own("a", "Patient", "token", "Patient.gender"), own("b", "Patient", "token", "Patient.gender")
	r4 := digest()
	if r4 != digest() || digest(a, b) != digest(b, " "+a) {
		t.Error("equal definitions give different digests")
	}
	seen := map[string]string{r4: "none"}
	for _, more := range []string{a, b, own("a", "Patient", "string", "Patient.gender"),
		own("a", "Patient", "token", "Patient.active"), own("a", "Person", "token", "Person.gender")} {
		d := digest(more)
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", more, other)
		}
		seen[d] = more
	}
}

func TestParamsAreSortedAndComplete(t *testing.T) {
	c := defaultCatalog(t)
	if n := len(c.Types()); n != 145 {
		t.Errorf("the catalog has %d types; want 145: Parameters has no endpoint", n)
	}
	params := c.Params("Patient")
	for i := 1; i < len(params); i++ {
		if params[i-1].Code >= params[i].Code {
			t.Errorf("%s stands before %s", params[i-1].Code, params[i].Code)
		}
	}
	p, ok := c.Param("Patient", "general-practitioner")
	if !ok || p.URL != "http://hl7.org/fhir/SearchParameter/Patient-general-practitioner" || p.Type != "Patient" ||
		strings.Join(p.Targets, " ") != "Practitioner Organization PractitionerRole" {
		t.Errorf("general-practitioner is %+v", p)
	}
	if p, _ := c.Param("Patient", "_tag"); p.Type != "Resource" {
		t.Errorf("_tag is defined on %s", p.Type)
	}
	for code, want := range map[string]bool{"_text": false, "_content": false, "_query": false, "gender": true,
		"_id": true} {
		if p, ok := c.Param("Patient", code); !ok || p.Searchable() != want {
			t.Errorf("%s: %v, searchable %v; want %v", code, ok, p.Searchable(), want)
		}
	}
	if got := c.Clause("Observation", "patient").Shares; len(got) != 1 || got[0].Param != "subject" ||
		c.Clause("Observation", "x").Shares != nil {
		t.Errorf("a clause of patient shares %v", got)
	}
	if _, ok := c.Param("Nonsense", "x"); ok || c.Params("Nonsense") != nil || c.Known("Nonsense") ||
		c.Known("Resource") || c.Known("Parameters") || !c.Readable("Parameters") || c.Readable("Nonsense") ||
		!c.Known("Patient") {
		t.Error("a type that is none is known")
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEveryMainDateIsADateParameterThatGivesDates(t *testing.T) {
	c := defaultCatalog(t)
	with := 0
	for _, typ := range c.Types() {
		code := c.types.Of(typ).MainDate
		if code == "" {
			for _, p := range c.Params(typ) {
				if p.Kind == projections.Date && (p.Code == "date" || p.Code == "created" || p.Code == "issued" ||
					p.Code == "period") {
					t.Errorf("%s has the date parameter %s and no main date", typ, p.Code)
				}
			}
			continue
		}
		with++
		p, ok := c.Param(typ, code)
		if !ok || p.Kind != projections.Date || !p.Searchable() || code == "birthdate" {
			t.Errorf("the main date of %s is %q: %+v", typ, code, p)
		}
	}
	if with != 94 {
		t.Errorf("%d types have a main date; want 94", with)
	}
}

func TestCompartmentsNameParametersThatThereAre(t *testing.T) {
	c := defaultCatalog(t)
	n := 0
	for name, types := range c.model.Compartments() {
		for typ, params := range types {
			if len(params) == 0 {
				t.Errorf("compartment %s has nothing for %s", name, typ)
			}
			for _, code := range params {
				n++
				if p, ok := c.Param(typ, code); code != itself && (!ok || p.Kind != projections.Reference) {
					t.Errorf("compartment %s has %s.%s, which is no reference parameter", name, typ, code)
				}
			}
		}
	}
	ofPatients := c.model.Compartments()["Patient"]
	if params := ofPatients["Observation"]; !slices.Equal(params, []string{"performer", "subject"}) {
		t.Errorf("an Observation is in the compartment Patient by %v", params)
	}
	if _, ok := ofPatients["Organization"]; ok {
		t.Error("an Organization is in no compartment of a Patient")
	}
	if n < 300 {
		t.Errorf("only %d parameters", n)
	}
}
