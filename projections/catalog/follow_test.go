package catalog

import (
	"iter"
	"testing"

	"binnacle/projections"
)

// A chain means the same inside of a resource as between two of them.
func TestChainsLookIntoWhatIsContained(t *testing.T) {
	c := defaultCatalog(t)
	row := func(typ, id, doc string) projections.Row {
		e, err := c.Extract(document(t, doc))
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
	consent := row("Consent", "3",
		`{"resourceType":"Consent","id":"3","sourceReference":{"reference":"#c"},"contained":[{"resourceType":"Contract","id":"c","url":"http://x/a/b"}]}`)
	task := row("Task", "4",
		`{"resourceType":"Task","id":"4","focus":{"reference":"#r"},"contained":[{"resourceType":"RiskAssessment","id":"r","prediction":[{"probabilityDecimal":0.5}]}]}`)
	for _, test := range []struct {
		of    projections.Row
		query string
		want  bool
	}{
		{request, "medication.code=c", true}, {request, "medication.code=s|c", true},
		{request, "medication:Medication.code=z,c", true}, {request, "medication.code=d", false},
		{request, "medication.ingredient-code=i", true}, {request, "medication.status=active&medication.code=c", true},
		{request, "medication.code=c&status=draft", false},
		{request, "medication.code:not=c", false}, {request, "medication.code:not=z", true},
		{request, "medication.status:missing=true", false}, {request, "medication.form:missing=true", true},
		{request, "medication.form:missing=false", false},
		{request, "medication.expiration-date=ge2030", true}, {request, "medication.expiration-date=ne2030-05", false},
		{request, "medication.expiration-date=ne2031", true}, {request, "medication.expiration-date=lt2030", false},
		{request, "medication._id=m", false}, {request, "medication._id=n", false},
		{request, "medication._id:not=m", false}, {request, "medication._lastUpdated=gt2000", false},
		{request, "medication.manufacturer=Organization/5", true}, {request, "medication.manufacturer=5", true},
		{request, "medication.manufacturer:not=5", false}, {request, "medication.manufacturer.name=outer", true},
		{request, "medication.manufacturer.name=inner", false},
		{request, "subject.name=muller", true}, {request, "subject.name:exact=Muller", false},
		{request, "patient.name:contains=LLE", true}, {request, "subject:Group.code=c", false},
		{request, "subject:Patient.phonetic=mull", true},
		{request, "subject:Patient.organization.name=inner", true},
		{request, "patient.organization.partof.name=outer", true}, {request, "patient.organization:missing=true",
			false}, {request, "patient.general-practitioner:missing=true", true},
		{request, "patient.organization.name=outer", false},
		{request, "subject:Patient._has:Observation:subject:status=final", false},
		{report, "result.code=x", true}, {report, "result.code:not=x", true}, {report, "result.code:not=x,y", false},
		{report, "result.status:missing=true", true}, {report, "result.status:missing=false", true},
		{report, "result.code:missing=true", false},
		{report, "result.value-quantity=gt40", true}, {report, "result.code-value-quantity=x$gt40", false},
		{report, "result.combo-code-value-quantity=y$gt40", true}, {report, "result.combo-code:not=x,y", false},
		{consent, "source-reference:Contract.url=http://x/a/b", true},
		{consent, "source-reference.url:below=http://x/a", true},
		{consent, "source-reference.url:above=http://x/a/b/c", true},
		{consent, "source-reference.url:above=http://x/a", false},
		{task, "focus.probability=gt0.4", true}, {task, "focus:RiskAssessment.probability=ne0.5", false},
		{task, "focus:RiskAssessment.method:not=x", true}, {task, "focus:Task.status:missing=true", false},
		{report, "result.patient.gender=female", true}, {report, "result.subject:Patient.gender:not=female", false},
		{report, "result.value-quantity:missing=true", false},
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
