package door_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"binnacle/events/fhir"
	"binnacle/functions/functionstest"
)

func FuzzTheDoorTakesAnyBody(f *testing.F) {
	for _, body := range []string{
		"", "{", functionstest.Patient("p",
			"1"), functionstest.Observation(`,"subject":{"reference":"Patient?identifier=a|b"}`),
		functionstest.BundleOf("batch"),
		functionstest.BundleOf("transaction", functionstest.EntryOf("urn:uuid:1", "POST", "Patient",
			functionstest.Patient("", "1"), `"ifNoneExist":"identifier=a"`),
			functionstest.EntryOf("urn:uuid:2", "POST", "Observation",
				functionstest.Observation(`,"subject":{"reference":"urn:uuid:1"},"text":{"div":"<a href='urn:uuid:1'>\u0041</a>"}`))),
		functionstest.BundleOf("batch", functionstest.EntryOf("", "DELETE", "Patient/1", ""),
			functionstest.EntryOf("", "PUT", "Patient?_id=1", functionstest.Patient("1", "1"), `"ifMatch":"W/\"1\""`)),
	} {
		f.Add("POST", "", body)
		f.Add("PUT", "/Patient/p", body)
	}
	f.Add("PATCH", "/Patient/p", `[{"op":"add","path":"/managingOrganization","value":{"reference":"Organization?name=a"}}]`)
	f.Add("PATCH", "/Patient?identifier=urn:s|1", parameters(operation("delete", "Patient.identifier.where(value = '1')")))
	f.Add("POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("", "PATCH", "Patient/p",
		binary(`[{"op":"move","from":"/active","path":"/x"}]`))))
	n := functionstest.NewNode(f)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1")) // there is something to patch
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequest(method, "http://server.example/fhir", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(r.URL.Path+path, "?")
		if method == http.MethodPatch && strings.HasPrefix(body, "[") {
			r.Header.Set("Content-Type", "application/json-patch+json")
		} else if method == http.MethodPatch {
			r.Header.Set("Content-Type", "application/fhir+json")
		}
		rw := httptest.NewRecorder()
		n.Door.ServeHTTP(rw, r)
		if rw.Code >= 500 {
			t.Fatalf("%s %q: %d %s", method, path, rw.Code, rw.Body)
		}
		if rw.Body.Len() > 0 {
			if _, err := fhir.ParseResource(rw.Body.Bytes()); err != nil {
				t.Fatalf("the answer is no resource: %v: %s", err, rw.Body)
			}
		}
		if sizes, _ := n.Index.Sizes(t.Context()); sizes.Quarantined > 0 {
			t.Fatalf("the door let through what the projector cannot take: %s", n.Index.Quarantined[0].Reason)
		}
	})
}
