package catalog

import (
	"testing"

	"binnacle/projections"
)

// TestWhatAQueryAsksForIsFoundByWhatIsExtracted ties both halves together by what the contract says a query means.
func TestWhatAQueryAsksForIsFoundByWhatIsExtracted(t *testing.T) {
	c := defaultCatalog(t)
	const observation = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/1"},
		"effectiveDateTime":"2024-02-29T10:00:00+01:00","valueQuantity":{"value":120.0,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`
	const patient = `{"resourceType":"Patient","active":true,"name":[{"family":"Åström","given":["Eva Maria"]}],"code":{"text":"x"},"meta":{"profile":["http://x/p|2"]},"maritalStatus":{"text":"unknown"},"telecom":[{"system":"email","value":"Ann@Example.org"},{"system":"phone"}],"identifier":[{"system":"urn:empty"}],"managingOrganization":{"display":"x","identifier":{"system":"urn:orgs"}},"generalPractitioner":[{"type":"Practitioner"}]}`
	const valueSet = `{"resourceType":"ValueSet","url":"http://x/v","version":"1.2.3"}`
	const coded = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://s","display":"no code"}]}}`
	const displayed = `{"resourceType":"Observation","status":"final","code":{"coding":[{"display":"display alone"}]},"subject":{"display":"somebody"},"contained":[{"resourceType":"Practitioner","id":"p"}],
		"performer":[{"reference":"#p"}],"valueQuantity":{"unit":"mg"},"effectivePeriod":{}}`
	const condition = `{"resourceType":"Condition","code":{"text":"a cough"}}`
	for _, test := range []struct {
		doc, query string
		want       bool
	}{
		{observation, "code=8480-6", true},
		{observation, "code=http://loinc.org|", true},
		{observation, "code=|8480-6", false},
		{observation, "code:not=8480-6", false},
		{observation, "status=http://hl7.org/fhir/observation-status|final", true},
		{observation, "status=http://hl7.org/fhir/observation-status|", true},
		{observation, "status=http://wrong|final", false},
		{observation, "status=http://wrong|", false},
		{observation, "status:not=http://wrong|final", true},
		{observation, "subject=1", true},
		{observation, "patient=Patient/1", true},
		{observation, "patient:missing=false&performer:missing=true", true},
		{observation, "subject:Group=1", false},
		{observation, "date=2024-02-29", true},
		{observation, "date=2024-02-29T09:00Z", true},
		{observation, "date=ge2024-02-29T09:00:00Z&date=le2024-02-29T09:00:00Z", true},
		{observation, "date=gt2024-02-29", false},
		{observation, "date=sa2024-02-28&date=eb2024-03", true},
		{observation, "value-quantity=120", true},
		{observation, "value-quantity=120.4", false},
		{observation, "value-quantity=1.2e2", true},
		{observation, "value-quantity=gt119.9||mm[Hg]", true},
		{observation, "value-quantity=gt120", false},
		{observation, "value-quantity=120|http://unitsofmeasure.org|kPa", false},
		{patient, "name=astrom", true},
		{patient, "name=maria", false},
		{patient, "name:contains=maria", true},
		{patient, "family:exact=Åström", true},
		{patient, "family:exact=astrom", false},
		{patient, "active=true&deceased=false", true},
		{patient, "_profile=http://x/p", true},
		{patient, "_profile=http://x/p|2", true},
		{patient, "_profile=http://x/p|1", false},
		{patient, "_profile:below=http://x", true},
		{patient, "email=ann@EXAMPLE.org", true},
		{patient, "identifier=urn:empty|", true},
		{patient, "identifier:missing=true", false},
		{patient, "telecom:missing=true", false},
		{patient, "address:missing=true", true},
		{patient, "organization:missing=true", false},
		{patient, "organization:identifier=urn:orgs|", true},
		{patient, "organization:identifier=urn:orgs|1", false},
		{patient, "general-practitioner:missing=true", false},
		{patient, "link:missing=true", true},
		{valueSet, "url=http://x/v", true},
		{valueSet, "url=http://x/v|1.2.3", true},
		{valueSet, "url=http://x/v|1.2", false},
		{valueSet, "url:below=http://x/v|1.2", true},
		{valueSet, "url:below=http://x/v|1", true},
		{valueSet, "url:below=http://x", true},
		{valueSet, "version=1.2.3", true},
		{coded, "code=http://s|", true},
		{coded, "code=http://s|x", false},
		{coded, "code:missing=true", false},
		{displayed, "code:missing=true", false},
		{displayed, "code=http://s|", false},
		{displayed, "subject:missing=true&patient:missing=true", false},
		{displayed, "patient:missing=true", true},
		{displayed, "performer:missing=true", false},
		{displayed, "value-quantity:missing=true", false},
		{displayed, "code-value-quantity:missing=true", true},
		{displayed, "date:missing=true", false},
		{displayed, "date=gt1000", false},
		{condition, "code:missing=true", false},
		{condition, "code=a", false},
		{condition, "code:not=a", true},
	} {
		doc := document(t, test.doc)
		e, err := c.Extract(doc)
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.ParseQuery(test.query, Options{Type: doc.Root().Get("resourceType").Text()})
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		if got := projections.Matches(p.Query, projections.Version{}, e.Terms); got != test.want {
			t.Errorf("%s finds %s: %v; want %v", test.query, test.doc, got, test.want)
		}
	}
}
