package infra

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/verify"
	"binnacle/infra/node"
	"binnacle/projections"
)

// command runs the program.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestAnOperatorLooksAtTheQuarantineAndSettlesIt(t *testing.T) {
	folder := t.TempDir()
	e, server := embedded(t, "--variant", "standalone", "--data", folder)
	// Of a later release, say: this one knows no such type.
	positions, err := e.node.Log.Append(t.Context(), []events.Event{{ID: node.NewID(), Tenant: "main", Changes: []events.Change{
		{Operation: events.Update, Type: "Human", ID: "h", Content: []byte(`{"resourceType":"Human","id":"h"}`), Entry: -1},
		{Operation: events.Update, Type: "Patient", ID: "p", Content: []byte(person("p", "lost")), Entry: -1}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := exchanged(t, server, "PUT", "/fhir/Patient/p", person("p", "f")); got.status != 201 {
		t.Fatalf("the line stands still: %d %s", got.status, got.body)
	}
	at := positions[0].String()
	flags := []string{"--variant", "standalone", "--data", folder, "--log-level", "error"}
	run := func(args ...string) (int, string, string) { return command(t, append(args, flags...)...) }

	if code, out, errOut := run("quarantine", "list"); code != 0 || !strings.Contains(out, at) || !strings.Contains(out, "update Human/h") || !strings.Contains(out, "Human") {
		t.Errorf("list: %d\n%s%s", code, out, errOut)
	}
	code, out, _ := run("quarantine", "list", "--json")
	var line quarantineLine
	if err := json.Unmarshal([]byte(out), &line); err != nil || code != 0 || line.Position != at || line.Settled != nil || line.Key != "main" {
		t.Errorf("list --json: %d %s: %v", code, out, err)
	}
	if code, out, errOut := run("quarantine", "show", at); code != 0 || !strings.Contains(out, `{"resourceType":"Human","id":"h"}`) {
		t.Errorf("show: %d\n%s%s", code, out, errOut)
	}
	if code, out, _ := run("quarantine", "show", at, "--raw"); code != 0 || !strings.Contains(out, `{"resourceType":"Human","id":"h"}`) || strings.Contains(out, at) {
		t.Errorf("show --raw: %d %q", code, out)
	}
	if code, out, _ := run("status"); code != 0 || !strings.Contains(out, "1 records, 1 of them not handled") {
		t.Errorf("status: %d\n%s", code, out)
	}
	warning := "WARNING: Patient/p of tenant main was changed at " + events.Position{Partition: positions[0].Partition, Offset: positions[0].Offset + 1}.String()
	if code, out, errOut := run("verify", "--deep"); code != 0 || !strings.Contains(out, warning) || !strings.Contains(out, "binnacle quarantine show "+at) || !strings.HasSuffix(out, "\nOK\n") {
		t.Errorf("verify: %d\n%s%s", code, out, errOut)
	}
	var report verify.Report
	code, out, _ = run("verify", "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Dependents) != 1 || report.Dependents[0].Record != at || report.Dependents[0].ID != "p" {
		t.Errorf("verify --json: %d %s: %v", code, out, err)
	}
	alarm := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			metrics := exchanged(t, server, "GET", "/metrics", "").body
			if strings.Contains(metrics, "\nbinnacle_quarantine_records "+want+"\n") {
				if (want == "0") != strings.Contains(metrics, "\nbinnacle_quarantine_oldest_seconds 0\n") {
					t.Error("the age of the oldest does not go with the number")
				}
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the metrics don't come to %s records", want)
			}
		}
	}
	alarm("1")
	if code, _, errOut := run("quarantine", "replay", at); code != 1 || !strings.Contains(errOut, "still not be projected") {
		t.Errorf("replay: %d %s", code, errOut)
	}
	if code, _, errOut := run("quarantine", "replay", "--all"); code != 1 || !strings.Contains(errOut, "1 records stay") {
		t.Errorf("replay --all: %d %s", code, errOut)
	}
	if code, _, errOut := run("quarantine", "discard", at); code != 2 || !strings.Contains(errOut, "reason") {
		t.Errorf("discard without a reason: %d %s", code, errOut)
	}
	if code, out, errOut := run("quarantine", "discard", at, "--reason", "a test of ours"); code != 0 || !strings.Contains(out, "discarded") {
		t.Errorf("discard: %d %s%s", code, out, errOut)
	}
	if code, out, _ := run("quarantine", "list"); code != 0 || out != "" {
		t.Errorf("list afterwards: %d %s", code, out)
	}
	if code, out, _ := run("quarantine", "list", "--all"); code != 0 || !strings.Contains(out, "a test of ours") {
		t.Errorf("list --all afterwards: %d %s", code, out)
	}
	if code, _, errOut := run("quarantine", "discard", at, "--reason", "again"); code != 1 || !strings.Contains(errOut, "was handled") {
		t.Errorf("discard again: %d %s", code, errOut)
	}
	for wrong, want := range map[string]int{"0:999": 1, "x": 2} {
		if code, _, errOut := run("quarantine", "show", wrong); code != want || !strings.Contains(errOut, wrong) {
			t.Errorf("show %s: %d %s", wrong, code, errOut)
		}
	}
	alarm("0")
	if err := e.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := run("quarantine", "list", "--all"); code != 0 || !strings.Contains(out, "a test of ours") {
		t.Errorf("list --all after a rebuild: %d %s", code, out)
	}
}

func TestAListHasOfLongTextOnlyTheBeginning(t *testing.T) {
	line := lineOf(projections.Quarantined{Record: events.RawRecord{Key: []byte(strings.Repeat("é", 2000))}, Reason: "no event"})
	if text := line.text(); len(text) > 400 || !strings.Contains(text, strings.Repeat("é", 80)+"…") {
		t.Errorf("the line has %d bytes: %.300s", len(text), text)
	}
	if line.Key != strings.Repeat("é", 2000) {
		t.Error("--json has not the whole key")
	}
}
