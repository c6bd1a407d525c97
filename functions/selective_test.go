package functions_test

import (
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
