package form_test

import (
	"testing"

	"binnacle/projections/fhir/form"
)

func TestAContentTellsItsFormByItsFirstByte(t *testing.T) {
	for content, want := range map[string]form.Form{`{}`: form.InJSON, "\n{}": form.InJSON, "<a/>": form.InXML,
		"\x01": form.Raw, "": form.Other, "x": form.Other} {
		if got := form.Of([]byte(content)); got != want {
			t.Errorf("%q has the form %d, want %d", content, got, want)
		}
	}
}

func TestAContentInJSONIsReadWithoutACopy(t *testing.T) {
	content := []byte(` {"resourceType":"Patient"}`)
	got, err := form.JSON(content)
	if err != nil || &got[0] != &content[0] || len(got) != len(content) {
		t.Errorf("got %q, %v", got, err)
	}
}
