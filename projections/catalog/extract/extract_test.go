package extract

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
)

func parse(t testing.TB, text string) *fhir.Document {
	t.Helper()
	doc, err := fhir.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

// show writes a term so that a table can hold it.
func show(t projections.Term) string {
	switch t.Kind {
	case projections.Token:
		return strings.TrimSuffix(t.System+"|"+t.Code+" "+t.Text, " ")
	case projections.Reference:
		if t.Identifier {
			return "identifier " + t.System + "|" + t.Code
		}
		return t.System + "|" + t.Code
	case projections.Date:
		return fmt.Sprintf("%s %s", showTime(t.Start), showTime(t.End))
	case projections.Number:
		return fmt.Sprintf("%g %g", t.Low, t.High)
	case projections.Quantity:
		return fmt.Sprintf("%g %g %s|%s %s", t.Low, t.High, t.System, t.Code, t.Text)
	case projections.Composite:
		var parts []string
		for _, part := range t.Parts {
			parts = append(parts, show(part))
		}
		return strings.Join(parts, " $ ")
	}
	return t.Text
}

func showTime(micros int64) string {
	switch micros {
	case projections.MinTime:
		return "open"
	case projections.MaxTime:
		return "open"
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.999999")
}

func TestTermsOfEachKindAndDatatype(t *testing.T) {
	c := compiled(t)
	for _, test := range []struct {
		name, param, doc string
		want             []string
	}{
		{"each coding of a concept", "code",
			`{"resourceType":"Observation","code":{"coding":[{"system":"s","code":"a","display":"A"},{"code":"b"},{"display":"no code"}],"text":"T"}}`, []string{"s|a A", "|b T"}},
		{"a concept with text alone has a term that no token finds", "code",
			`{"resourceType":"Observation","code":{"text":"T"}}`, []string{"| T"}},
		{"a coding in meta", "_tag", `{"resourceType":"Patient","meta":{"tag":[{"system":"s","code":"t"}]}}`,
			[]string{"s|t"}},
		{"an identifier", "identifier",
			`{"resourceType":"Patient","identifier":[{"system":"s","value":"1"},{"value":"2"},{"system":"s"}]}`,
			[]string{"s|1", "|2", "s|"}},
		{"a contact point has no system", "telecom",
			`{"resourceType":"Patient","telecom":[{"system":"phone","value":"555"}]}`, []string{"|555"}},
		{"the case of a contact point does not count", "email",
			`{"resourceType":"Patient","telecom":[{"system":"email","value":"Ann@Example.ORG"}]}`,
			[]string{"|ann@example.org"}},
		{"the case of a text does not count", "version", `{"resourceType":"ValueSet","version":"V1-Beta"}`,
			[]string{"|v1-beta"}},
		{"where picks contact points by their system", "email",
			`{"resourceType":"Patient","telecom":[{"system":"phone","value":"555"},{"system":"email","value":"a@b"},{"value":"none"}]}`, []string{"|a@b"}},
		{"a code", "gender", `{"resourceType":"Patient","gender":"male"}`, []string{"|male"}},
		{"a boolean", "active", `{"resourceType":"Patient","active":false}`, []string{"|false"}},
		{"not deceased when nothing is said", "deceased", `{"resourceType":"Patient"}`, []string{"|false"}},
		{"not deceased when false is said", "deceased", `{"resourceType":"Patient","deceasedBoolean":false}`,
			[]string{"|false"}},
		{"deceased when true is said", "deceased", `{"resourceType":"Patient","deceasedBoolean":true}`,
			[]string{"|true"}},
		{"deceased at a time", "deceased", `{"resourceType":"Patient","deceasedDateTime":"2020"}`, []string{"|true"}},
		{"the id and lastUpdated are no terms", "_id",
			`{"resourceType":"Patient","id":"1","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}`, nil},
		{"a profile, with and without its version", "_profile",
			`{"resourceType":"Patient","meta":{"profile":["http://x/p|1",null,"http://x/q"]}}`,
			[]string{"http://x/p|1", "http://x/p", "http://x/q"}},
		{"a source", "_source", `{"resourceType":"Patient","meta":{"source":"urn:x"}}`, []string{"urn:x"}},

		{"a relative reference", "subject", `{"resourceType":"Observation","subject":{"reference":"Patient/1"}}`,
			[]string{"Patient|1"}},
		{"a version is dropped", "subject",
			`{"resourceType":"Observation","subject":{"reference":"Patient/1/_history/2"}}`, []string{"Patient|1"}},
		{"an absolute reference", "subject",
			`{"resourceType":"Observation","subject":{"reference":"http://x/fhir/Patient/1"}}`,
			[]string{"|http://x/fhir/Patient/1"}},
		{"a fragment is dropped", "subject", `{"resourceType":"Observation","subject":{"reference":"Patient/1#part"}}`,
			[]string{"Patient|1"}},
		{"an absolute reference with a version", "subject",
			`{"resourceType":"Observation","subject":{"reference":"http://x/fhir/Patient/1/_history/2"}}`,
			[]string{"|http://x/fhir/Patient/1"}},
		{"a urn", "subject", `{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}`,
			[]string{"|urn:uuid:1"}},
		{"a contained resource is not indexed", "subject",
			`{"resourceType":"Observation","subject":{"reference":"#1"}}`, nil},
		{"a logical reference", "subject",
			`{"resourceType":"Observation","subject":{"reference":"Patient/1","identifier":{"system":"s","value":"v"}}}`, []string{"Patient|1", "identifier s|v"}},
		{"resolve() is by the type of the reference", "patient",
			`{"resourceType":"Observation","subject":{"reference":"Group/1"}}`, nil},
		{"resolve() is by the tail of an absolute reference", "patient",
			`{"resourceType":"Observation","subject":{"reference":"http://x/Patient/1"}}`,
			[]string{"|http://x/Patient/1"}},
		{"resolve() is by Reference.type", "patient",
			`{"resourceType":"Observation","subject":{"type":"Patient","identifier":{"value":"v"}}}`,
			[]string{"identifier |v"}},
		{"resolve() is by the contained resource", "patient",
			`{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p","identifier":{"value":"v"}}}`, []string{"identifier |v"}},
		{"where(type=…) of a related artifact", "derived-from",
			`{"resourceType":"Library","relatedArtifact":[{"type":"derived-from","resource":"http://x/L|2"},{"type":"successor","resource":"http://x/M"}]}`, []string{"2|http://x/L"}},
		{"the first entry of a bundle", "composition",
			`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition","id":"c"}},{"resource":{"resourceType":"Patient","id":"p"}}]}`, []string{"Composition|c"}},
		{"an uri as reference", "source-uri",
			`{"resourceType":"ConceptMap","sourceUri":"http://x/v","sourceCanonical":"http://x/w"}`,
			[]string{"|http://x/v"}},

		{"all parts of a name", "name",
			`{"resourceType":"Patient","name":[{"text":"T","family":"F","given":["G",null,"H"],"prefix":["P"],"suffix":["S"]}]}`, []string{"T", "F", "G", "H", "P", "S"}},
		{"all parts of an address", "address",
			`{"resourceType":"Patient","address":[{"text":"T","line":["L"],"city":"C","district":"D","state":"S","postalCode":"P","country":"Y"}]}`, []string{"T", "L", "C", "D", "S", "P", "Y"}},
		{"names without a type before them", "name", `{"resourceType":"InsurancePlan","name":"N","alias":["A"]}`,
			[]string{"N", "A"}},
		{"the text of a cast", "value-string", `{"resourceType":"Observation","valueCodeableConcept":{"text":"T"}}`,
			[]string{"T"}},
		{"escapes in keys and strings", "gender", `{"resourceType":"Patient","g\u0065nder":"m\u0061le"}`,
			[]string{"|male"}},

		{"a date", "birthdate", `{"resourceType":"Patient","birthDate":"1970-02"}`,
			[]string{"1970-02-01T00:00:00 1970-03-01T00:00:00"}},
		{"a dateTime", "date", `{"resourceType":"Observation","effectiveDateTime":"2024-01-01T00:00:00+14:00"}`,
			[]string{"2023-12-31T10:00:00 2023-12-31T10:00:01"}},
		{"a period", "date", `{"resourceType":"Encounter","period":{"start":"2024","end":"2025"}}`,
			[]string{"2024-01-01T00:00:00 2026-01-01T00:00:00"}},
		{"a period without an end", "date", `{"resourceType":"Encounter","period":{"start":"2024"}}`,
			[]string{"2024-01-01T00:00:00 open"}},
		{"a period without a start", "date", `{"resourceType":"Encounter","period":{"end":"2024"}}`,
			[]string{"open 2025-01-01T00:00:00"}},
		{"an empty period", "date", `{"resourceType":"Encounter","period":{}}`, nil},
		{"a period written backwards", "date",
			`{"resourceType":"Encounter","period":{"start":"2025-01-02","end":"2024-01-01"}}`,
			[]string{"2024-01-01T00:00:00 2025-01-02T00:00:00.000001"}},
		{"the outer limits of a timing", "date",
			`{"resourceType":"Observation","effectiveTiming":{"event":["2024-05","2024-01"],"repeat":{"boundsPeriod":{"end":"2024-07-01"}}}}`, []string{"open 2024-07-02T00:00:00"}},
		{"the events of a timing", "date",
			`{"resourceType":"Observation","effectiveTiming":{"event":["2024-05","2024-01"]}}`,
			[]string{"2024-01-01T00:00:00 2024-06-01T00:00:00"}},
		{"a timing without limits", "date", `{"resourceType":"Observation","effectiveTiming":{"code":{"text":"BID"}}}`,
			nil},
		{"a string of a date choice is passed over", "date", `{"resourceType":"Procedure","performedString":"once"}`,
			nil},

		{"a quantity", "value-quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":5.40,"unit":"milligram","system":"s","code":"mg"}}`,
			[]string{"5.4 5.4 s|mg milligram"}},
		{"a comparator opens an end", "value-quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":"<"}}`,
			[]string{"-Inf 4.999999999999999 | "}},
		{"a comparator that takes the value in", "value-quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":"<="}}`, []string{"-Inf 5 | "}},
		{"a comparator that leaves the value out", "value-quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":">"}}`,
			[]string{"5.000000000000001 +Inf | "}},
		{"a comparator opens the other end", "value-quantity",
			`{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":">="}}`, []string{"5 +Inf | "}},
		{"a quantity without a value", "value-quantity", `{"resourceType":"Observation","valueQuantity":{"unit":"mg"}}`,
			nil},
		{"money", "totalgross", `{"resourceType":"Invoice","totalGross":{"value":1.5,"currency":"EUR"}}`,
			[]string{"1.5 1.5 urn:iso:std:iso:4217|EUR EUR"}},
		{"a range", "context-quantity",
			`{"resourceType":"Library","useContext":[{"code":{"code":"age"},"valueRange":{"low":{"value":1},"high":{"value":2,"code":"a"}}}]}`, []string{"1 2 |a "}},
		{"a range without an end", "context-quantity",
			`{"resourceType":"Library","useContext":[{"code":{"code":"age"},"valueRange":{"low":{"value":1}}}]}`,
			[]string{"1 +Inf | "}},
		{"a number", "length", `{"resourceType":"Encounter","length":{"value":3}}`, []string{"3 3 | "}},
		{"a decimal", "probability",
			`{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":0.25},{"probabilityRange":{"low":{"value":0.5},"high":{"value":0.75}}}]}`, []string{"0.25 0.25", "0.5 0.75"}},
		{"a number beyond float64", "probability",
			`{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":1e999}]}`,
			[]string{fmt.Sprintf("%g %g", math.MaxFloat64, math.MaxFloat64)}},
		{"special parameters have no terms", "near",
			`{"resourceType":"Location","position":{"latitude":1,"longitude":2}}`, nil},

		{"a composite on the resource", "code-value-quantity",
			`{"resourceType":"Observation","code":{"coding":[{"code":"a"},{"code":"b"}]},"valueQuantity":{"value":1,"code":"u"}}`, []string{"|a $ 1 1 |u ", "|b $ 1 1 |u "}},
		{"a composite pairs what stands in one component", "component-code-value-quantity",
			`{"resourceType":"Observation","component":[{"code":{"coding":[{"code":"a"}]},"valueQuantity":{"value":1}},{"code":{"coding":[{"code":"b"}]},"valueQuantity":{"value":2}},{"code":{"coding":[{"code":"c"}]}}]}`, []string{"|a $ 1 1 | ", "|b $ 2 2 | "}},
		{"a composite of a dateTime (R4 writes DateTime)", "code-value-date",
			`{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueDateTime":"2024"}`,
			[]string{"|a $ 2024-01-01T00:00:00 2025-01-01T00:00:00"}},
		{"%resource is the whole resource", "chromosome-variant-coordinate",
			`{"resourceType":"MolecularSequence","referenceSeq":{"chromosome":{"coding":[{"code":"1"}]}},"variant":[{"start":5,"end":7}]}`, []string{"|1 $ 5 5 $ 7 7"}},
		{"components that R4 has the wrong way round", "relationship",
			`{"resourceType":"DocumentReference","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}}]}`, []string{"DocumentReference|1 $ |replaces"}},
		{"a path through a content reference", "product",
			`{"resourceType":"ConceptMap","group":[{"element":[{"target":[{"product":[{"property":"http://x/p"}]}]}]}]}`, []string{"http://x/p"}},
		{"elements named like keywords", "expansion", `{"resourceType":"ValueSet","expansion":{"identifier":"urn:e"}}`,
			[]string{"urn:e"}},
		{"elements named like operators", "code", `{"resourceType":"ValueSet","expansion":{"contains":[{"code":"c"}]}}`,
			[]string{"|c"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc := parse(t, test.doc)
			e, err := c.Extract(doc)
			if err != nil {
				t.Fatal(err)
			}
			typ := doc.Root().Get("resourceType").Text()
			if c.Of(typ).Params[test.param] == nil {
				t.Fatalf("%s has no parameter %s", typ, test.param)
			}
			var got []string
			for _, term := range e.Terms {
				if term.Param == test.param {
					got = append(got, show(term))
				}
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("%s of %s gives\n%q\nwant\n%q", test.param, test.doc, got, test.want)
			}
		})
	}
}

func TestTheMainDateIsTheEarliestStart(t *testing.T) {
	c := compiled(t)
	for _, test := range []struct{ doc, want string }{
		{`{"resourceType":"Observation","effectiveDateTime":"2024-05-01"}`, "2024-05-01T00:00:00"},
		{`{"resourceType":"Encounter","period":{"start":"2024-05-01","end":"2024-06-01"}}`, "2024-05-01T00:00:00"},
		{`{"resourceType":"Encounter","period":{"end":"2024-06-01"}}`, "open"},
		{`{"resourceType":"Encounter"}`, "open"},
		{`{"resourceType":"Patient","birthDate":"1970-01-01"}`, "open"},
		{`{"resourceType":"MedicationRequest","authoredOn":"2020-01-01","dosageInstruction":[{"timing":{"event":["2019"]}}]}`, "2020-01-01T00:00:00"},
	} {
		e, err := c.Extract(parse(t, test.doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := showTime(e.MainDate); got != test.want || got == "open" && e.MainDate != projections.MinTime {
			t.Errorf("the main date of %s is %s (%d); want %s", test.doc, got, e.MainDate, test.want)
		}
	}
}

func TestWrongFormsAreRefusedWithTheirPlace(t *testing.T) {
	c := compiled(t)
	for _, test := range []struct{ doc, at, text string }{
		{`[]`, "", "a resource is a JSON object; this is an array"},
		{`{}`, "resourceType", "is not a resource type"},
		{`{"resourceType":"Resource"}`, "resourceType", `"Resource" is not a resource type`},
		{`{"resourceType":5}`, "resourceType", "is not a resource type"},
		{`{"resourceType":"Patient","birthDate":5}`, "Patient.birthDate",
			"Patient.birthDate is a number; FHIR R4 has a string there (date)"},
		{`{"resourceType":"Patient","birthDate":null}`, "Patient.birthDate", "is null"},
		{`{"resourceType":"Patient","birthDate":["1970"]}`, "Patient.birthDate",
			"is an array; FHIR R4 has a string there"},
		{`{"resourceType":"Patient","active":"true"}`, "Patient.active", "is a string; FHIR R4 has a boolean there"},
		{`{"resourceType":"Patient","name":{"family":"F"}}`, "Patient.name",
			"is an object; FHIR R4 has an array there"},
		{`{"resourceType":"Patient","name":["F"]}`, "Patient.name[0]", "is a string; FHIR R4 has an object there"},
		{`{"resourceType":"Patient","name":[null]}`, "Patient.name[0]", "is null"},
		{`{"resourceType":"Patient","name":[[]]}`, "Patient.name[0]", "is an array"},
		{`{"resourceType":"Patient","name":[{"family":["F"]}]}`, "Patient.name[0].family",
			"is an array; FHIR R4 has a string there"},
		{`{"resourceType":"Patient","name":[{"given":"G"}]}`, "Patient.name[0].given",
			"is a string; FHIR R4 has an array there"},
		{`{"resourceType":"Patient","name":[{"given":["G",{}]}]}`, "Patient.name[0].given[1]",
			"is an object; FHIR R4 has a string there"},
		{`{"resourceType":"Patient","telecom":[{"system":1,"value":"x"}]}`, "Patient.telecom[0].system", "is a number"},
		{`{"resourceType":"Patient","meta":[]}`, "Patient.meta", "is an array"},
		{`{"resourceType":"Observation","code":{"coding":{}}}`, "Observation.code.coding",
			"is an object; FHIR R4 has an array there"},
		{`{"resourceType":"Observation","code":{"coding":[{"code":1}]}}`, "Observation.code.coding[0].code",
			"is a number"},
		{`{"resourceType":"Observation","subject":{"reference":{}}}`, "Observation.subject.reference", "is an object"},
		{`{"resourceType":"Observation","valueQuantity":{"value":"5"}}`, "Observation.valueQuantity.value",
			"is a string; FHIR R4 has a number there"},
		{`{"resourceType":"Patient","birthDate":"1970-13-01"}`, "Patient.birthDate", "the month must be 01 to 12"},
		{`{"resourceType":"Patient","birthDate":"1970-01-01T00:00:00Z"}`, "Patient.birthDate", "a date has none"},
		{`{"resourceType":"Patient","birthDate":"yesterday"}`, "Patient.birthDate", "is no date"},
		{`{"resourceType":"Patient","birthDate":""}`, "Patient.birthDate", "is no date"},
		{`{"resourceType":"Observation","effectiveDateTime":"2024-01-01T24:00:00Z"}`, "Observation.effectiveDateTime",
			"00:00 to 23:59"},
		{`{"resourceType":"Observation","effectiveDateTime":"2024-01-01T10:00Z"}`, "Observation.effectiveDateTime",
			"lacks its seconds"},
		{`{"resourceType":"Observation","effectiveInstant":"2024-01-01T10:00:00"}`, "Observation.effectiveInstant",
			"as an instant must be"},
		{`{"resourceType":"Encounter","period":{"end":"soon"}}`, "Encounter.period.end", "is no date"},
		{`{"resourceType":"Observation","effectiveTiming":{"event":["soon"]}}`, "Observation.effectiveTiming.event[0]",
			"is no date"},
	} {
		doc := parse(t, test.doc)
		_, err := c.Extract(doc)
		var e *events.Error
		if !errors.As(err, &e) || e.Kind != events.Invalid || e.Expression != test.at ||
			!strings.Contains(e.Text, test.text) {
			t.Errorf("%s: %v; want an Invalid at %s: … %s", test.doc, err, test.at, test.text)
		}
		if check := c.Check(doc.Root()); check == nil || check.Error() != err.Error() {
			t.Errorf("%s: Check says %v, Extract %v", test.doc, check, err)
		}
	}
}

// TestWhatIsInTheLogIsExtractedWhateverItsForm: what no parameter reads is held against its form when it is sent, and
// not afterwards.
func TestWhatIsInTheLogIsExtractedWhateverItsForm(t *testing.T) {
	c := compiled(t)
	if _, err := c.Extract(
		parse(t, `{"resourceType":"Patient","photo":5,"unknown":[null],"_birthDate":{"id":5}}`)); err != nil {
		t.Error(err)
	}
}

func TestTooManyTermsAreRefused(t *testing.T) {
	c := compiled(t)
	coding := func(n int) string {
		return `{"coding":[` + strings.TrimSuffix(strings.Repeat(`{"code":"c"},`, n), ",") + `]}`
	}
	for _, doc := range []string{
		`{"resourceType":"Observation","code":` + coding(200) + `,"valueCodeableConcept":` + coding(200) + `}`,
		`{"resourceType":"Observation","method":` + coding(maxTerms+1) + `}`,
	} {
		if _, err := c.Extract(parse(t, doc)); events.KindOf(err) != events.TooLarge {
			t.Errorf("%.60s…: %v; want TooLarge", doc, err)
		}
	}
}

func TestAWalkKeepsNothingOfTheDocumentBefore(t *testing.T) {
	c := compiled(t)
	full := parse(t, `{"resourceType":"Observation","effectiveDateTime":"2024","code":{"coding":[{"code":"a"}]}}`)
	bad := parse(t, `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"status":5}`)
	empty := parse(t, `{"resourceType":"Observation"}`)
	for range 3 {
		if _, err := c.Extract(full); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Extract(bad); err == nil {
			t.Fatal("status 5 passes")
		}
		e, err := c.Extract(empty)
		if err != nil || len(e.Terms) != 0 || e.MainDate != projections.MinTime {
			t.Fatalf("an empty Observation gives %+v, %v", e, err)
		}
	}
}
