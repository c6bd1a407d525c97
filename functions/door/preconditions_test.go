package door_test

import (
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

// TestAPreconditionThatNobodyReadsIsRefused: to pass it over would let pass what it should hold back.
func TestAPreconditionThatNobodyReadsIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
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
		if got := n.Send(c.method, "/Patient/p", body, c.header); got.Status != 400 ||
			!strings.Contains(got.Body, c.says) {
			t.Errorf("%s with %s: got %d %s", c.method, c.header, got.Status, got.Body)
		}
	}
}

// TestAFullURLNamesNothingThatIsContained: else references to what a resource contains would be rewritten.
func TestAFullURLNamesNothingThatIsContained(t *testing.T) {
	n := functionstest.NewNode(t)
	bundle := functionstest.BundleOf("transaction",
		functionstest.EntryOf("#p", "POST", "Patient", `{"resourceType":"Patient"}`),
		functionstest.EntryOf("", "PUT", "Observation/o",
			`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`))
	if got := n.Send("POST", "/", bundle); got.Status != 400 || !strings.Contains(got.Body, "Bundle.entry[0].fullUrl") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// TestWhatIsContainedCanBeRead: chains look into it.
func TestWhatIsContainedCanBeRead(t *testing.T) {
	n := functionstest.NewNode(t)
	body := `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p","birthDate":"nodate"}],"subject":{"reference":"#p"}}`
	if got := n.Send("PUT", "/Observation/o", body); got.Status != 400 ||
		!strings.Contains(got.Body, "Observation.contained[0].birthDate") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	long := `{"resourceType":"Patient","id":"p","name":[{"family":"` + strings.Repeat("x", 1<<20+1) + `"}]}`
	if got := n.Send("PUT", "/Patient/p", long); got.Status != 400 || !strings.Contains(got.Body, "1 MB") {
		t.Errorf("a string beyond what R4 allows: got %d %.300s", got.Status, got.Body)
	}
}
