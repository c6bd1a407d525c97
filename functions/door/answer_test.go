package door_test

import (
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

func TestPreferShapesTheAnswer(t *testing.T) {
	n := functionstest.NewNode(t)
	if got := n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"),
		"Prefer: return=minimal"); got.Body != "" || got.Header.Get("ETag") == "" || got.Header.Get("Location") == "" {
		t.Errorf("minimal: got %v %q", got.Header, got.Body)
	}
	if got := n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "2"),
		"Prefer: handling=strict, return=OperationOutcome"); got.At(t, "resourceType") != "OperationOutcome" {
		t.Errorf("OperationOutcome: got %s", got.Body)
	}
	if got := n.Must(200, "DELETE", "/Patient/p", "", "Prefer: return=OperationOutcome"); !strings.Contains(got.Body,
		"deleted") {
		t.Errorf("delete with OperationOutcome: got %s", got.Body)
	}
	if got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "DELETE", "Patient/p", "")), "Prefer: return=OperationOutcome"); got.At(t, "entry", 0,
		"response", "outcome", "resourceType") != "OperationOutcome" {
		t.Errorf("transaction with OperationOutcome: got %s", got.Body)
	}
	got := n.Must(202, "PUT", "/Patient/q", functionstest.Patient("q", "1"), "Binnacle-Acknowledge: log")
	if got.Header.Get("Binnacle-Position") != "0:4" || got.Body != "" {
		t.Errorf("nobody waits: got %v %q", got.Header, got.Body)
	}
	n.Must(202, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "PUT", "Patient/r", functionstest.Patient("r", "1"))), "Binnacle-Acknowledge: log")
	got = n.Must(202, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "PUT", "Patient/s", functionstest.Patient("s", "1")),
		functionstest.EntryOf("", "PUT", "Patient/s", functionstest.Patient("t", "1"))), "Binnacle-Acknowledge: log")
	if got.At(t, "entry", 0, "response", "status") != "202" || got.At(t, "entry", 1, "response", "status") != "400" {
		t.Errorf("nobody waits of a batch: got %s", got.Body)
	}
	if report := n.Verified(); report.Resources != 3 {
		t.Errorf("got %d resources, want q, r and s", report.Resources)
	}
}
