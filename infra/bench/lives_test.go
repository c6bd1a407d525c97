package bench

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/events/fhir"
)

func TestALifeCreatesWhatItRefersToFirstAndDeletesItLast(t *testing.T) {
	next := living(rand.New(rand.NewPCG(1, 2)))
	there := map[string]bool{}
	var calls []string
	for range 2 * 4 * len(lived) {
		request := next()
		name := strings.TrimPrefix(request.Path, "/")
		calls = append(calls, request.Method)
		switch request.Method {
		case http.MethodPut:
			doc, err := fhir.Parse(request.Body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := doc.Root().Get("resourceType").Text() + "/" + doc.Root().Get("id").Text(); got != name {
				t.Errorf("%s is written to %s", got, name)
			}
			for place := range fhir.References(doc.Root(), func(string) *fhir.Shape { return nil }) {
				if place.Kind == fhir.ReferencePlace && !there[place.Value] {
					t.Errorf("%s refers to %s, which is not there", name, place.Value)
				}
			}
			there[name] = true
		case http.MethodGet:
			if !there[name] {
				t.Errorf("%s is read and not there", name)
			}
		case http.MethodDelete:
			if delete(there, name); strings.HasPrefix(name, "Patient/") && len(there) != 2 {
				t.Errorf("%s is deleted before what refers to it: %v", name, there)
			}
		}
	}
	if len(there) > 0 || len(slices.Compact(slices.Clone(calls))) != 8 {
		t.Errorf("%v stays after %v", there, calls)
	}
}
