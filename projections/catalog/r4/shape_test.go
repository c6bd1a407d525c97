package r4

import (
	"slices"
	"testing"

	"binnacle/events/fhir"
)

// TestTheTypeModelTellsWhatMayLink: what an element is decides, not what it is called or looks like.
func TestTheTypeModelTellsWhatMayLink(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	const urn = `"urn:uuid:1"`
	for _, c := range []struct {
		name, doc string
		want      []fhir.PlaceKind
	}{
		{"a reference", `{"resourceType":"Observation","subject":{"reference":` + urn + `,"type":5,"display":` + urn +
			`}}`, placeKinds(fhir.ReferencePlace)},
		{"an attachment", `{"resourceType":"DocumentReference","content":[{"attachment":{"url":` + urn + `,"title":` +
			urn + `}}]}`, placeKinds(fhir.URIPlace)},
		{"strings, markdown and codes", `{"resourceType":"DocumentReference","description":` + urn + `,"status":` +
			urn + `,"type":{"coding":[{"code":` + urn + `}],"text":` + urn + `}}`, nil},
		{"a value of each URI type", `{"resourceType":"Patient","extension":[{"valueUri":` + urn + `},{"valueUrl":` +
			urn + `},{"valueOid":` + urn + `},{"valueUuid":` + urn + `}]}`,
			placeKinds(fhir.URIPlace, fhir.URIPlace, fhir.URIPlace, fhir.URIPlace)},
		{"values of other types", `{"resourceType":"Patient","extension":[{"valueCanonical":` + urn +
			`},{"valueString":` + urn + `},{"valueId":` + urn + `},{"valueCode":` + urn + `},{"valueMarkdown":` + urn +
			`}]}`, nil},
		{"extensions of primitives, of extensions and of backbones",
			`{"resourceType":"Patient","_birthDate":{"extension":[{"valueUri":` + urn +
				`,"extension":[{"valueReference":{"reference":` + urn +
				`}}]}]},"contact":[{"modifierExtension":[{"valueUrl":` + urn + `}]}]}`,
			placeKinds(fhir.URIPlace, fhir.ReferencePlace, fhir.URIPlace)},
		{"a list of extensions of primitives",
			`{"resourceType":"Patient","name":[{"given":["a"],"_given":[null,{"extension":[{"valueUri":` + urn +
				`}]}]}]}`, placeKinds(fhir.URIPlace)},
		{"what gives names", `{"resourceType":"ValueSet","url":` + urn + `,"identifier":[{"system":` + urn +
			`,"value":` + urn + `}],"extension":[{"url":` + urn + `,"valueCoding":{"system":` + urn +
			`}}],"compose":{"include":[{"system":` + urn + `,"valueSet":[` + urn + `]}]}}`, nil},
		{"a url that is an address", `{"resourceType":"Device","url":` + urn + `}`, placeKinds(fhir.URIPlace)},
		{"an element called reference that is a URI", `{"resourceType":"DetectedIssue","reference":` + urn + `}`,
			placeKinds(fhir.URIPlace)},
		{"an expression's", `{"resourceType":"PlanDefinition","action":[{"condition":[{"expression":{"reference":` +
			urn + `}}],"definitionUri":` + urn + `,"action":[{"definitionCanonical":` + urn + `,"definitionUri":` +
			urn + `}]}]}`,
			placeKinds(fhir.URIPlace, fhir.URIPlace, fhir.URIPlace)},
		{"contained resources",
			`{"resourceType":"Patient","contained":[{"resourceType":"Binary","securityContext":{"reference":` + urn +
				`}},{"resourceType":"Endpoint","address":` + urn + `}]}`,
			placeKinds(fhir.ReferencePlace, fhir.URIPlace)},
		{"a narrative", `{"resourceType":"Composition","section":[{"text":{"div":"<a href='urn:uuid:1'/>"}}]}`,
			placeKinds(fhir.NarrativePlace)},
		{"what is in a Bundle", `{"resourceType":"Bundle","identifier":{"assigner":{"reference":` + urn +
			`}},"link":[{"url":` + urn + `}],"entry":[{"fullUrl":` + urn +
			`,"resource":{"resourceType":"Observation","subject":{"reference":` + urn + `}}}]}`, nil},
		{"what is in a contained Bundle",
			`{"resourceType":"Patient","contained":[{"resourceType":"Bundle","entry":[{"fullUrl":` + urn + `}]}]}`,
			nil},
		{"elements that R4 doesn't have", `{"resourceType":"Patient","foo":{"reference":` + urn + `,"bar":` + urn +
			`}}`, placeKinds(fhir.ReferencePlace)},
	} {
		doc, err := fhir.Parse([]byte(c.doc))
		if err != nil {
			t.Fatal(err)
		}
		var got []fhir.PlaceKind
		for place := range fhir.References(doc.Root(), m.Shape) {
			got = append(got, place.Kind)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func placeKinds(k ...fhir.PlaceKind) []fhir.PlaceKind { return k }
