package door_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/functions/door"
	"binnacle/functions/functionstest"
)

// deleting is a node that allows what deletes may take.
func deleting(t *testing.T, deletes door.Deletes) *functionstest.Node {
	return functionstest.NewNode(t, func(n *functionstest.Node) { n.Front.Deletes = deletes })
}

// about is an Observation or another resource that refers to a patient, or to something else.
func about(typ, id, element, reference string) string {
	more := ""
	switch typ {
	case "Observation":
		more = `,"status":"final","code":{"text":"x"}`
	case "Encounter":
		more = `,"status":"finished","class":{"code":"AMB"}`
	}
	return fmt.Sprintf(`{"resourceType":%q,"id":%q%s,%q:{"reference":%q}}`, typ, id, more, element, reference)
}

// family writes a patient with an encounter, an observation of both, and one of that observation's own.
func family(n *functionstest.Node, id string) {
	n.T.Helper()
	n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, "family"))
	n.Must(201, "PUT", "/Encounter/"+id, about("Encounter", id, "subject", "Patient/"+id))
	n.Must(201, "PUT", "/Observation/"+id, about("Observation", id, "encounter", "Encounter/"+id))
	n.Must(201, "PUT", "/Observation/"+id+"2", fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final",`+
		`"code":{"text":"x"},"derivedFrom":[{"reference":"Observation/%s"}],"subject":{"reference":"Patient/%[2]s"}}`,
		id+"2", id))
}

// how sends a delete alone, in a batch and in a transaction, each on a node of its own, and gives the status of the
// delete and its outcome.
func how(t *testing.T, deletes door.Deletes, url string, before func(*functionstest.Node), headers ...string,
) (answers map[string]functionstest.Reply, nodes []*functionstest.Node) {
	t.Helper()
	answers = map[string]functionstest.Reply{}
	for _, form := range []string{"alone", "batch", "transaction"} {
		n := deleting(t, deletes)
		before(n)
		var got functionstest.Reply
		if form == "alone" {
			got = n.Send("DELETE", "/"+url, "", headers...)
		} else {
			got = n.Send("POST", "", functionstest.BundleOf(form, functionstest.EntryOf("", "DELETE", url, "")), headers...)
			if got.Status == 200 {
				status := got.At(t, "entry", 0, "response", "status")
				got.Body = got.At(t, "entry", 0, "response", "outcome")
				if _, err := fmt.Sscan(status, &got.Status); err != nil {
					t.Fatalf("the entry has the status %q", status)
				}
			}
		}
		answers[form], nodes = got, append(nodes, n)
	}
	return answers, nodes
}

func TestADeleteTakesAsMuchAsIsAllowedAloneInABatchAndInATransaction(t *testing.T) {
	patients := func(n *functionstest.Node) {
		for i := range 4 {
			n.Must(201, "PUT", fmt.Sprint("/Patient/", i), functionstest.Patient(fmt.Sprint(i), fmt.Sprint(i/3)))
		}
	}
	families := func(n *functionstest.Node) { family(n, "a"); family(n, "b") }
	many, all := door.Deletes{Many: 3}, door.Deletes{Many: 4, All: true}
	cascade, both := door.Deletes{Cascade: 3}, door.Deletes{Many: 2, All: true, Cascade: 6}
	for _, c := range []struct {
		name    string
		deletes door.Deletes
		url     string
		before  func(*functionstest.Node)
		status  int
		told    string // in the outcome
		left    int    // resources that are there afterwards
		headers []string
	}{
		{"several matches, and one is allowed", door.Deletes{}, "Patient?identifier=urn:s|0", patients, 412,
			"matches several", 4, nil},
		{"one match, and one is allowed", door.Deletes{}, "Patient?identifier=urn:s|1", patients, 204, "", 3, nil},
		{"all that matches", many, "Patient?identifier=urn:s|0", patients, 200, "Patient: deleted, 3 in all", 1, nil},
		{"it is listed by type and id", many, "Patient?identifier=urn:s|0", patients, 200,
			"Patient/2: deleted, version 2", 1, nil},
		{"one of many", many, "Patient?identifier=urn:s|1", patients, 200, "Patient/3: deleted, version 2", 3, nil},
		{"none of many", many, "Patient?identifier=urn:s|9", patients, 204, "", 4, nil},
		{"who wants to hear little", many, "Patient?identifier=urn:s|0", patients, 204, "", 1,
			[]string{"Prefer: return=minimal"}},
		{"who wants to hear of none", many, "Patient?identifier=urn:s|9", patients, 200, "Patient: no effect", 4,
			[]string{"Prefer: return=OperationOutcome"}},
		{"more than the limit", door.Deletes{Many: 2}, "Patient?identifier=urn:s|0", patients, 422,
			"more than the 2 resources", 4, nil},
		{"no criteria", many, "Patient", patients, 400, "--delete-all", 4, nil},
		{"no criteria, and one is allowed", door.Deletes{}, "Patient", patients, 400, "--delete-all", 4, nil},
		{"no criteria, and all of a type are allowed", all, "Patient", patients, 200, "4 in all", 0, nil},
		{"all of a type with more than the limit", both, "Patient", patients, 422, "more than the 2 resources", 4, nil},
		{"all of a type with nothing", all, "Group", patients, 204, "", 4, nil},
		{"an empty search", all, "Patient?", patients, 400, "needs a search", 4, nil},
		{"an empty id", all, "Patient/", patients, 400, "needs a search", 4, nil},
		{"an empty id, and a slash", all, "Patient//", patients, 400, "needs a search", 4, nil},
		{"an empty id with a cascade", both, "Patient/?_cascade=delete", patients, 400, "needs a search", 4, nil},
		{"an empty search behind a cascade", both, "Patient?_cascade=delete&", patients, 400, "needs a search", 4, nil},
		{"an empty search before a cascade", both, "Patient?&_cascade=delete", patients, 400, "needs a search", 4, nil},
		{"an id, and a slash", all, "Patient/3/", patients, 204, "", 3, nil},
		{"parameters of the answer alone", all, "Patient?_format=json&_summary=true", patients, 400, "needs a search", 4,
			nil},
		{"a parameter that is not known", all, "Patient?idntifier=urn:s|0", patients, 400, "idntifier", 4,
			[]string{"Prefer: handling=lenient"}},
		{"a blank value", all, "Patient?identifier=", patients, 400, "identifier", 4, nil},
		{"criteria that select nothing", all, "Patient?identifier:missing=false", patients, 422, "", 4, nil},

		{"what is referred to", door.Deletes{}, "Patient/a", families, 409, "deletes that cascade are off", 8, nil},
		{"what is referred to, where cascades are on", cascade, "Patient/a", families, 409, "_cascade=delete", 8, nil},
		{"a cascade where they are off", door.Deletes{}, "Patient/a?_cascade=delete", families, 400, "--cascade", 8, nil},
		{"a cascade", cascade, "Patient/a?_cascade=delete", families, 200, "3 more went with it", 4, nil},
		{"it is listed, too", cascade, "Patient/a?_cascade=delete&_pretty=true", families, 200,
			"Encounter/a: deleted, version 2", 4, nil},
		{"a cascade by its header", cascade, "Patient/a", families, 200, "Observation/a2: deleted, version 2", 4,
			[]string{"X-Cascade: delete"}},
		{"a cascade that says no", cascade, "Patient/a?_cascade=none", families, 409, "Patient/a", 8,
			[]string{"X-Cascade: delete"}},
		{"a header that says no", cascade, "Patient/a", families, 409, "Patient/a", 8, []string{"X-Cascade: none"}},
		{"a word that is not known", cascade, "Patient/a?_cascade=expunge", families, 400, "expunge", 8, nil},
		{"two words", cascade, "Patient/a?_cascade=delete&_cascade=none", families, 400, "both", 8, nil},
		{"a bound that is not offered", cascade, "Patient/a", families, 400, "--cascade", 8,
			[]string{"X-Cascade: delete; max-rounds=2"}},
		{"a larger cascade than is allowed", door.Deletes{Cascade: 2}, "Patient/a?_cascade=delete", families, 422,
			"more than the 2 resources", 8, nil},
		{"a cascade where nothing refers", cascade, "Observation/a2?_cascade=delete", families, 204, "", 7, nil},
		{"a cascade of what is not there", cascade, "Patient/nobody?_cascade=delete", families, 204, "", 8, nil},
		{"a cascade of one match", cascade, "Encounter?patient=a&_cascade=delete", families, 200,
			"Encounter/a: deleted, version 2; 2 more went with it", 5, nil},
		{"a cascade of many", both, "Patient?identifier=urn:s|family&_cascade=delete", families, 200,
			"Patient: deleted, 8 in all; 6 of them of other types, because of what they referred to", 0, nil},
		{"a cascade of all", both, "Patient?_cascade=delete", families, 200, "8 in all", 0, nil},
		{"many that are referred to", both, "Patient?identifier=urn:s|family", families, 409,
			"Patient/a is referred to", 8, nil},
		{"many that refer to each other", door.Deletes{Many: 9, All: true}, "Observation", families, 200, "4 in all", 4,
			nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers, nodes := how(t, c.deletes, c.url, c.before, c.headers...)
			for form, got := range answers {
				if got.Status != c.status || !strings.Contains(got.Body, c.told) {
					t.Errorf("%s: got %d %s, want %d and %q", form, got.Status, got.Body, c.status, c.told)
				}
			}
			for _, n := range nodes {
				if report := n.Verified(); report.Resources != int64(c.left) {
					t.Errorf("%d resources are left, want %d", report.Resources, c.left)
				}
			}
		})
	}
}

func TestAPreconditionMakesAConditionalDeleteOneOfOne(t *testing.T) {
	n := deleting(t, door.Deletes{Many: 5, All: true})
	for i := range 3 {
		n.Must(201, "PUT", fmt.Sprint("/Patient/", i), functionstest.Patient(fmt.Sprint(i), fmt.Sprint(i/2)))
	}
	n.Must(412, "DELETE", "/Patient?identifier=urn:s|0", "", `If-Match: W/"1"`)
	n.Must(412, "DELETE", "/Patient?identifier=urn:s|1", "", `If-Match: W/"2"`)
	n.Must(400, "DELETE", "/Patient", "", "If-Match: *")
	if got := n.Must(204, "DELETE", "/Patient?identifier=urn:s|1", "", `If-Match: W/"1"`); got.Header.Get("ETag") != `W/"2"` {
		t.Errorf("the deletion has the ETag %q", got.Header.Get("ETag"))
	}
	entry := functionstest.EntryOf("", "DELETE", "Patient?identifier=urn:s|0", "", `"ifMatch":"W/\"1\""`)
	n.Must(412, "POST", "", functionstest.BundleOf("transaction", entry))
}

func TestARepeatedDeleteOfManyTellsTheSameList(t *testing.T) {
	n := deleting(t, door.Deletes{Many: 5, Cascade: 10})
	family(n, "a")
	family(n, "b")
	const url = "/Patient?identifier=urn:s|family&_cascade=delete"
	first := n.Must(200, "DELETE", url, "", `Idempotency-Key: "k"`)
	family(n, "c")
	again := n.Must(200, "DELETE", url, "", `Idempotency-Key: "k"`)
	if again.Body != first.Body || again.Header.Get(replayed) != "true" || !strings.Contains(first.Body, "8 in all") {
		t.Errorf("got %s\nthen %s", first.Body, again.Body)
	}
	n.Must(409, "DELETE", "/Patient/c", "", `Idempotency-Key: "l"`)
	n.Must(422, "DELETE", "/Patient/c", "", `Idempotency-Key: "l"`, "X-Cascade: delete")
	n.Must(200, "DELETE", "/Patient/c", "", "X-Cascade: delete")
}

func TestATransactionKeepsWhatItWritesFromACascade(t *testing.T) {
	n := deleting(t, door.Deletes{Many: 9, Cascade: 9})
	transaction := func(entries ...string) functionstest.Reply {
		n.T.Helper()
		return n.Send("POST", "", functionstest.BundleOf("transaction", entries...))
	}
	want := func(got functionstest.Reply, status int, told string) {
		t.Helper()
		if got.Status != status || !strings.Contains(got.Body, told) {
			t.Errorf("got %d %s, want %d and %q", got.Status, got.Body, status, told)
		}
	}
	gone := functionstest.EntryOf("", "DELETE", "Patient/a?_cascade=delete", "")
	family(n, "a")
	n.Must(201, "PUT", "/Patient/z", functionstest.Patient("z", "z"))

	// what is written, and goes on to refer to it
	want(transaction(gone, functionstest.EntryOf("", "PUT", "Encounter/a",
		about("Encounter", "a", "subject", "Patient/a")+"")), 409, "that the same transaction writes")
	want(transaction(gone, functionstest.EntryOf("", "POST", "Observation", functionstest.Observation(
		`,"subject":{"reference":"Patient/a"}`))), 409, "Patient/a")
	// what a condition finds, and would go
	want(transaction(gone, functionstest.EntryOf("", "POST", "Encounter",
		`{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"}}`,
		`"ifNoneExist":"patient=Patient/a"`)), 409, "has found it by its condition")
	want(transaction(gone, functionstest.EntryOf("", "POST", "Observation", functionstest.Observation(
		`,"encounter":{"reference":"Encounter?patient=Patient/a"}`))), 412, "matches no resource")
	// the same resource twice
	want(transaction(functionstest.EntryOf("", "DELETE", "Patient?identifier=urn:s|family", ""),
		functionstest.EntryOf("", "PUT", "Patient/a", functionstest.Patient("a", "1"))), 400, "once")
	// what stops to refer to it stays, with what refers to that alone; the rest goes
	answer := transaction(gone, functionstest.EntryOf("", "PUT", "Encounter/a",
		about("Encounter", "a", "subject", "Patient/z")))
	want(answer, 200, "Patient/a: deleted, version 2; 1 more went with it")
	want(answer, 200, "Observation/a2: deleted, version 2")
	if n.Stored("Encounter/a") == "" || n.Stored("Observation/a") == "" || n.Stored("Observation/a2") != "" {
		t.Error("the wrong resources went")
	}
	// two deletes that meet: the first takes what both could
	family(n, "b")
	want(transaction(functionstest.EntryOf("", "DELETE", "Encounter/b?_cascade=delete", ""),
		functionstest.EntryOf("", "DELETE", "Patient/b?_cascade=delete", "")), 200,
		"Encounter/b: deleted, version 2; 2 more went with it")
	n.Verified()
}

func TestAProvenanceTellsOfAllThatADeleteTakes(t *testing.T) {
	n := deleting(t, door.Deletes{Many: 9, Cascade: 9})
	family(n, "a")
	n.Must(200, "DELETE", "/Patient?identifier=urn:s|family&_cascade=delete", "",
		`X-Provenance: {"resourceType":"Provenance","recorded":"2026-01-01T00:00:00Z","agent":[{"who":{"display":"me"}}]}`)
	n.CaughtUp()
	n.Index.Mu.Lock()
	last := n.Index.Rows[len(n.Index.Rows)-1]
	n.Index.Mu.Unlock()
	stored := n.Stored("Provenance/" + last.ID)
	for _, name := range []string{"Patient/a/_history/2", "Encounter/a/_history/2", "Observation/a/_history/2",
		"Observation/a2/_history/2"} {
		if !strings.Contains(stored, `"`+name+`"`) {
			t.Errorf("the Provenance lacks %s: %s", name, stored)
		}
	}
	n.Verified()
}

func TestACascadeGoesOverSoManySteps(t *testing.T) {
	n := deleting(t, door.Deletes{Cascade: 1000})
	entries := make([]string, 102)
	for i := range entries {
		refers := ""
		if i > 0 {
			refers = fmt.Sprintf(`,"derivedFrom":[{"reference":"Observation/%d"}]`, i-1)
		}
		entries[i] = functionstest.EntryOf("", "PUT", fmt.Sprint("Observation/", i),
			functionstest.Observation(fmt.Sprintf(`,"id":"%d"`, i)+refers))
	}
	n.Must(200, "POST", "", functionstest.BundleOf("transaction", entries...))
	if text := n.Must(422, "DELETE", "/Observation/0?_cascade=delete", "").At(t, "issue", 0, "diagnostics"); !strings.
		Contains(text, "more than 100 steps") {
		t.Errorf("the text doesn't tell what is too much: %s", text)
	}
	if text := n.Must(200, "DELETE", "/Observation/1?_cascade=delete", "").At(t, "issue", 0, "diagnostics"); !strings.
		Contains(text, "100 more went with it") {
		t.Errorf("got %s", text)
	}
	if left := n.Verified().Resources; left != 1 {
		t.Errorf("%d resources are left", left)
	}
}

// Which of a batch's deletes come to the log first is chance; what becomes of them isn't.
func TestDeletesOfABatchDoNotHoldEachOtherUp(t *testing.T) {
	n := deleting(t, door.Deletes{})
	for i, order := range [][]string{
		{"Patient/%s", "Encounter/%s", "Observation/%s", "Observation/%s2"},
		{"Observation/%s2", "Observation/%s", "Encounter/%s", "Patient/%s"},
		{"Encounter/%s", "Patient/%s", "Observation/%s2", "Observation/%s"},
	} {
		id := fmt.Sprint("f", i)
		family(n, id)
		entries := make([]string, len(order))
		for k, name := range order {
			entries[k] = functionstest.EntryOf("", "DELETE", fmt.Sprintf(name, id), "")
		}
		send := func() functionstest.Reply {
			return n.Must(200, "POST", "", functionstest.BundleOf("batch", entries...), `Idempotency-Key: "`+id+`"`)
		}
		first, again := send(), send()
		if strings.Count(first.Body, `"204"`) != len(order) {
			t.Errorf("%v: got %s", order, first.Body)
		}
		if again.Body != first.Body || again.Header.Get(replayed) != "true" {
			t.Errorf("%v: asked again got %s", order, again.Body)
		}
	}
	// what refers to each other stays, and so does what something else refers to
	family(n, "c")
	n.Must(200, "PUT", "/Observation/c", strings.Replace(about("Observation", "c", "encounter", "Encounter/c"),
		`"code"`, `"derivedFrom":[{"reference":"Observation/c2"}],"code"`, 1))
	n.Must(201, "PUT", "/Basic/b", `{"resourceType":"Basic","id":"b","code":{"text":"x"}}`)
	var entries []string
	for _, name := range []string{"Patient/c", "Encounter/c", "Observation/c", "Observation/c2", "Basic/b"} {
		entries = append(entries, functionstest.EntryOf("", "DELETE", name, ""))
	}
	got := n.Must(200, "POST", "", functionstest.BundleOf("batch", entries...)).Body
	if strings.Count(got, `"409"`) != 4 || strings.Count(got, `"204"`) != 1 {
		t.Errorf("got %s", got)
	}
	n.Verified()
}
