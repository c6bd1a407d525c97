package door_test

import (
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

// TestAConditionalURLIsTheSameInAllItsSpellings: in the header and in bundles, for create, update and delete.
func TestAConditionalURLIsTheSameInAllItsSpellings(t *testing.T) {
	for _, spelled := range []string{"identifier=urn:s|1", "?identifier=urn:s|1", "Patient?identifier=urn:s|1",
		"/Patient?identifier=urn:s|1", functionstest.Base + "/Patient?identifier=urn:s|1",
		"HTTP://Server.Example:80/fhir/Patient?identifier=urn%3As%7C1&_format=json"} {
		n := functionstest.NewNode(t)
		n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
		if got := n.Must(200, "POST", "/Patient", functionstest.Patient("", "1"), "If-None-Exist: "+spelled).At(t,
			"id"); got != "p" {
			t.Errorf("If-None-Exist: %s: got Patient/%s", spelled, got)
		}
		for _, kind := range []string{"batch", "transaction"} {
			got := n.Must(200, "POST", "", functionstest.BundleOf(kind,
				functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "1"),
					`"ifNoneExist":"`+spelled+`"`)))
			if status, name := got.At(t, "entry", 0, "response",
				"status"), functionstest.NameOf(got.At(t, "entry", 0, "response", "location")); status != "200" ||
				name != "Patient/p" {
				t.Errorf("ifNoneExist %s in a %s: got %s", spelled, kind, got.Body)
			}
			got = n.Must(200, "POST", "", functionstest.BundleOf(kind,
				functionstest.EntryOf("", "PUT", spelled, functionstest.Patient("", "1"))))
			if status, name := got.At(t, "entry", 0, "response",
				"status"), functionstest.NameOf(got.At(t, "entry", 0, "response", "location")); status != "200" ||
				name != "Patient/p" {
				t.Errorf("PUT %s in a %s: got %s", spelled, kind, got.Body)
			}
			if !strings.Contains(spelled, "Patient") {
				continue // nothing tells the type
			}
			got = n.Must(200, "POST", "", functionstest.BundleOf(kind,
				functionstest.EntryOf("", "DELETE", spelled, "")))
			if status := got.At(t, "entry", 0, "response", "status"); status != "204" || n.Stored("Patient/p") != "" {
				t.Errorf("DELETE %s in a %s: got %s", spelled, kind, got.Body)
			}
			n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
		}
	}
}

func TestAConditionalURLOfSomethingElseIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	for spelled, want := range map[string]string{
		"Observation?identifier=1":                           "Observation",
		"/Observation?identifier=1":                          "Observation",
		functionstest.Base + "/Observation?identifier=1":     "Observation",
		"http://elsewhere.example/fhir/Patient?identifier=1": "another server",
		"https://server.example/fhir/Patient?identifier=1":   "another server",
		functionstest.Base + "2/Patient?identifier=1":        "another server",
		"Patient?identifier=1&http://x/Patient?name=2":       "http",
		"Patient":  "Patient",
		"Patient?": "search",
		"http://elsewhere.example/fhir/Patient?identifier=http://": "another server",
	} {
		if got := n.Must(400, "POST", "/Patient", functionstest.Patient("", "1"),
			"If-None-Exist: "+spelled); !strings.Contains(got.Body, want) {
			t.Errorf("If-None-Exist: %s: %s", spelled, got.Body)
		}
		got := n.Must(400, "POST", "", functionstest.BundleOf("transaction",
			functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "1"),
				`"ifNoneExist":"`+spelled+`"`)))
		if !strings.Contains(got.Body, want) || got.At(t, "issue", 0, "expression",
			0) != "Bundle.entry[0].request.ifNoneExist" {
			t.Errorf("ifNoneExist %s: %s", spelled, got.Body)
		}
	}
	for _, c := range []struct{ method, url, want string }{
		{"PUT", "Observation?identifier=1", "Observation"},
		{"PUT", "http://elsewhere.example/fhir/Patient?identifier=1", "another server"},
		{"PUT", "http://elsewhere.example/fhir/Patient/1", "another server"},
		{"DELETE", "http://elsewhere.example/fhir/Patient?identifier=1", "another server"},
		{"DELETE", "?identifier=1", "DELETE"},
		{"POST", "http://elsewhere.example/fhir/Patient", "another server"},
		{"GET", "http://elsewhere.example/fhir/Patient/1", "another server"},
	} {
		got := n.Must(200, "POST", "", functionstest.BundleOf("batch",
			functionstest.EntryOf("", c.method, c.url, functionstest.Patient("", "1"))))
		if status, text := got.At(t, "entry", 0, "response", "status"), got.At(t, "entry", 0, "response",
			"outcome"); status != "400" || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: got %s", c.method, c.url, got.Body)
		}
	}
}

// TestAWriteKnowsItsParameters: a search that a write would pass over in silence is refused, and told where it belongs.
func TestAWriteKnowsItsParameters(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	const result = "_format=json&_pretty=true&_summary=false&_elements=id&%5Fformat=json"
	for _, c := range []struct {
		method, path, body, want string
		good                     int
	}{
		{"POST", "/Patient", functionstest.Patient("", "2"), "If-None-Exist", 201},
		{"PUT", "/Patient/p", functionstest.Patient("p", "2"), "leave the id out", 200},
		{"DELETE", "/Patient/p", "", "leave the id out", 204},
		{"POST", "", functionstest.BundleOf("batch"), "entries", 200},
	} {
		for _, query := range []string{"identifier=urn:s|1", "_id=p", "x", "_format=json&name=x", "=", "_FORMAT=json"} {
			if got := n.Must(400, c.method, c.path+"?"+query, c.body); !strings.Contains(got.Body, c.want) {
				t.Errorf("%s %s?%s: %s", c.method, c.path, query, got.Body)
			}
			if c.path == "" {
				continue
			}
			for _, kind := range []string{"batch", "transaction"} {
				got := n.Send("POST", "", functionstest.BundleOf(kind,
					functionstest.EntryOf("", c.method, c.path[1:]+"?"+query, c.body)))
				if !strings.Contains(got.Body, c.want) || !strings.Contains(got.Body, "Bundle.entry[0].request.url") {
					t.Errorf("%s %s?%s in a %s: %s", c.method, c.path, query, kind, got.Body)
				}
			}
		}
		n.Must(c.good, c.method, c.path+"?"+result, c.body)
	}
	got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "POST", "Patient?"+result, functionstest.Patient("", "9")),
		functionstest.EntryOf("", "PUT", "Patient?identifier=urn:s|8&"+result, functionstest.Patient("", "8"))))
	for entry := range 2 {
		if status := got.At(t, "entry", entry, "response", "status"); status != "201" {
			t.Errorf("result parameters in entry %d: %s", entry, got.Body)
		}
	}
}

// TestAReferenceInAConditionMayBeAbsolute: a reference is stored relative when it is one to this server, and is found
// as both.
func TestAReferenceInAConditionMayBeAbsolute(t *testing.T) {
	const part = `{"resourceType":"Organization","name":"x","partOf":{"reference":"Organization/whole"}}`
	for _, reference := range []string{"Organization/whole", functionstest.Base + "/Organization/whole",
		"http%3A%2F%2Fserver.example%2Ffhir%2FOrganization%2Fwhole",
		"Organization/none," + functionstest.Base + "/Organization/whole"} {
		n := functionstest.NewNode(t)
		n.Must(201, "PUT", "/Organization/whole", `{"resourceType":"Organization","id":"whole","name":"w"}`)
		n.Must(201, "PUT", "/Organization/part", strings.Replace(part, `"name"`, `"id":"part","name"`, 1))
		condition := "partof=" + reference
		if got := n.Must(200, "POST", "/Organization", part, "If-None-Exist: "+condition).At(t, "id"); got != "part" {
			t.Errorf("If-None-Exist: %s: got Organization/%s", condition, got)
		}
		got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
			functionstest.EntryOf("", "POST", "Patient",
				`{"resourceType":"Patient","managingOrganization":{"reference":"Organization?`+condition+`"}}`),
			functionstest.EntryOf("", "PUT", "Organization?"+condition, strings.Replace(part, `"x"`, `"y"`, 1))))
		if name := functionstest.NameOf(got.At(t, "entry", 1, "response", "location")); name != "Organization/part" {
			t.Errorf("%s in a transaction: got %s", condition, got.Body)
		}
		if patient := n.Stored(functionstest.NameOf(got.At(t, "entry", 0, "response",
			"location"))); !strings.Contains(patient, `"Organization/part"`) {
			t.Errorf("a reference by %s became %s", condition, patient)
		}
		n.Verified()
	}
}
