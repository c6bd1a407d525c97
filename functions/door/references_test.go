package door_test

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

// entered sends a resource alone, in a batch and in a transaction, and returns the statuses that it gets.
func entered(n *functionstest.Node, kind, id, resource string, headers ...string) (statuses [3]string, texts string) {
	n.T.Helper()
	single := n.Send("PUT", "/"+kind+"/"+id, resource, headers...)
	statuses[0], texts = fmt.Sprint(single.Status), single.Body
	for i, form := range []string{"batch", "transaction"} {
		resource := strings.Replace(resource, `"id":"`+id+`"`, `"id":"`+id+form+`"`, 1)
		got := n.Send("POST", "", functionstest.BundleOf(form,
			functionstest.EntryOf("", "PUT", kind+"/"+id+form, resource)), headers...)
		if statuses[1+i] = fmt.Sprint(got.Status); got.Status == 200 {
			statuses[1+i] = got.At(n.T.(*testing.T), "entry", 0, "response", "status")
		}
		texts += got.Body
	}
	return statuses, texts
}

// TestAReferenceLeadsSomewhereInWhateverSpelling: what names this server is held against what is there, and what
// could lead to nothing is refused.
func TestAReferenceLeadsSomewhereInWhateverSpelling(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/v", functionstest.Patient("v", "1"))
	n.Must(200, "PUT", "/Patient/v", functionstest.Patient("v", "2"))
	const above = "http://server.example"
	for i, c := range []struct {
		reference, status string
		stored            string // as it is found in the resource
	}{
		{"HTTP://Server.Example/fhir/Patient/v", "201", `"Patient/v"`},
		{above + ":80/fhir/Patient/v/_history/2#x", "201", `"Patient/v/_history/2#x"`},
		{above + "/fhir/Patient?identifier=urn:s|2", "201", `"Patient/v"`},
		{"HTTP://Server.Example/fhir/Patient/nobody", "409", ""},
		{above + ":80/fhir/Patient/nobody", "409", ""},
		{"Patient/v/_history/1", "201", `"Patient/v/_history/1"`},
		{"Patient/v/_history/3", "409", ""},
		{functionstest.Base + "/Patient/v/_history/99", "409", ""},
		{"Patient/v/_history/02", "409", ""},
		{"Patient/v/_history/x", "409", ""},
		{"Patient/v ", "400", ""},
		{" Patient/v", "400", ""},
		{"Patient/v/", "400", ""},
		{"patient/v", "400", ""},
		{"/Patient/v", "400", ""},
		{functionstest.Base + "/Patient/v/", "400", ""},
		{functionstest.Base + "/Patient/v ", "400", ""},
		{functionstest.Base + "/metadata", "400", ""},
		{functionstest.Base, "400", ""},
		{above + ":81/fhir/Patient/v", "201", `:81/fhir/Patient/v"`},
		{above + "/FHIR/Patient/v", "201", `/FHIR/Patient/v"`},
		{"mailto:v@server.example", "201", `"mailto:v@server.example"`},
		{"Nonsense/1", "400", ""},
		{"Parameters/1", "400", ""},
		{functionstest.Base + "/Nonsense/1", "400", ""},
		{above + ":81/fhir/Nonsense/1", "201", `:81/fhir/Nonsense/1"`},
	} {
		id := fmt.Sprint("o", i)
		observation := `{"resourceType":"Observation","id":"` + id + `","status":"final","code":{},"subject":{"reference":"` + c.reference + `"}}`
		got, texts := entered(n, "Observation", id, observation)
		if got != [3]string{c.status, c.status, c.status} {
			t.Errorf("%q: got %v, want %s from all: %s", c.reference, got, c.status, texts)
		}
		if c.status != "201" && strings.Count(texts, "subject.reference") < 3 {
			t.Errorf("%q: the outcomes do not all name the place: %s", c.reference, texts)
		}
		for _, form := range []string{"", "batch", "transaction"} {
			if c.stored != "" && !strings.Contains(n.Stored("Observation/"+id+form), c.stored) {
				t.Errorf("%q: stored as %s, want %s", c.reference, n.Stored("Observation/"+id+form), c.stored)
			}
		}
		if c.status != "201" {
			if got, texts := entered(n, "Observation", id, observation,
				"Binnacle-Allow-Dangling: true"); got != [3]string{"201", "201", "201"} {
				t.Errorf("%q, dangling: got %v: %s", c.reference, got, texts)
			}
		}
	}
	n.Verified()
}

// TestATransactionFindsItsEntriesInWhateverSpelling: URNs and hosts have no case, and a version is that of the entry
// or not of it.
func TestATransactionFindsItsEntriesInWhateverSpelling(t *testing.T) {
	const urn = "urn:uuid:0000000a-0000-4000-8000-00000000000b"
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/u", functionstest.Patient("u", "1"))
	n.Must(201, "PUT", "/Patient/v", functionstest.Patient("v", "1"))
	provenance := func(references ...string) string {
		return functionstest.EntryOf("", "PUT", "Provenance/x",
			`{"resourceType":"Provenance","id":"x","agent":[{"who":{"display":"x"}}],"recorded":"2024-01-01T00:00:00Z","target":[{"reference":"`+strings.Join(references, `"},{"reference":"`)+`"}]}`)
	}
	versioned := func(id, version string) string {
		return strings.Replace(functionstest.Patient(id, "7"), `"active"`,
			`"meta":{"versionId":"`+version+`"},"active"`, 1)
	}
	n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf(urn, "PUT", "Patient/a", functionstest.Patient("a", "1")),
		functionstest.EntryOf("https://Src.example:443/r4/Patient/1", "POST", "Patient", versioned("", "4")),
		functionstest.EntryOf("https://src.example/r4/Patient/2", "PUT", "Patient/c", versioned("c", "1")),
		provenance(strings.ToUpper(urn), "HTTPS://src.example/r4/Patient/1",
			"https://src.example/r4/Patient/1/_history/4", "https://src.example/r4/Patient/1/_history/3",
			"https://src.example/r4/Patient/2/_history/1")))
	stored := n.Stored("Provenance/x")
	_, id, _ := strings.Cut(stored, `"Patient/a"},{"reference":"Patient/`)
	id, _, _ = strings.Cut(id, `"`)
	want := `[{"reference":"Patient/a"},{"reference":"Patient/` + id + `"},{"reference":"Patient/` + id + `/_history/1"},{"reference":"https://src.example/r4/Patient/1/_history/3"},{"reference":"Patient/c/_history/1"}]`
	if !strings.Contains(stored, want) {
		t.Errorf("got %s\nwant %s", stored, want)
	}
	for name, c := range map[string]struct {
		status int
		text   string
		bundle string
	}{
		"a UUID of no entry": {400, "no entry", functionstest.BundleOf("transaction", provenance("URN:UUID:1"))},
		"one fullUrl in two spellings": {400, "same fullUrl",
			functionstest.BundleOf("transaction", functionstest.EntryOf(urn, "PUT", "Patient/d",
				functionstest.Patient("d", "1")),
				functionstest.EntryOf(strings.ToUpper(urn), "PUT", "Patient/e", functionstest.Patient("e", "1")))},
		"a version that the update makes not": {409, "1 to 1",
			functionstest.BundleOf("transaction", functionstest.EntryOf("", "PUT", "Patient/v",
				functionstest.Patient("v", "1")), provenance("Patient/v/_history/2"))},
		"a version that the update makes": {200, "",
			functionstest.BundleOf("transaction", functionstest.EntryOf("", "PUT", "Patient/u",
				functionstest.Patient("u", "2")), provenance("Patient/u/_history/2"))},
		"a version behind a link": {409, "version 9", functionstest.BundleOf("transaction",
			functionstest.EntryOf("https://src.example/r4/Patient/9", "POST", "Patient", versioned("", "9"),
				`"ifNoneExist":"identifier=urn:s|99"`), provenance("https://src.example/r4/Patient/9/_history/9"))},
		"what a condition finds is deleted": {412, "no resource",
			functionstest.BundleOf("transaction", functionstest.EntryOf("", "DELETE", "Patient/c", ""),
				provenance("Patient?identifier=urn:s|7&_id=c"))},
	} {
		t.Run(name, func(t *testing.T) {
			if got := n.Send("POST", "", c.bundle); got.Status != c.status || !strings.Contains(got.Body, c.text) {
				t.Errorf("got %d, want %d with %q: %s", got.Status, c.status, c.text, got.Body)
			}
		})
	}
	n.Verified()
}

// TestWhatIsContainedHasItsPlace: who is contained has a type and an id of its own, and a local reference leads
// there, wherever references may lead.
func TestWhatIsContainedHasItsPlace(t *testing.T) {
	n := functionstest.NewNode(t)
	for i, c := range []struct{ inside, place string }{ // of an Observation; "": it is taken
		{`"subject":{"reference":"#x"}`, "subject.reference"},
		{`"subject":{"reference":"#"}`, "subject.reference"},
		{`"contained":[{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#X"}`, "subject.reference"},
		{`"contained":[{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#x"}`, ""},
		{`"contained":[{"resourceType":"Patient","id":"x","link":[{"other":{"reference":"#y"}}]},{"resourceType":"Patient","id":"y"}],"subject":{"reference":"#x"}`, ""},
		{`"contained":[{"resourceType":"Provenance","id":"x","target":[{"reference":"#"}]}]`, ""},
		{`"contained":[{"resourceType":"Patient","id":"x"},{"resourceType":"Device","id":"x"}]`, "contained[1].id"},
		{`"contained":[{"resourceType":5}]`, "contained[0].resourceType"},
		{`"contained":[{"resourceType":"Nope"}]`, "contained[0].resourceType"},
		{`"contained":[{}]`, "contained[0]"},
		{`"contained":[{"id":"z"}]`, "contained[0]"},
	} {
		for _, dangling := range []string{"false", "true"} {
			id := fmt.Sprint("c", i, dangling)
			want := "400"
			if c.place == "" {
				want = "201"
			}
			got, texts := entered(n, "Observation", id,
				`{"resourceType":"Observation","id":"`+id+`","status":"final","code":{},`+c.inside+`}`,
				"Binnacle-Allow-Dangling: "+dangling)
			if got != [3]string{want, want, want} {
				t.Errorf("%s: got %v, want %s from all: %s", c.inside, got, want, texts)
			}
			for _, place := range []string{"Observation.", "Bundle.entry[0].resource."} {
				if c.place != "" && !strings.Contains(texts, `"`+place+c.place+`"`) {
					t.Errorf("%s: the outcomes do not all name %s: %s", c.inside, place+c.place, texts)
				}
			}
		}
	}
	n.Verified()
}

// TestAReferenceThatStoodMayStay: who changes something else need not mend what a deletion has left behind. A new
// reference leads somewhere.
func TestAReferenceThatStoodMayStay(t *testing.T) {
	n := functionstest.NewNode(t)
	patient := func(id, more string, targets ...string) string { // in an extension no search parameter sees them
		var extensions []string
		for _, target := range targets {
			extensions = append(extensions, `{"url":"http://x","valueReference":{"reference":"`+target+`"}}`)
		}
		return `{"resourceType":"Patient","id":"` + id + `","extension":[` + strings.Join(extensions,
			",") + `]` + more + `}`
	}
	const gone, other = "Organization/gone", "Organization/other"
	n.Must(201, "PUT", "/"+gone, `{"resourceType":"Organization","id":"gone"}`)
	for _, id := range []string{"a", "abatch", "atransaction"} {
		n.Must(201, "PUT", "/Patient/"+id, patient(id, "", gone, gone+"/_history/1"))
	}
	n.Must(201, "PUT", "/Patient/d", patient("d", "", "Organization/never/_history/3"), "Binnacle-Allow-Dangling: true")
	n.Must(204, "DELETE", "/"+gone, "")
	for _, c := range []struct{ name, content, want string }{
		{"what is there", patient("a", "", gone, gone+"/_history/1"), "200"},
		{"another change", patient("a", `,"active":true`, gone, gone+"/_history/1"), "200"},
		{"the same target elsewhere", patient("a", `,"active":true`, functionstest.Base+"/"+gone), "200"},
		{"another target", patient("a", "", gone, other), "409"},
		{"another version", patient("a", "", gone+"/_history/3"), "409"},
		{"without it", patient("a", ""), "200"},
		{"and with it again", patient("a", "", gone), "409"},
	} {
		if got, texts := entered(n, "Patient", "a", c.content); got != [3]string{c.want, c.want, c.want} {
			t.Errorf("%s: got %v, want %s: %s", c.name, got, c.want, texts)
		}
	}
	n.Must(409, "PUT", "/Patient/new", patient("new", "", gone))
	n.Must(200, "PUT", "/Patient/d", patient("d", `,"active":true`, "Organization/never/_history/3"))
	n.Must(409, "PUT", "/Patient/d", patient("d", "", "Organization/never/_history/4"))
	n.Must(204, "DELETE", "/Patient/d", "")
	n.Must(409, "PUT", "/Patient/d", patient("d", "", "Organization/never"))
	n.Verified()
}
