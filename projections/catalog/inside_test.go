package catalog

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"binnacle/projections"
)

// insideOf shows the terms of what a document contains.
func insideOf(t *testing.T, doc string) []string {
	t.Helper()
	e, err := defaultCatalog(t).Extract(parse(t, doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var shown []string
	for _, term := range e.Terms {
		if strings.Contains(term.Param, ":") {
			shown = append(shown, strings.TrimSpace(term.Param+" "+show(term)))
		}
	}
	slices.Sort(shown)
	return shown
}

func TestWhatIsContainedHasTermsUnderTheReferencesThatLeadThere(t *testing.T) {
	const acme = `{"resourceType":"Organization","id":"o","name":"Acme"}`
	for _, test := range []struct {
		name, doc string
		want      []string
	}{
		{"nothing refers to it", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","status":"active"}]}`, nil},
		{"a reference leads to it", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","status":"active"},{"resourceType":"Medication","id":"n"}],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.status |active"}},
		{"one of two parameters has it, where one shares the references of the other", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Patient","id":"p","gender":"male"}],"subject":{"reference":"#p"}}`,
			[]string{"subject:Patient._id |p", "subject:Patient.deceased |false", "subject:Patient.gender |male"}},
		{"step by step", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","manufacturer":{"reference":"#o"}},` + acme + `],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.manufacturer", "medication:Medication.manufacturer:Organization._id |o", "medication:Medication.manufacturer:Organization.name Acme", "medication:Medication.manufacturer:Organization.phonetic Acme"}},
		{"and out again", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","manufacturer":{"reference":"Organization/5"}}],"medicationReference":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "medication:Medication.manufacturer Organization|5"}},
		{"several are told apart by tokens, references and what there is", `{"resourceType":"Medication","contained":[{"resourceType":"Substance","id":"a","status":"active"},{"resourceType":"Substance","id":"b","instance":[{"quantity":{"value":1}}]}],"ingredient":[{"itemReference":{"reference":"#a"}},{"itemReference":{"reference":"#b"}},{"itemReference":{"reference":"#a"}}]}`,
			[]string{"ingredient:Substance#1._id |a", "ingredient:Substance#1.status |active", "ingredient:Substance#2._id |b", "ingredient:Substance#2.quantity", "ingredient:Substance._id |a", "ingredient:Substance._id |b", "ingredient:Substance.quantity 1 1 |", "ingredient:Substance.status |active"}},
		{"the container itself is nobody's content", `{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}]}`, nil},
		{"what has no id, no type or an unknown one is not read", `{"resourceType":"List","contained":[{"resourceType":"Patient"},{"id":"a"},{"resourceType":"Nothing","id":"b"},7,{"resourceType":"Parameters","id":"c"}],"subject":{"reference":"#a"},"source":{"reference":"#b"},"encounter":{"reference":"#c"}}`, nil},
		{"nor is what can not be read as its type", `{"resourceType":"List","contained":[{"resourceType":"Patient","id":"p","birthDate":"soon"}],"subject":{"reference":"#p"}}`, nil},
		{"the first of an id counts", `{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m"},{"resourceType":"Patient","id":"m"}],"medicationReference":{"reference":"#m"},"subject":{"reference":"#m"}}`,
			[]string{"medication:Medication._id |m", "subject:Medication._id |m"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := insideOf(t, test.doc); !slices.Equal(got, test.want) {
				t.Errorf("it has\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestWhatRefersToEachOtherInACircleIsReadOverThreeSteps(t *testing.T) {
	got := insideOf(t, `{"resourceType":"Observation","contained":[{"resourceType":"Observation","id":"a","hasMember":[{"reference":"#b"},{"reference":"#a"}]},{"resourceType":"Observation","id":"b","hasMember":[{"reference":"#a"}]}],"hasMember":[{"reference":"#a"}]}`)
	longest := slices.MaxFunc(got, func(a, b string) int { return strings.Count(a, ":") - strings.Count(b, ":") })
	if n := strings.Count(longest, ":"); n != insideSteps || len(got) > 40 {
		t.Errorf("%d steps, %d terms: %q", n, len(got), got)
	}
}

func TestVeryManyReferencesInsideAreNotFollowed(t *testing.T) {
	const resources = 330 // each of which refers to all
	var contained, refer []string
	for i := range resources {
		refer = append(refer, fmt.Sprintf(`{"reference":"#o%d"}`, i))
	}
	all := strings.Join(refer, ",")
	for i := range resources {
		contained = append(contained, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","hasMember":[%s]}`, i, all))
	}
	got := insideOf(t, `{"resourceType":"Observation","contained":[`+strings.Join(contained, ",")+`],"hasMember":[`+all+`]}`)
	if last := got[len(got)-1]; strings.Count(last, ":") != 1 || len(got) < resources {
		t.Errorf("%d terms, the last one %s", len(got), last)
	}
}

func TestWhatIsContainedBeyondTheBoundsIsLeftOutWhole(t *testing.T) {
	var contained, refer []string
	for i := range 500 {
		contained = append(contained, fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","code":{"coding":[{"code":"a"},{"code":"b"},{"code":"c"}]},"hasMember":[{"reference":"#o%d"}]}`, i, (i+1)%500))
		refer = append(refer, fmt.Sprintf(`{"reference":"#o%d"}`, i))
	}
	got := insideOf(t, `{"resourceType":"Observation","contained":[`+strings.Join(contained, ",")+`],"hasMember":[`+strings.Join(refer, ",")+`]}`)
	seen := map[string]int{}
	for _, term := range got {
		if name, marks := projections.InsideOf(strings.Fields(term)[0]); marks {
			seen[name]++
		}
	}
	if len(got) > insideTerms || seen["has-member:Observation"] != 500 || seen["has-member:Observation#16"] != 1 || seen["has-member:Observation#17"] != 0 {
		t.Errorf("%d terms, of %v", len(got), seen)
	}
	for name, n := range seen {
		if !strings.Contains(name, "#") && n != 500 {
			t.Errorf("%s has %d of 500", name, n)
		}
	}
	large := `{"resourceType":"Patient","id":"p","name":[{"given":["` + strings.Repeat(`x","`, insideMost) + `"]}]}`
	if got := insideOf(t, `{"resourceType":"Observation","contained":[`+large+`],"subject":{"reference":"#p"}}`); got != nil {
		t.Errorf("a patient with very many names has %d terms", len(got))
	}
}

// A chain means the same inside of a resource as between two of them.
func TestChainsLookIntoWhatIsContained(t *testing.T) {
	c := defaultCatalog(t)
	row := func(typ, id, doc string) projections.Row {
		e, err := c.Extract(parse(t, doc))
		if err != nil {
			t.Fatal(err)
		}
		return projections.Row{Version: projections.Version{Key: projections.Key{Type: typ, ID: id}}, Terms: e.Terms}
	}
	organization := row("Organization", "5", `{"resourceType":"Organization","id":"5","name":"Outer"}`)
	others := func(typ string) iter.Seq[projections.Row] {
		return func(yield func(projections.Row) bool) { _ = typ == "Organization" && yield(organization) }
	}
	request := row("MedicationRequest", "1", `{"resourceType":"MedicationRequest","id":"1","subject":{"reference":"#p"},"medicationReference":{"reference":"#m"},"contained":[
		{"resourceType":"Medication","id":"m","status":"active","code":{"coding":[{"system":"s","code":"c"}]},"manufacturer":{"reference":"Organization/5"},"batch":{"expirationDate":"2030-05"},"ingredient":[{"itemCodeableConcept":{"coding":[{"code":"i"}]}}]},
		{"resourceType":"Medication","id":"n","code":{"coding":[{"system":"s","code":"d"}]}},
		{"resourceType":"Patient","id":"p","name":[{"family":"Müller"}],"managingOrganization":{"reference":"#o"}},
		{"resourceType":"Organization","id":"o","name":"Inner","partOf":{"reference":"Organization/5"}}]}`)
	report := row("DiagnosticReport", "2", `{"resourceType":"DiagnosticReport","id":"2","result":[{"reference":"#a"},{"reference":"#b"}],"contained":[
		{"resourceType":"Observation","id":"a","status":"final","code":{"coding":[{"code":"x"}]},"valueQuantity":{"value":5},"subject":{"reference":"#p"}},
		{"resourceType":"Observation","id":"b","code":{"coding":[{"code":"y"}]},"valueQuantity":{"value":50}},
		{"resourceType":"Patient","id":"p","gender":"female"}]}`)
	consent := row("Consent", "3", `{"resourceType":"Consent","id":"3","sourceReference":{"reference":"#c"},"contained":[{"resourceType":"Contract","id":"c","url":"http://x/a/b"}]}`)
	task := row("Task", "4", `{"resourceType":"Task","id":"4","focus":{"reference":"#r"},"contained":[{"resourceType":"RiskAssessment","id":"r","prediction":[{"probabilityDecimal":0.5}]}]}`)
	for _, test := range []struct {
		of    projections.Row
		query string
		want  bool
	}{
		{request, "medication.code=c", true}, {request, "medication.code=s|c", true}, {request, "medication:Medication.code=z,c", true}, {request, "medication.code=d", false},
		{request, "medication.ingredient-code=i", true}, {request, "medication.status=active&medication.code=c", true}, {request, "medication.code=c&status=draft", false},
		{request, "medication.code:not=c", false}, {request, "medication.code:not=z", true}, {request, "medication.status:missing=true", false}, {request, "medication.form:missing=true", true}, {request, "medication.form:missing=false", false},
		{request, "medication.expiration-date=ge2030", true}, {request, "medication.expiration-date=ne2030-05", false}, {request, "medication.expiration-date=ne2031", true}, {request, "medication.expiration-date=lt2030", false},
		{request, "medication._id=m", false}, {request, "medication._id=n", false}, {request, "medication._id:not=m", false}, {request, "medication._lastUpdated=gt2000", false},
		{request, "medication.manufacturer=Organization/5", true}, {request, "medication.manufacturer=5", true}, {request, "medication.manufacturer:not=5", false}, {request, "medication.manufacturer.name=outer", true}, {request, "medication.manufacturer.name=inner", false},
		{request, "subject.name=muller", true}, {request, "subject.name:exact=Muller", false}, {request, "patient.name:contains=LLE", true}, {request, "subject:Group.code=c", false}, {request, "subject:Patient.phonetic=mull", true},
		{request, "subject:Patient.organization.name=inner", true}, {request, "patient.organization.partof.name=outer", true}, {request, "patient.organization:missing=true", false}, {request, "patient.general-practitioner:missing=true", true},
		{request, "patient.organization.name=outer", false}, {request, "subject:Patient._has:Observation:subject:status=final", false},
		{report, "result.code=x", true}, {report, "result.code:not=x", true}, {report, "result.code:not=x,y", false}, {report, "result.status:missing=true", true}, {report, "result.status:missing=false", true}, {report, "result.code:missing=true", false},
		{report, "result.value-quantity=gt40", true}, {report, "result.code-value-quantity=x$gt40", false}, {report, "result.combo-code-value-quantity=y$gt40", true}, {report, "result.combo-code:not=x,y", false},
		{consent, "source-reference:Contract.url=http://x/a/b", true}, {consent, "source-reference.url:below=http://x/a", true}, {consent, "source-reference.url:above=http://x/a/b/c", true}, {consent, "source-reference.url:above=http://x/a", false},
		{task, "focus.probability=gt0.4", true}, {task, "focus:RiskAssessment.probability=ne0.5", false}, {task, "focus:RiskAssessment.method:not=x", true}, {task, "focus:Task.status:missing=true", false},
		{report, "result.patient.gender=female", true}, {report, "result.subject:Patient.gender:not=female", false}, {report, "result.value-quantity:missing=true", false},
	} {
		p, err := c.ParseQuery(test.query, Options{Type: test.of.Type})
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		if got := projections.MatchesAmong(p.Query, test.of.Version, test.of.Terms, others); got != test.want {
			t.Errorf("%s?%s: %v, want %v", test.of.Type, test.query, got, test.want)
		}
	}
}

func TestAConditionTakesNoChainNotEvenIntoWhatIsContained(t *testing.T) {
	if _, err := defaultCatalog(t).ParseCondition("main", "MedicationRequest", "medication.code=c"); err == nil {
		t.Error("a chain was taken in a condition")
	}
}
