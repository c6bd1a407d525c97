package functions_test

import (
	"strings"
	"testing"
)

// TestAPreconditionThatNobodyReadsIsRefused: to pass it over would let pass what it should hold back.
func TestAPreconditionThatNobodyReadsIsRefused(t *testing.T) {
	n := newNode(t)
	patient := `{"resourceType":"Patient","id":"p"}`
	for _, c := range []struct{ method, header, says string }{
		{"PUT", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "If-Match"},
		{"DELETE", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "If-Match"},
		{"PUT", "If-None-Exist: identifier=a|b", "POST"},
	} {
		body := patient
		if c.method == "DELETE" {
			body = ""
		}
		if got := n.send(c.method, "/Patient/p", body, c.header); got.status != 400 || !strings.Contains(got.body, c.says) {
			t.Errorf("%s with %s: got %d %s", c.method, c.header, got.status, got.body)
		}
	}
}

// TestAFullURLNamesNothingThatIsContained: else references to what a resource contains would be rewritten.
func TestAFullURLNamesNothingThatIsContained(t *testing.T) {
	n := newNode(t)
	bundle := bundleOf("transaction", entryOf("#p", "POST", "Patient", `{"resourceType":"Patient"}`),
		entryOf("", "PUT", "Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`))
	if got := n.send("POST", "/", bundle); got.status != 400 || !strings.Contains(got.body, "Bundle.entry[0].fullUrl") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestWhatIsContainedCanBeRead: chains look into it.
func TestWhatIsContainedCanBeRead(t *testing.T) {
	n := newNode(t)
	body := `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p","birthDate":"nodate"}],"subject":{"reference":"#p"}}`
	if got := n.send("PUT", "/Observation/o", body); got.status != 400 || !strings.Contains(got.body, "Observation.contained[0].birthDate") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	long := `{"resourceType":"Patient","id":"p","name":[{"family":"` + strings.Repeat("x", 1<<20+1) + `"}]}`
	if got := n.send("PUT", "/Patient/p", long); got.status != 400 || !strings.Contains(got.body, "1 MB") {
		t.Errorf("a string beyond what R4 allows: got %d %.300s", got.status, got.body)
	}
}
