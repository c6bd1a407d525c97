package catalog

import (
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func TestConditionsAreStrictAndNeverEmpty(t *testing.T) {
	c := defaultCatalog(t)
	q, err := c.ParseCondition("t", "Patient", "identifier=s|1&birthdate=1970")
	if err != nil || q.Tenant != "t" || q.Type != "Patient" || len(q.Clauses) != 2 || q.Limit != 2 ||
		q.Total != projections.TotalNone {
		t.Errorf("%+v, %v", q, err)
	}
	for raw, want := range map[string]events.Kind{"": events.Invalid, "&": events.Invalid, "shade=red": events.Invalid,
		"identifier=": events.Invalid, "_count=1": events.Invalid, "identifier=1&_sort=birthdate": events.Invalid,
		"family=%20": events.Invalid, "family=%CC%81": events.Invalid, "family=a,%20": events.Invalid,
		"family:exact=%20": events.Invalid, "family:contains=%C2%A0": events.Invalid,
		"identifier=%20":   events.Invalid,
		"identifier=s|%20": events.Invalid, "identifier=%20|1": events.Invalid, "_id=%20": events.Invalid,
		"_id=a,": events.Invalid, "identifier=1,,2": events.Invalid, "gender:not=%20": events.Invalid,
		"_profile=%20":                        events.Invalid,
		"general-practitioner:identifier=%20": events.Invalid, "identifier=1&family=%20": events.Invalid,
		"_text=x": events.Unsupported, "_content=x": events.Unsupported, "_filter=x": events.Unsupported,
		"_query=x": events.Unsupported, "_in=x": events.Unsupported, "language:in=http://x": events.Unsupported,
		"language:not-in=http://x": events.Unsupported, "language:text=x": events.Unsupported,
		"identifier:of-type=s|c|v":  events.Unsupported,
		"_format=json&identifier=1": events.Invalid, "birthdate=ap1970": events.Invalid,
		"organization.name=x": events.Unsupported, "_has:Observation:patient:code=a": events.Unsupported,
		"_list=1": events.Unsupported} {
		if _, err := c.ParseCondition("t", "Patient", raw); err == nil || events.KindOf(err) != want {
			t.Errorf("%q: %v; want %v", raw, err, want)
		}
	}
	if _, err := c.ParseCondition("t", "Location", "near=1|2|3|km"); events.KindOf(err) != events.Unsupported ||
		!strings.Contains(err.Error(), "a condition can not use near") {
		t.Errorf("near: %v", err)
	}
	if _, err := c.ParseCondition("t", "Nonsense", "x=1"); events.KindOf(err) != events.NotFound {
		t.Errorf("a condition on a type that is none: %v", err)
	}
}

func TestConditionsNameNoServer(t *testing.T) {
	c := defaultCatalog(t)
	const base = "http://h/fhir"
	for _, test := range []struct{ typ, raw, want string }{
		{"Observation", "subject=http://h/fhir/Patient/1&code=a|b", "subject=Patient%2F1&code=a|b"},
		{"Observation", "code=a&subject:Patient=http%3A%2F%2Fh%2Ffhir%2FPatient%2F1,Patient/2",
			"code=a&subject:Patient=Patient%2F1%2CPatient%2F2"},
		{"Observation", `subject=http://h/fhir/Patient/1,http://x/a\,b`,
			"subject=Patient%2F1%2Chttp%3A%2F%2Fx%2Fa%5C%2Cb"},
		{"DocumentReference", "relationship=http://h/fhir/DocumentReference/1$replaces",
			"relationship=DocumentReference%2F1%24replaces"},
		{"Observation", "subject=HTTP://H:80/fhir/Patient/1", "subject=Patient%2F1"},
		{"Observation", "subject=http://h/fhirs/Patient/1", "subject=http://h/fhirs/Patient/1"},
		{"Observation", "subject=http://h/fhir/Patient/1/x", "subject=http://h/fhir/Patient/1/x"},
		{"QuestionnaireResponse", "questionnaire=http://h/fhir/Questionnaire/1",
			"questionnaire=http://h/fhir/Questionnaire/1"},
		{"ValueSet", "url=http://h/fhir/ValueSet/1", "url=http://h/fhir/ValueSet/1"},
		{"Observation", "subject=%zz&%zz=http://h/fhir/Patient/1&shade=http://h/fhir/Patient/1",
			"subject=%zz&%zz=http://h/fhir/Patient/1&shade=http://h/fhir/Patient/1"},
		{"Nonsense", "subject=http://h/fhir/Patient/1", "subject=http://h/fhir/Patient/1"},
	} {
		if got := c.Relative(test.typ, test.raw, base); got != test.want {
			t.Errorf("%s becomes %s, want %s", test.raw, got, test.want)
		}
	}
}
