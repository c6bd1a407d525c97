package project_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/projections"
)

func TestAConditionThatSelectsNothingIsTooCostly(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p",
		`{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`)
	for condition, status := range map[string]int{
		"identifier=urn:s|1": 204, "identifier=1": 204, "_id=p": 204, "family=od": 204, "family:exact=Ödön": 204,
		"birthdate=1970-01-01":                204,
		"birthdate=lt2000&identifier=urn:s|1": 204,
		"identifier=urn:s|":                   422, "identifier:not=urn:s|9": 422, "identifier:missing=false": 422,
		"family:contains=d": 422, "birthdate=lt2000": 422,
		"_lastUpdated=gt2000": 422, "birthdate=lt2000&family:contains=d": 422, "birthdate=1970-01-01,lt1960": 422,
	} {
		n.Must(200, "PUT", "/Patient/p",
			`{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`, "If-Match: *", "Binnacle-Allow-Dangling: true")
		got := n.Send("DELETE", "/Patient?"+condition, "")
		if got.Status != status {
			t.Errorf("%s: got %d %s, want %d", condition, got.Status, got.Body, status)
		}
		if status == 422 && got.At(t, "issue", 0, "code") != "too-costly" {
			t.Errorf("%s: got %s, want the code too-costly", condition, got.Body)
		}
		if got.Status == 204 {
			n.Must(201, "PUT", "/Patient/p",
				`{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"Ödön"}]}`)
		}
	}
}

func TestAConditionWithABlankValueIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	observation := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient?%s"}}`
	for _, condition := range []string{
		"family=%20", "family=%CC%81", "family=%C2%A0%CC%81", "family=Nobody,%20", "family=Nobody,", "family:exact=%20",
		"family:contains=%20", "identifier=%20", "identifier=urn:s|%20", "_id=%20", "_id=p,", "_profile=%20",
		"gender:not=%20", "identifier=urn:s|1&family=%20", "_text=x", "_content=x", "_filter=x", "_query=x",
		"language:in=http://vs", "_tag:not-in=http://vs",
	} {
		entry := func(method, url, resource string, more ...string) string {
			return functionstest.BundleOf("transaction", functionstest.EntryOf("", method, url, resource, more...))
		}
		for how, got := range map[string]functionstest.Reply{
			"create": n.Send("POST", "/Patient", functionstest.Patient("", "2"),
				"If-None-Exist: "+condition),
			"create with the type": n.Send("POST", "/Patient", functionstest.Patient("", "2"),
				"If-None-Exist: Patient?"+condition),
			"update": n.Send("PUT", "/Patient?"+condition, functionstest.Patient("", "2")),
			"delete": n.Send("DELETE", "/Patient?"+condition, ""),
			"create in a transaction": n.Send("POST", "/",
				entry("POST", "Patient", functionstest.Patient("", "2"), `"ifNoneExist":"`+condition+`"`)),
			"update in a transaction": n.Send("POST", "/",
				entry("PUT", "Patient?"+condition, functionstest.Patient("", "2"))),
			"delete in a transaction": n.Send("POST", "/", entry("DELETE", "Patient?"+condition, "")),
			"a reference in a transaction": n.Send("POST", "/",
				entry("POST", "Observation", fmt.Sprintf(observation, condition))),
		} {
			if got.Status != 400 {
				t.Errorf("%s with %s: got %d %s, want 400", how, condition, got.Status, got.Body)
			}
		}
	}
	if got := n.Stored("Patient/p"); got != functionstest.Patient("p", "1") {
		t.Errorf("the patient became %s", got)
	}
	n.Verified()
}

func TestASearchBeyondTheIndexsBoundsRefusesTheEventAndTheLineGoesOn(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Index.Failing(func(method string) error {
		if method == "Search" {
			return events.Errorf(events.TooCostly, "index", "it stands for too many codings")
		}
		return nil
	})
	got := n.Send("POST", "/Patient", functionstest.Patient("", "1"), "If-None-Exist: identifier=1")
	if got.Status != 422 || !strings.Contains(got.At(t, "issue", 0, "diagnostics"), "too many codings") {
		t.Errorf("got %d %s, want a 422 with the index's text", got.Status, got.Body)
	}
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Verified()
}

func TestWhatTheProjectorAsksHasNoLimitOfTime(t *testing.T) {
	n := functionstest.NewNode(t)
	patient1 := functionstest.Patient("", "1")
	var asked []projections.Query
	n.Index.Mu.Lock()
	n.Index.Asked = func(q projections.Query) { asked = append(asked, q) }
	n.Index.Mu.Unlock()
	n.Must(201, "POST", "/Patient", patient1, "If-None-Exist: identifier=1")
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "2"))
	n.Must(201, "PUT", "/Observation/o",
		`{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.Must(409, "DELETE", "/Patient/p", "")
	n.CaughtUp()
	n.Index.Mu.Lock()
	defer n.Index.Mu.Unlock()
	if len(asked) < 2 {
		t.Fatalf("%d searches", len(asked))
	}
	for _, q := range asked {
		if !q.NoTimeLimit {
			t.Errorf("a search with a limit of time: %+v", q)
		}
	}
}
