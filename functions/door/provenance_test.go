package door_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

const whoDidIt = `X-Provenance: {"resourceType":"Provenance","recorded":"2026-11-30T08:00:00Z","agent":[{"who":{"display":"a scribe"}}]}`

// provenances are the targets of each Provenance that is there, as they stand in the documents.
func provenances(n *functionstest.Node) (targets []string) {
	n.T.Helper()
	n.CaughtUp()
	n.Index.Mu.Lock()
	var names []string // in the order in which they were made
	for _, row := range n.Index.Rows {
		if row.Type == "Provenance" {
			names = append(names, "Provenance/"+row.ID)
		}
	}
	n.Index.Mu.Unlock()
	for _, name := range names {
		content := n.Stored(name)
		_, list, found := strings.Cut(content, `,"target":[`)
		list, closed := strings.CutSuffix(list, "]}")
		if !found || !closed {
			n.T.Fatalf("a Provenance without targets: %s", content)
		}
		targets = append(targets, strings.NewReplacer(`{"reference":"`, "", `"}`, "").Replace(list))
	}
	return targets
}

// TestAProvenanceTellsOfTheVersionsThatAWriteMakes: it is there with what is written, or not at all.
func TestAProvenanceTellsOfTheVersionsThatAWriteMakes(t *testing.T) {
	n := functionstest.NewNode(t)
	step := func(status int, method, path, body string, want ...string) {
		t.Helper()
		before := len(provenances(n))
		got := n.Must(status, method, path, body, whoDidIt)
		made := provenances(n)[before:]
		slices.Sort(made) // those of a batch come in any order
		if strings.Join(made, " + ") != strings.Join(want, " + ") {
			t.Errorf("%s %s: Provenances of %q, want %q", method, path, made, want)
		}
		header := got.Header.Get("Binnacle-Provenance")
		if single := len(want) == 1 && !strings.Contains(body, `"batch"`); single != (header != "") ||
			single && !strings.HasPrefix(header, functionstest.Base+"/Provenance/") {
			t.Errorf("%s %s: the answer names %q", method, path, header)
		}
	}
	step(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"), "Patient/a/_history/1")
	step(200, "PUT", "/Patient/a", functionstest.Patient("a", "2"), "Patient/a/_history/2")
	step(200, "PUT", "/Patient/a", functionstest.Patient("a", "2")) // nothing changes, and nothing is told
	step(200, "PUT", "/Patient?identifier=urn:s|2", functionstest.Patient("a", "3"), "Patient/a/_history/3")
	created := n.Must(201, "POST", "/Basic", `{"resourceType":"Basic","code":{}}`, whoDidIt)
	if made := provenances(n); functionstest.Base+"/"+made[len(made)-1] != created.Header.Get("Location") {
		t.Errorf("a create: the last of the Provenances of %q, want %q", made, created.Header.Get("Location"))
	}
	step(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "PUT", "Patient/a", functionstest.Patient("a", "3")),
		functionstest.EntryOf("", "PUT", "Patient/b", functionstest.Patient("b", "1")),
		functionstest.EntryOf("", "PUT", "Patient/c", functionstest.Patient("c", "1"))),
		"Patient/b/_history/1,Patient/c/_history/1")
	step(200, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "PUT", "Patient/b", functionstest.Patient("b", "2")),
		functionstest.EntryOf("", "PUT", "Patient/c", functionstest.Patient("c", "1")),
		functionstest.EntryOf("", "PUT", "Patient/d", functionstest.Patient("d", "1"))),
		"Patient/b/_history/2", "Patient/d/_history/1")
	step(204, "DELETE", "/Patient/b", "", "Patient/b/_history/3") // its Provenances don't hold it up
	step(204, "DELETE", "/Patient/b", "")
	step(204, "DELETE", "/Patient?identifier=urn:s|none", "")
	n.Verified()
}

// TestAProvenanceThatCannotBeStoredStopsTheWrite: the write isn't made, and the answer tells what is wrong with it.
func TestAProvenanceThatCannotBeStoredStopsTheWrite(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Practitioner/p", `{"resourceType":"Practitioner","id":"p"}`)
	by := func(who string) string {
		return `X-Provenance: {"resourceType":"Provenance","agent":[{"who":{"reference":"` + who + `"}}]}`
	}
	for name, c := range map[string]struct{ header, status, tells string }{
		"no JSON":             {`X-Provenance: {"resourceType":`, "400", "X-Provenance"},
		"another resource":    {`X-Provenance: {"resourceType":"Patient"}`, "400", "holds a Patient"},
		"a target":            {`X-Provenance: {"resourceType":"Provenance","target":[]}`, "400", "Provenance.target"},
		"an agent of no kind": {`X-Provenance: {"resourceType":"Provenance","agent":5}`, "400", "Provenance.agent"},
		"who leads nowhere":   {by("Practitioner/nobody"), "409", "Practitioner/nobody"},
		"who could not":       {by("practitioner/p"), "400", "is no reference"},
	} {
		for form, send := range map[string]func() functionstest.Reply{
			"alone": func() functionstest.Reply {
				return n.Send("PUT", "/Patient/x", functionstest.Patient("x", "1"), c.header)
			},
			"deleted": func() functionstest.Reply { return n.Send("DELETE", "/Practitioner/p", "", c.header) },
			"transaction": func() functionstest.Reply {
				return n.Send("POST", "", functionstest.BundleOf("transaction",
					functionstest.EntryOf("", "PUT", "Patient/x", functionstest.Patient("x", "1"))), c.header)
			},
			"batch": func() functionstest.Reply {
				return n.Send("POST", "", functionstest.BundleOf("batch",
					functionstest.EntryOf("", "PUT", "Patient/x", functionstest.Patient("x", "1"))), c.header)
			},
		} {
			got := send()
			status := strconv.Itoa(got.Status)
			if form == "batch" && got.Status == 200 {
				status = got.At(t, "entry", 0, "response", "status")
			}
			if status != c.status || !strings.Contains(got.Body, c.tells) {
				t.Errorf("%s, %s: got %s %s, want %s and %q", name, form, status, got.Body, c.status, c.tells)
			}
		}
	}
	if got := n.Send("PUT", "/Patient/x", functionstest.Patient("x", "1"), whoDidIt, whoDidIt); got.Status != 400 {
		t.Errorf("two of them: got %d %s", got.Status, got.Body)
	}
	n.CaughtUp()
	if n.Stored("Patient/x") != "" || n.Stored("Practitioner/p") == "" || len(provenances(n)) > 0 {
		t.Errorf("something was written")
	}
	n.Must(200, "POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("urn:uuid:"+
		"0190a5a0-0000-7000-8000-000000000001", "POST", "Practitioner", `{"resourceType":"Practitioner"}`)),
		by("urn:uuid:0190a5a0-0000-7000-8000-000000000001"))
	n.CaughtUp()
	if made := provenances(n); len(made) != 1 || !strings.HasPrefix(made[0], "Practitioner/") {
		t.Errorf("an agent of the same transaction: %q", made)
	}
	n.Verified()
}

// TestAProvenanceIsAPartOfTheRequest: under one Idempotency-Key it can't be another one, and it is stored once.
func TestAProvenanceIsAPartOfTheRequest(t *testing.T) {
	n := functionstest.NewNode(t)
	const key = `Idempotency-Key: "k"`
	n.Must(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"), key, whoDidIt)
	again := n.Must(201, "PUT", "/Patient/a", functionstest.Patient("a", "1"), key, whoDidIt)
	if again.Header.Get("Idempotent-Replayed") != "true" || again.Header.Get("Binnacle-Provenance") == "" {
		t.Errorf("again: got %v", again.Header)
	}
	n.Must(422, "PUT", "/Patient/a", functionstest.Patient("a", "1"), key)
	if got := provenances(n); len(got) != 1 {
		t.Errorf("there are Provenances of %q", got)
	}
}

// TestAProvenanceCanBeMadeAgainFromTheLog: also when its outcome has lost what its links became.
func TestAProvenanceCanBeMadeAgainFromTheLog(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "PUT", "Patient/b", functionstest.Patient("b", "1")),
		functionstest.EntryOf("", "DELETE", "Patient/nobody", "")), whoDidIt)
	n.CaughtUp()
	n.Index.Mu.Lock()
	defer n.Index.Mu.Unlock()
	for _, outcome := range n.Index.Decided {
		for i := range outcome.Results {
			outcome.Results[i].Links = nil
		}
	}
	version := n.Index.Rows[len(n.Index.Rows)-1].Version
	n.Index.Mu.Unlock()
	content, err := n.Heal.Handle(t.Context(), version)
	n.Index.Mu.Lock()
	if err != nil || !strings.Contains(string(content), `"target":[{"reference":"Patient/b/_history/1"}]`) {
		t.Errorf("got %s, %v", content, err)
	}
}
