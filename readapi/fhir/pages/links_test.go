package pages

import (
	"net/url"
	"slices"
	"testing"

	"binnacle/projections/catalog"
)

func TestALinkSaysWhatWasAskedWithItsCommas(t *testing.T) {
	asked := []catalog.KeyValue{{Key: "_type", Value: "Patient,Observation"}, {Key: "name:exact", Value: `a\,b%2C c&d`}}
	query := Encode(asked)
	if want := `_type=Patient,Observation&name%3Aexact=a%5C,b%252C+c%26d`; query != want {
		t.Errorf("got %s, want %s", query, want)
	}
	read, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for _, param := range asked {
		if got := read.Get(param.Key); got != param.Value {
			t.Errorf("%s: read back as %q, want %q", param.Key, got, param.Value)
		}
	}
	got := LinkHeader([]Link{{Relation: "self", URL: "http://a/?" + query}, {Relation: "next", URL: "http://a/?b=1,2"}})
	want := []string{`<http://a/?_type=Patient%2CObservation&name%3Aexact=a%5C%2Cb%252C+c%26d>; rel="self", ` +
		`<http://a/?b=1%2C2>; rel="next"`}
	if !slices.Equal(got, want) {
		t.Errorf("the header: got %q, want %q", got, want)
	}
}
