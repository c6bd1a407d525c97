package extract

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections/catalog/parameter"
	"binnacle/projections/catalog/r4"
)

// compiled compiles the definitions of R4 and those of an operator.
func compiled(t testing.TB, own ...string) *Types {
	t.Helper()
	m, err := r4.Load()
	if err != nil {
		t.Fatal(err)
	}
	more := make([][]byte, len(own))
	for i := range own {
		more[i] = []byte(own[i])
	}
	definitions, err := parameter.Load(m, more...)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Compile(m, definitions)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTheOperatorsOwnDefinitionsAreCompiled(t *testing.T) {
	const birth = `"_birthDate":{"extension":[{"url":"http://x/time","valueDateTime":"1970-01-01T10:00:00Z"}]}`
	for _, test := range []struct {
		name, base, typ, expression, doc string
		want                             []string
	}{
		{"an extension by its url", "Patient", "token", "Patient.extension('http://x/e').value.as(CodeableConcept)",
			`{"resourceType":"Patient","extension":[{"url":"http://x/e","valueCodeableConcept":{"coding":[{"code":"a"}]}},{"url":"http://x/f","valueCodeableConcept":{"coding":[{"code":"b"}]}}]}`, []string{"|a"}},
		{"an extension by where and ofType", "Patient", "string",
			"Patient.extension.where(url = 'http://x/e').value.ofType(string)",
			`{"resourceType":"Patient","extension":[{"url":"http://x/e","valueString":"s"},{"url":"http://x/e","valueCode":"c"}]}`, []string{"s"}},
		{"an extension of a primitive", "Patient", "date",
			"Patient.birthDate.extension('http://x/time').value.as(dateTime)",
			`{"resourceType":"Patient",` + birth + `}`, []string{"1970-01-01T10:00:00 1970-01-01T10:00:01"}},
		{"an extension of repeated primitives", "Patient", "string",
			"Patient.name.given.extension('http://x/g').value.as(string)",
			`{"resourceType":"Patient","name":[{"_given":[null,{"extension":[{"url":"http://x/g","valueString":"v"}]}]}]}`, []string{"v"}},
		{"first()", "Patient", "string", "Patient.name.given.first()",
			`{"resourceType":"Patient","name":[{"given":["a","b"]},{"given":["c"]}]}`, []string{"a"}},
		{"an index in the middle", "Patient", "string", "Patient.name[1].given",
			`{"resourceType":"Patient","name":[{"given":["a","b"]},{"given":["c","d"]}]}`, []string{"c", "d"}},
		{"an index inside a condition counts anew for each", "Patient", "string",
			"Patient.name.where(given[0] = 'a').family",
			`{"resourceType":"Patient","name":[{"family":"x","given":["a"]},{"family":"y","given":["b","a"]},{"family":"z","given":["a"]}]}`, []string{"x", "z"}},
		{"and, or, not in a condition", "Patient", "token",
			"Patient.telecom.where((system = 'email' or system = 'phone') and (use = 'old').not())",
			`{"resourceType":"Patient","telecom":[{"system":"email","use":"home","value":"a"},{"system":"phone","use":"old","value":"b"},{"system":"fax","use":"home","value":"c"},{"system":"email","value":"d"}]}`, []string{"|a"}},
		{"exists and empty", "Patient", "token", "Patient.telecom.where(period.exists() and rank.empty())",
			`{"resourceType":"Patient","telecom":[{"value":"a","period":{}},{"value":"b","period":{},"rank":1},{"value":"c"}]}`, []string{"|a"}},
		{"numbers compare as numbers", "Patient", "token", "Patient.telecom.where(rank = 1)",
			`{"resourceType":"Patient","telecom":[{"value":"a","rank":1.0},{"value":"b","rank":2}]}`, []string{"|a"}},
		{"xor and implies", "Patient", "token", "Patient.active xor (false implies true)",
			`{"resourceType":"Patient","active":false}`, []string{"|true"}},
		{"a condition without an answer gives nothing", "Patient", "token", "Patient.active = true",
			`{"resourceType":"Patient"}`, nil},
		{"a boolean element is a condition", "Patient", "token", "Patient.communication.where(preferred).language",
			`{"resourceType":"Patient","communication":[{"preferred":true,"language":{"coding":[{"code":"en"}]}},{"language":{"coding":[{"code":"de"}]}}]}`, []string{"|en"}},
		{"exists with a criterion", "Patient", "token", "Patient.name.exists(use = 'official')",
			`{"resourceType":"Patient","name":[{"use":"official"}]}`, []string{"|true"}},
		{"$this", "Patient", "string", "Patient.name.given.where($this != 'a')",
			`{"resourceType":"Patient","name":[{"given":["a","b"]}]}`, []string{"b"}},
		{"is on a choice", "Observation", "token", "Observation.value is Quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":1}}`, []string{"|true"}},
		{"resolve() with is() as a function", "Observation", "reference",
			"Observation.focus.where(resolve().is(Patient))",
			`{"resourceType":"Observation","focus":[{"reference":"Patient/1"},{"reference":"Group/1"}]}`,
			[]string{"Patient|1"}},
		{"resolve() in a path and a negation", "Observation", "reference",
			"Observation.where((subject.resolve() is Patient).not()).subject",
			`{"resourceType":"Observation","subject":{"reference":"Group/1"}}`, []string{"Group|1"}},
		{"resources inside a resource, by type", "Bundle", "string", "Bundle.entry.resource.as(Patient).name.family",
			`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","name":[{"family":"F"}]}},{"resource":{"resourceType":"Person","name":[{"family":"G"}]}}]}`, []string{"F"}},
		{"on all types", "Resource", "token", "Resource.language", `{"resourceType":"Basic","language":"de"}`,
			[]string{"|de"}},
		{"on all domain resources", "DomainResource", "reference", "DomainResource.contained",
			`{"resourceType":"Patient","contained":[{"resourceType":"Person","id":"p"}]}`, []string{"Person|p"}},
		{"without the type before it", "Patient", "token", "gender | `maritalStatus`",
			`{"resourceType":"Patient","gender":"male"}`, []string{"|male"}},
		{"a union in parentheses", "Patient", "string", "(Patient.name | Patient.contact.name).family",
			`{"resourceType":"Patient","name":[{"family":"a"}],"contact":[{"name":{"family":"b"}}]}`,
			[]string{"a", "b"}},
		{"the same path twice counts once", "Patient", "token", "Patient.gender | Patient.gender",
			`{"resourceType":"Patient","gender":"male"}`, []string{"|male"}},
		{"%resource in a condition", "Patient", "string", "Patient.name.where(%resource.active = true).family",
			`{"resourceType":"Patient","active":true,"name":[{"family":"a"}]}`, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			own := `{"resourceType":"SearchParameter","url":"http://example.org/own","code":"own","base":["` +
				test.base +
				`"],"type":"` + test.typ + `","expression":"` + test.expression + `"}`
			e, err := compiled(t, own).Extract(parse(t, test.doc))
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

func FuzzCompile(f *testing.F) {
	m, err := r4.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"Patient.name.where(use = 'x').family", "(Patient.deceased as boolean)",
		"Patient.telecom.where(resolve() is Patient)", "Patient.link.other.where(resolve() is Patient)[0]",
		"Patient.active.exists() and Patient.active != false", "a | b", "Patient.extension('x').value.as(string)",
		"%resource.name.first()"} {
		f.Add(seed)
	}
	doc := parse(f,
		`{"resourceType":"Patient","active":true,"name":[{"use":"x","family":"f","given":["a",null]}],"telecom":[{"system":"phone","value":"1"}],"link":[{"other":{"reference":"Patient/1"}}]}`)
	f.Fuzz(func(t *testing.T, expression string) {
		d := &parameter.Definition{URL: "x", Code: "x", Base: []string{"Patient"}, Type: "token",
			Expression: expression}
		if d.Check(m) != nil || d.Expression == "" {
			return
		}
		parsed, err := parseAll([]*parameter.Definition{d})
		if err == nil {
			var typ *Type
			if typ, err = compileType(m, "Patient", map[string][]*parsedDefinition{"Patient": parsed}, ""); err == nil {
				w := new(walk)
				w.reset(doc.Root())
				w.run(typ.paths, doc.Root())
			}
		}
		if err != nil && events.KindOf(err) != events.Invalid {
			t.Errorf("%q: %v", expression, err)
		}
	})
}
