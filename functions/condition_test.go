package functions_test

import (
	"strings"
	"testing"
)

// TestAConditionalURLIsTheSameInAllItsSpellings: in the header and in bundles, for create, update and delete.
func TestAConditionalURLIsTheSameInAllItsSpellings(t *testing.T) {
	for _, spelled := range []string{"identifier=urn:s|1", "?identifier=urn:s|1", "Patient?identifier=urn:s|1", "/Patient?identifier=urn:s|1", base + "/Patient?identifier=urn:s|1",
		"HTTP://Server.Example:80/fhir/Patient?identifier=urn%3As%7C1&_format=json"} {
		n := newNode(t)
		n.must(201, "PUT", "/Patient/p", patient("p", "1"))
		if got := n.must(200, "POST", "/Patient", patient("", "1"), "If-None-Exist: "+spelled).at(t, "id"); got != "p" {
			t.Errorf("If-None-Exist: %s: got Patient/%s", spelled, got)
		}
		for _, kind := range []string{"batch", "transaction"} {
			got := n.must(200, "POST", "", bundleOf(kind, entryOf("", "POST", "Patient", patient("", "1"), `"ifNoneExist":"`+spelled+`"`)))
			if status, name := got.at(t, "entry", 0, "response", "status"), nameOf(got.at(t, "entry", 0, "response", "location")); status != "200" || name != "Patient/p" {
				t.Errorf("ifNoneExist %s in a %s: got %s", spelled, kind, got.body)
			}
			got = n.must(200, "POST", "", bundleOf(kind, entryOf("", "PUT", spelled, patient("", "1"))))
			if status, name := got.at(t, "entry", 0, "response", "status"), nameOf(got.at(t, "entry", 0, "response", "location")); status != "200" || name != "Patient/p" {
				t.Errorf("PUT %s in a %s: got %s", spelled, kind, got.body)
			}
			if !strings.Contains(spelled, "Patient") {
				continue // nothing tells the type
			}
			got = n.must(200, "POST", "", bundleOf(kind, entryOf("", "DELETE", spelled, "")))
			if status := got.at(t, "entry", 0, "response", "status"); status != "204" || n.stored("Patient/p") != "" {
				t.Errorf("DELETE %s in a %s: got %s", spelled, kind, got.body)
			}
			n.must(201, "PUT", "/Patient/p", patient("p", "1"))
		}
	}
}

func TestAConditionalURLOfSomethingElseIsRefused(t *testing.T) {
	n := newNode(t)
	for spelled, want := range map[string]string{
		"Observation?identifier=1":                           "Observation",
		"/Observation?identifier=1":                          "Observation",
		base + "/Observation?identifier=1":                   "Observation",
		"http://elsewhere.example/fhir/Patient?identifier=1": "another server",
		"https://server.example/fhir/Patient?identifier=1":   "another server",
		base + "2/Patient?identifier=1":                      "another server",
		"Patient?identifier=1&http://x/Patient?name=2":       "http",
		"Patient":  "Patient",
		"Patient?": "search",
		"http://elsewhere.example/fhir/Patient?identifier=http://": "another server",
	} {
		if got := n.must(400, "POST", "/Patient", patient("", "1"), "If-None-Exist: "+spelled); !strings.Contains(got.body, want) {
			t.Errorf("If-None-Exist: %s: %s", spelled, got.body)
		}
		got := n.must(400, "POST", "", bundleOf("transaction", entryOf("", "POST", "Patient", patient("", "1"), `"ifNoneExist":"`+spelled+`"`)))
		if !strings.Contains(got.body, want) || got.at(t, "issue", 0, "expression", 0) != "Bundle.entry[0].request.ifNoneExist" {
			t.Errorf("ifNoneExist %s: %s", spelled, got.body)
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
		got := n.must(200, "POST", "", bundleOf("batch", entryOf("", c.method, c.url, patient("", "1"))))
		if status, text := got.at(t, "entry", 0, "response", "status"), got.at(t, "entry", 0, "response", "outcome"); status != "400" || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: got %s", c.method, c.url, got.body)
		}
	}
}

// TestAWriteKnowsItsParameters: a search that a write would pass over in silence is refused, and told where it belongs.
func TestAWriteKnowsItsParameters(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	const result = "_format=json&_pretty=true&_summary=false&_elements=id&%5Fformat=json"
	for _, c := range []struct {
		method, path, body, want string
		good                     int
	}{
		{"POST", "/Patient", patient("", "2"), "If-None-Exist", 201},
		{"PUT", "/Patient/p", patient("p", "2"), "leave the id out", 200},
		{"DELETE", "/Patient/p", "", "leave the id out", 204},
		{"POST", "", bundleOf("batch"), "entries", 200},
	} {
		for _, query := range []string{"identifier=urn:s|1", "_id=p", "x", "_format=json&name=x", "=", "_FORMAT=json"} {
			if got := n.must(400, c.method, c.path+"?"+query, c.body); !strings.Contains(got.body, c.want) {
				t.Errorf("%s %s?%s: %s", c.method, c.path, query, got.body)
			}
			if c.path == "" {
				continue
			}
			for _, kind := range []string{"batch", "transaction"} {
				got := n.send("POST", "", bundleOf(kind, entryOf("", c.method, c.path[1:]+"?"+query, c.body)))
				if !strings.Contains(got.body, c.want) || !strings.Contains(got.body, "Bundle.entry[0].request.url") {
					t.Errorf("%s %s?%s in a %s: %s", c.method, c.path, query, kind, got.body)
				}
			}
		}
		n.must(c.good, c.method, c.path+"?"+result, c.body)
	}
	got := n.must(200, "POST", "", bundleOf("transaction", entryOf("", "POST", "Patient?"+result, patient("", "9")), entryOf("", "PUT", "Patient?identifier=urn:s|8&"+result, patient("", "8"))))
	for entry := range 2 {
		if status := got.at(t, "entry", entry, "response", "status"); status != "201" {
			t.Errorf("result parameters in entry %d: %s", entry, got.body)
		}
	}
}

// TestAReferenceInAConditionMayBeAbsolute: a reference is stored relative when it is one to this server, and is found as both.
func TestAReferenceInAConditionMayBeAbsolute(t *testing.T) {
	const part = `{"resourceType":"Organization","name":"x","partOf":{"reference":"Organization/whole"}}`
	for _, reference := range []string{"Organization/whole", base + "/Organization/whole", "http%3A%2F%2Fserver.example%2Ffhir%2FOrganization%2Fwhole", "Organization/none," + base + "/Organization/whole"} {
		n := newNode(t)
		n.must(201, "PUT", "/Organization/whole", `{"resourceType":"Organization","id":"whole","name":"w"}`)
		n.must(201, "PUT", "/Organization/part", strings.Replace(part, `"name"`, `"id":"part","name"`, 1))
		condition := "partof=" + reference
		if got := n.must(200, "POST", "/Organization", part, "If-None-Exist: "+condition).at(t, "id"); got != "part" {
			t.Errorf("If-None-Exist: %s: got Organization/%s", condition, got)
		}
		got := n.must(200, "POST", "", bundleOf("transaction", entryOf("", "POST", "Patient", `{"resourceType":"Patient","managingOrganization":{"reference":"Organization?`+condition+`"}}`),
			entryOf("", "PUT", "Organization?"+condition, strings.Replace(part, `"x"`, `"y"`, 1))))
		if name := nameOf(got.at(t, "entry", 1, "response", "location")); name != "Organization/part" {
			t.Errorf("%s in a transaction: got %s", condition, got.body)
		}
		if patient := n.stored(nameOf(got.at(t, "entry", 0, "response", "location"))); !strings.Contains(patient, `"Organization/part"`) {
			t.Errorf("a reference by %s became %s", condition, patient)
		}
		n.verified()
	}
}
