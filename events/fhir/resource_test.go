package fhir

import (
	"strings"
	"testing"

	"binnacle/events"
)

func TestAResourceShowsItsTypeIDAndMeta(t *testing.T) {
	for _, c := range []struct{ data, name, id, meta string }{
		{`{"resourceType":"Patient"}`, "Patient", "", ""},
		{`{"id":"A-1.b","meta":{"tag":[{"code":"x"}]},"resourceType":"Observation"}`, "Observation", "A-1.b",
			`{"tag":[{"code":"x"}]}`},
		{`{"resourceType":"Patient","meta":null}`, "Patient", "", ""},
		{`{"resourceType":"Patient","meta":{"tag":[{"system":"http://example.org","code":"SUBSETTED"},{"code":"SUBSETTED"}]}}`, "Patient", "", `{"tag":[{"system":"http://example.org","code":"SUBSETTED"},{"code":"SUBSETTED"}]}`},
		{`{"resourceType":"Patient","id":"` + strings.Repeat("a", 64) + `"}`, "Patient", strings.Repeat("a", 64), ""},
	} {
		r, err := ParseResource([]byte(c.data))
		if err != nil || r.Type != c.name || r.ID != c.id || string(r.Meta.Raw()) != c.meta {
			t.Errorf("%s: got %q %q %q %v", c.data, r.Type, r.ID, r.Meta.Raw(), err)
		}
	}
}

func TestWhatIsNoResourceIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ data, text, expression string }{
		{`{"resourceType":"Patient",}`, "1:27: ", "Patient.resourceType"},
		{`[]`, "a resource must be a JSON object", ""},
		{`"Patient"`, "a resource must be a JSON object", ""},
		{`{}`, "resourceType is missing", ""},
		{`{"resourceType":1}`, "resourceType must be the name", "resourceType"},
		{`{"resourceType":"patient"}`, "resourceType must be the name", "resourceType"},
		{`{"resourceType":"Pat ient"}`, "resourceType must be the name", "resourceType"},
		{`{"resourceType":"Patient","id":1}`, "id must be a string", "Patient.id"},
		{`{"resourceType":"Patient","id":null}`, "id must be a string", "Patient.id"},
		{`{"resourceType":"Patient","id":""}`, `"" is no id`, "Patient.id"},
		{`{"resourceType":"Patient","id":"a b"}`, `"a b" is no id`, "Patient.id"},
		{`{"resourceType":"Patient","id":"` + strings.Repeat("é", 60) + `"}`, strings.Repeat("é", 20) + `…" is no id`,
			"Patient.id"},
		{`{"resourceType":"Patient","id":"` + strings.Repeat("a", 65) + `"}`, "is no id", "Patient.id"},
		{`{"resourceType":"Patient","meta":[]}`, "meta must be an object", "Patient.meta"},
		{`{"resourceType":"Patient","meta":{"tag":[{"code":"a"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`, "tagged SUBSETTED", "Patient.meta.tag[1]"},
		{`{"resourceType":"Patient","meta":{"tag":{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}}}`, "tagged SUBSETTED", "Patient.meta.tag"},
	} {
		_, err := ParseResource([]byte(c.data))
		e, ok := err.(*events.Error)
		if !ok || e.Kind != events.Invalid || !strings.Contains(e.Text, c.text) || e.Expression != c.expression {
			t.Errorf("%s: got %v; want %q at %q", c.data, err, c.text, c.expression)
		}
	}
}

func TestCheckIDReturnsNoErrorForAnID(t *testing.T) {
	if err := CheckID("1"); err != nil {
		t.Errorf("got %v", err)
	}
	if err := CheckID("a/b"); events.KindOf(err) != events.Invalid {
		t.Errorf("got %v; want invalid", err)
	}
}
