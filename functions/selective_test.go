package functions_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func TestAConditionThatSelectsNothingIsTooCostly(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`)
	for condition, status := range map[string]int{
		"identifier=urn:s|1": 204, "identifier=1": 204, "_id=p": 204, "family=od": 204, "family:exact=Ödön": 204, "birthdate=1970-01-01": 204,
		"birthdate=lt2000&identifier=urn:s|1": 204,
		"identifier=urn:s|":                   422, "identifier:not=urn:s|9": 422, "identifier:missing=false": 422, "family:contains=d": 422, "birthdate=lt2000": 422,
		"_lastUpdated=gt2000": 422, "birthdate=lt2000&family:contains=d": 422, "birthdate=1970-01-01,lt1960": 422,
	} {
		n.must(200, "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`, "If-Match: *", "Binnacle-Allow-Dangling: true")
		got := n.send("DELETE", "/Patient?"+condition, "")
		if got.status != status {
			t.Errorf("%s: got %d %s, want %d", condition, got.status, got.body, status)
		}
		if status == 422 && got.at(t, "issue", 0, "code") != "too-costly" {
			t.Errorf("%s: got %s, want the code too-costly", condition, got.body)
		}
		if got.status == 204 {
			n.must(201, "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`)
		}
	}
}

func TestAConditionWithABlankValueIsRefused(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	observation := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient?%s"}}`
	for _, condition := range []string{
		"family=%20", "family=%CC%81", "family=%C2%A0%CC%81", "family=Nobody,%20", "family=Nobody,", "family:exact=%20", "family:contains=%20", "identifier=%20", "identifier=urn:s|%20", "_id=%20", "_id=p,", "_profile=%20",
		"gender:not=%20", "identifier=urn:s|1&family=%20", "_text=x", "_content=x", "_filter=x", "_query=x", "language:in=http://vs", "_tag:not-in=http://vs",
	} {
		entry := func(method, url, resource string, more ...string) string {
			return bundleOf("transaction", entryOf("", method, url, resource, more...))
		}
		for how, got := range map[string]reply{
			"create":                       n.send("POST", "/Patient", patient("", "2"), "If-None-Exist: "+condition),
			"create with the type":         n.send("POST", "/Patient", patient("", "2"), "If-None-Exist: Patient?"+condition),
			"update":                       n.send("PUT", "/Patient?"+condition, patient("", "2")),
			"delete":                       n.send("DELETE", "/Patient?"+condition, ""),
			"create in a transaction":      n.send("POST", "/", entry("POST", "Patient", patient("", "2"), `"ifNoneExist":"`+condition+`"`)),
			"update in a transaction":      n.send("POST", "/", entry("PUT", "Patient?"+condition, patient("", "2"))),
			"delete in a transaction":      n.send("POST", "/", entry("DELETE", "Patient?"+condition, "")),
			"a reference in a transaction": n.send("POST", "/", entry("POST", "Observation", fmt.Sprintf(observation, condition))),
		} {
			if got.status != 400 {
				t.Errorf("%s with %s: got %d %s, want 400", how, condition, got.status, got.body)
			}
		}
	}
	if got := n.stored("Patient/p"); got != patient("p", "1") {
		t.Errorf("the patient became %s", got)
	}
	n.verified()
}

func TestASearchBeyondTheIndexsBoundsRefusesTheEventAndTheLineGoesOn(t *testing.T) {
	n := newNode(t)
	n.index.failing(func(method string) error {
		if method == "Search" {
			return events.Errorf(events.TooCostly, "index", "it stands for too many codings")
		}
		return nil
	})
	got := n.send("POST", "/Patient", patient("", "1"), "If-None-Exist: identifier=1")
	if got.status != 422 || !strings.Contains(got.at(t, "issue", 0, "diagnostics"), "too many codings") {
		t.Errorf("got %d %s, want a 422 with the index's text", got.status, got.body)
	}
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.verified()
}

func TestWhatTheProjectorAsksHasNoLimitOfTime(t *testing.T) {
	n := newNode(t)
	patient1 := patient("", "1")
	var asked []projections.Query
	n.index.mu.Lock()
	n.index.asked = func(q projections.Query) { asked = append(asked, q) }
	n.index.mu.Unlock()
	n.must(201, "POST", "/Patient", patient1, "If-None-Exist: identifier=1")
	n.must(201, "PUT", "/Patient/p", patient("p", "2"))
	n.must(201, "PUT", "/Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.must(409, "DELETE", "/Patient/p", "")
	n.caughtUp()
	n.index.mu.Lock()
	defer n.index.mu.Unlock()
	if len(asked) < 2 {
		t.Fatalf("%d searches", len(asked))
	}
	for _, q := range asked {
		if !q.Patient {
			t.Errorf("a search with a limit of time: %+v", q)
		}
	}
}
