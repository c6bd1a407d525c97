package catalog

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// own writes a SearchParameter.
func own(code, base, typ, expression string) string {
	return `{"resourceType":"SearchParameter","url":"http://example.org/` + code + `","code":"` + code + `","base":["` + base + `"],"type":"` + typ + `","expression":"` + expression + `"}`
}

func TestTheOperatorsOwnDefinitionsAreCompiled(t *testing.T) {
	const birth = `"_birthDate":{"extension":[{"url":"http://x/time","valueDateTime":"1970-01-01T10:00:00Z"}]}`
	for _, test := range []struct {
		name, base, typ, expression, doc string
		want                             []string
	}{
		{"an extension by its url", "Patient", "token", "Patient.extension('http://x/e').value.as(CodeableConcept)", `{"resourceType":"Patient","extension":[{"url":"http://x/e","valueCodeableConcept":{"coding":[{"code":"a"}]}},{"url":"http://x/f","valueCodeableConcept":{"coding":[{"code":"b"}]}}]}`, []string{"|a"}},
		{"an extension by where and ofType", "Patient", "string", "Patient.extension.where(url = 'http://x/e').value.ofType(string)", `{"resourceType":"Patient","extension":[{"url":"http://x/e","valueString":"s"},{"url":"http://x/e","valueCode":"c"}]}`, []string{"s"}},
		{"an extension of a primitive", "Patient", "date", "Patient.birthDate.extension('http://x/time').value.as(dateTime)", `{"resourceType":"Patient",` + birth + `}`, []string{"1970-01-01T10:00:00 1970-01-01T10:00:01"}},
		{"an extension of repeated primitives", "Patient", "string", "Patient.name.given.extension('http://x/g').value.as(string)", `{"resourceType":"Patient","name":[{"_given":[null,{"extension":[{"url":"http://x/g","valueString":"v"}]}]}]}`, []string{"v"}},
		{"first()", "Patient", "string", "Patient.name.given.first()", `{"resourceType":"Patient","name":[{"given":["a","b"]},{"given":["c"]}]}`, []string{"a"}},
		{"an index in the middle", "Patient", "string", "Patient.name[1].given", `{"resourceType":"Patient","name":[{"given":["a","b"]},{"given":["c","d"]}]}`, []string{"c", "d"}},
		{"an index inside a condition counts anew for each", "Patient", "string", "Patient.name.where(given[0] = 'a').family", `{"resourceType":"Patient","name":[{"family":"x","given":["a"]},{"family":"y","given":["b","a"]},{"family":"z","given":["a"]}]}`, []string{"x", "z"}},
		{"and, or, not in a condition", "Patient", "token", "Patient.telecom.where((system = 'email' or system = 'phone') and (use = 'old').not())", `{"resourceType":"Patient","telecom":[{"system":"email","use":"home","value":"a"},{"system":"phone","use":"old","value":"b"},{"system":"fax","use":"home","value":"c"},{"system":"email","value":"d"}]}`, []string{"|a"}},
		{"exists and empty", "Patient", "token", "Patient.telecom.where(period.exists() and rank.empty())", `{"resourceType":"Patient","telecom":[{"value":"a","period":{}},{"value":"b","period":{},"rank":1},{"value":"c"}]}`, []string{"|a"}},
		{"numbers compare as numbers", "Patient", "token", "Patient.telecom.where(rank = 1)", `{"resourceType":"Patient","telecom":[{"value":"a","rank":1.0},{"value":"b","rank":2}]}`, []string{"|a"}},
		{"xor and implies", "Patient", "token", "Patient.active xor (false implies true)", `{"resourceType":"Patient","active":false}`, []string{"|true"}},
		{"a condition without an answer gives nothing", "Patient", "token", "Patient.active = true", `{"resourceType":"Patient"}`, nil},
		{"a boolean element is a condition", "Patient", "token", "Patient.communication.where(preferred).language", `{"resourceType":"Patient","communication":[{"preferred":true,"language":{"coding":[{"code":"en"}]}},{"language":{"coding":[{"code":"de"}]}}]}`, []string{"|en"}},
		{"exists with a criterion", "Patient", "token", "Patient.name.exists(use = 'official')", `{"resourceType":"Patient","name":[{"use":"official"}]}`, []string{"|true"}},
		{"$this", "Patient", "string", "Patient.name.given.where($this != 'a')", `{"resourceType":"Patient","name":[{"given":["a","b"]}]}`, []string{"b"}},
		{"is on a choice", "Observation", "token", "Observation.value is Quantity", `{"resourceType":"Observation","valueQuantity":{"value":1}}`, []string{"|true"}},
		{"resolve() with is() as a function", "Observation", "reference", "Observation.focus.where(resolve().is(Patient))", `{"resourceType":"Observation","focus":[{"reference":"Patient/1"},{"reference":"Group/1"}]}`, []string{"Patient|1"}},
		{"resolve() in a path and a negation", "Observation", "reference", "Observation.where((subject.resolve() is Patient).not()).subject", `{"resourceType":"Observation","subject":{"reference":"Group/1"}}`, []string{"Group|1"}},
		{"resources inside a resource, by type", "Bundle", "string", "Bundle.entry.resource.as(Patient).name.family", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"F"}]}},{"resource":{"resourceType":"Person","name":[{"family":"G"}]}}]}`, []string{"F"}},
		{"on all types", "Resource", "token", "Resource.language", `{"resourceType":"Basic","language":"de"}`, []string{"|de"}},
		{"on all domain resources", "DomainResource", "reference", "DomainResource.contained", `{"resourceType":"Patient","contained":[{"resourceType":"Person","id":"p"}]}`, []string{"Person|p"}},
		{"without the type before it", "Patient", "token", "gender | `maritalStatus`", `{"resourceType":"Patient","gender":"male"}`, []string{"|male"}},
		{"a union in parentheses", "Patient", "string", "(Patient.name | Patient.contact.name).family", `{"resourceType":"Patient","name":[{"family":"a"}],"contact":[{"name":{"family":"b"}}]}`, []string{"a", "b"}},
		{"the same path twice counts once", "Patient", "token", "Patient.gender | Patient.gender", `{"resourceType":"Patient","gender":"male"}`, []string{"|male"}},
		{"%resource in a condition", "Patient", "string", "Patient.name.where(%resource.active = true).family", `{"resourceType":"Patient","active":true,"name":[{"family":"a"}]}`, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Load([]byte(own("own", test.base, test.typ, test.expression)))
			if err != nil {
				t.Fatal(err)
			}
			e, err := c.Extract(parse(t, test.doc))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, term := range e.Terms {
				if term.Param == "own" {
					got = append(got, show(term))
				}
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("%s on %s gives %q; want %q", test.expression, test.doc, got, test.want)
			}
		})
	}
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
		{bundle(own("x", "Patient", "token", "Patient.gender"), own("x", "Patient", "token", "Patient.active")), "both define the parameter x of Patient"},
		{own("x", "Patient", "token", "Patient.gendre"), `http://example.org/x, expression "Patient.gendre": on Patient: position 8: Patient has no element "gendre"`},
		{own("x", "Patient", "token", "Patient.name.("), "position 13: a name should stand where"},
		{own("x", "Patient", "token", "Patient.name."), "position 13: a name should stand where the end of the expression stands"},
		{own("x", "Patient", "token", "Patient.name + 'x'"), "position 13: the operator + is not in the subset"},
		{own("x", "Patient", "token", "Patient.name.repeat(given)"), "position 13: the function repeat() with 1 arguments is not in the subset"},
		{own("x", "Patient", "token", "Patient.link.other.resolve().gender"), "position 19: the function resolve()"},
		{own("x", "Patient", "token", "%ucum"), "position 0: the variable %ucum"},
		{own("x", "Patient", "token", "'x'"), "position 0: a constant selects no element"},
		{own("x", "Patient", "token", "Observation.code"), "no part of the expression is about Patient"},
		{own("x", "Patient", "date", "Patient.gender"), "a date parameter can index none of [code]"},
		{own("x", "Patient", "date", "Patient.active = true"), "which a date parameter can not index"},
		{own("x", "Patient", "token", "Patient.deceased.as(Period)"), "Patient.deceased[x] can not be Period; its types are boolean, dateTime"},
		{own("x", "Patient", "token", "Patient.telecom.where(sistem = 'x')"), `ContactPoint has no element "sistem"`},
		{own("x", "Patient", "token", "Patient.telecom.where(system)"), "which is neither true nor false"},
		{own("x", "Patient", "token", "Patient.telecom.where(system = use)"), "one side of = must be a constant"},
		{own("x", "Patient", "token", "Patient.telecom.where(resolve() is Patient)"), "ContactPoint is ContactPoint, which refers to nothing"},
		{own("x", "Patient", "token", "Patient.link.other.where(resolve() is Human)"), "Human is no resource type"},
		{own("x", "Patient", "reference", "(Patient.active = true) | Patient.link.other"), "gives true or false"},
		{own("date", "Encounter", "string", "Encounter.status"), "is its main date, and must stay a date parameter"},
		{composite(`{"definition":"http://x/unknown","expression":"code"}`), `component[0].definition "http://x/unknown" is not a known SearchParameter`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"kode"}`), `component code, expression "kode"`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"("}`), `component[0].expression "("`},
		{composite(`{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"effective"}`), "a token can index none of"},
		{strings.Replace(own("x", "Observation", "composite", "Observation"), `"expression"`, `"component":[],"expression"`, 1), "at least two components"},
	} {
		_, err := Load([]byte(test.data))
		if events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngives %v\nwant an Invalid with %s", test.data, err, test.want)
		}
	}
}

func TestAnOwnDefinitionStandsInPlaceOfAnInheritedOrR4One(t *testing.T) {
	c, err := Load([]byte(own("gender", "Patient", "string", "Patient.gender")), []byte(strings.Replace(own("born", "Person", "date", "Person.birthDate"),
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
	for _, more := range []string{a, b, own("a", "Patient", "string", "Patient.gender"), own("a", "Patient", "token", "Patient.active"), own("a", "Person", "token", "Person.gender")} {
		d := digest(more)
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", more, other)
		}
		seen[d] = more
	}
}

func TestParamsAreSortedAndComplete(t *testing.T) {
	c := defaultCatalog(t)
	params := c.Params("Patient")
	for i := 1; i < len(params); i++ {
		if params[i-1].Code >= params[i].Code {
			t.Errorf("%s stands before %s", params[i-1].Code, params[i].Code)
		}
	}
	p, ok := c.Param("Patient", "general-practitioner")
	if !ok || p.URL != "http://hl7.org/fhir/SearchParameter/Patient-general-practitioner" || p.Type != "Patient" || strings.Join(p.Targets, " ") != "Practitioner Organization PractitionerRole" {
		t.Errorf("general-practitioner is %+v", p)
	}
	if p, _ := c.Param("Patient", "_tag"); p.Type != "Resource" {
		t.Errorf("_tag is defined on %s", p.Type)
	}
	for code, want := range map[string]bool{"_text": false, "_content": false, "_query": false, "gender": true, "_id": true} {
		if p, ok := c.Param("Patient", code); !ok || p.Searchable() != want {
			t.Errorf("%s: %v, searchable %v; want %v", code, ok, p.Searchable(), want)
		}
	}
	if _, ok := c.Param("Nonsense", "x"); ok || c.Params("Nonsense") != nil || c.Known("Nonsense") || c.Known("Resource") || c.Known("Parameters") || !c.Readable("Parameters") || c.Readable("Nonsense") || !c.Known("Patient") {
		t.Error("a type that is none is known")
	}
}

func FuzzLoad(f *testing.F) {
	m, err := loadModel()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"Patient.name.where(use = 'x').family", "(Patient.deceased as boolean)", "Patient.telecom.where(resolve() is Patient)", "Patient.link.other.where(resolve() is Patient)[0]",
		"Patient.active.exists() and Patient.active != false", "a | b", "Patient.extension('x').value.as(string)", "%resource.name.first()"} {
		f.Add(seed)
	}
	doc := parse(f, `{"resourceType":"Patient","active":true,"name":[{"use":"x","family":"f","given":["a",null]}],"telecom":[{"system":"phone","value":"1"}],"link":[{"other":{"reference":"Patient/1"}}]}`)
	f.Fuzz(func(t *testing.T, expression string) {
		d := &definition{URL: "x", Code: "x", Base: []string{"Patient"}, Type: "token", Expression: expression}
		if d.check(m) != nil || d.Expression == "" {
			return
		}
		parsed, err := parseAll([]*definition{d})
		if err == nil {
			var compiled *typeCatalog
			if compiled, err = compileType(m, "Patient", map[string][]*parsedDefinition{"Patient": parsed}, ""); err == nil {
				w := new(walk)
				w.reset(doc.Root())
				w.run(compiled.paths, doc.Root())
			}
		}
		if err != nil && events.KindOf(err) != events.Invalid {
			t.Errorf("%q: %v", expression, err)
		}
	})
}
