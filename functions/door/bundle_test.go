package door_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"binnacle/events/fhir/rest"
	"binnacle/functions/functionstest"
)

func TestATransactionResolvesWhatItNames(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Practitioner/house",
		`{"resourceType":"Practitioner","id":"house","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.Must(201, "PUT", "/Patient/old", functionstest.Patient("old", "old"))
	got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("urn:uuid:1", "POST", "Observation", functionstest.Observation(`,
			"subject":{"reference":"urn:uuid:2"},
			"performer":[{"reference":"Practitioner?identifier=urn:npi|7"},{"reference":"urn:uuid:3"},{"reference":"http:\/\/server.example\/fhir\/Practitioner\/house"},{"reference":"http://elsewhere.example/fhir/Practitioner/1"}],
			"extension":[{"url":"http://x","valueUri":"urn:uuid:2"},{"url":"http://y","valueString":"urn:uuid:2"},{"url":"http://z","valueUri":"urn:uuid:999"}],
			"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:2\">him</a><a href='urn:uuid:3'>her</a></div>"},
			"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:2"}]`)),
		functionstest.EntryOf("urn:uuid:2", "POST", "Patient", functionstest.Patient("", "new")),
		functionstest.EntryOf("urn:uuid:3", "POST", "Practitioner",
			`{"resourceType":"Practitioner","identifier":[{"system":"urn:npi","value":"7"}]}`,
			`"ifNoneExist":"identifier=urn:npi|7"`),
		functionstest.EntryOf("http://other.example/Patient/old", "PUT", "Patient/old",
			functionstest.Patient("old", "changed")),
		functionstest.EntryOf("http://other.example/Observation/5", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"Patient/old"},"derivedFrom":[{"reference":"urn:uuid:1"}]`)),
		functionstest.EntryOf("", "DELETE", "Patient/never", ""),
	))
	if kind := got.At(t, "type"); kind != "transaction-response" {
		t.Errorf("type: got %s", kind)
	}
	for i, want := range []string{"201", "201", "200", "200", "201", "204"} {
		if status := got.At(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s", i, status, want)
		}
	}
	patientName := functionstest.NameOf(got.At(t, "entry", 1, "response", "location"))
	if name := functionstest.NameOf(got.At(t, "entry", 2, "response", "location")); name != "Practitioner/house" {
		t.Errorf("the conditional create matched %s", name)
	}
	first := n.Stored(functionstest.NameOf(got.At(t, "entry", 0, "response", "location")))
	for _, want := range []string{
		`"subject":{"reference":"` + patientName + `"}`,
		`"performer":[{"reference":"Practitioner/house"},{"reference":"Practitioner/house"},{"reference":"Practitioner\/house"},{"reference":"http://elsewhere.example/fhir/Practitioner/1"}]`,
		`{"url":"http://x","valueUri":"` + patientName + `"}`,
		`{"url":"http://y","valueString":"urn:uuid:2"}`,
		`{"url":"http://z","valueUri":"urn:uuid:999"}`,
		`<a href=\"` + patientName + `\">him</a><a href='Practitioner/house'>her</a>`,
		`"value":"urn:uuid:2"}]`,
	} {
		if !strings.Contains(first, want) {
			t.Errorf("the stored Observation lacks %s:\n%s", want, first)
		}
	}
	second := n.Stored(functionstest.NameOf(got.At(t, "entry", 4, "response", "location")))
	if want := `"derivedFrom":[{"reference":"` + functionstest.NameOf(got.At(t, "entry", 0, "response",
		"location")) + `"}]`; !strings.Contains(second, want) || !strings.Contains(second, `"Patient/old"`) {
		t.Errorf("the second Observation: %s", second)
	}
	n.Verified()
}

func TestATransactionRelatesRelativeReferencesToItsOwnFullURLs(t *testing.T) {
	n := functionstest.NewNode(t)
	got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("http://a.example/r4/Patient/1", "POST", "Patient", functionstest.Patient("1", "1")),
		functionstest.EntryOf("http://a.example/r4/Observation/1", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"Patient/1"}`)),
	))
	want := `"subject":{"reference":"` + functionstest.NameOf(got.At(t, "entry", 0, "response", "location")) + `"}`
	if stored := n.Stored(functionstest.NameOf(got.At(t, "entry", 1, "response",
		"location"))); !strings.Contains(stored, want) {
		t.Errorf("got %s, want %s in it", stored, want)
	}
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Patient/q", functionstest.Patient("q", "twin"))
	n.Must(201, "PUT", "/Patient/r", functionstest.Patient("r", "twin"))
	fine := functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "fine"))
	cases := []struct {
		name, entry string
		status      int
		says, place string
	}{
		{"a stale ifMatch", functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "2"),
			`"ifMatch":"W/\"9\""`), 412, "version 1", "Bundle.entry[1].request.ifMatch"},
		{"a dangling reference", functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"Patient/none"}`)), 409, "Patient/none",
			"Bundle.entry[1]"},
		{"a urn that leads nowhere", functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"urn:uuid:none"}`)), 400, "urn:uuid:none",
			"Bundle.entry[1].resource.subject.reference"},
		{"a conditional reference without match", functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"Patient?identifier=urn:s|none"}`)), 412, "no resource",
			"Bundle.entry[1]"},
		{"a conditional reference with two matches",
			functionstest.EntryOf("", "POST", "Observation",
				functionstest.Observation(`,"subject":{"reference":"Patient?identifier=urn:s|twin"}`)), 412, "several",
			"Bundle.entry[1]"},
		{"a conditional reference with an unknown parameter",
			functionstest.EntryOf("", "POST", "Observation",
				functionstest.Observation(`,"subject":{"reference":"Patient?color=red"}`)), 400, "color",
			"Bundle.entry[1].resource.subject.reference"},
		{"a conditional create with two matches", functionstest.EntryOf("", "POST", "Patient",
			functionstest.Patient("", "x"), `"ifNoneExist":"identifier=urn:s|twin"`), 412, "several",
			"Bundle.entry[1]"},
		{"a conditional update with two matches", functionstest.EntryOf("", "PUT", "Patient?identifier=urn:s|twin",
			functionstest.Patient("", "x")), 412, "several", "Bundle.entry[1]"},
		{"a conditional delete with two matches", functionstest.EntryOf("", "DELETE", "Patient?identifier=urn:s|twin",
			""), 412, "several", "Bundle.entry[1]"},
		{"a conditional update with another id", functionstest.EntryOf("", "PUT", "Patient?identifier=urn:s|1",
			functionstest.Patient("z", "x")), 400, "Patient/p", "Bundle.entry[1]"},
		{"a resource twice", functionstest.EntryOf("", "PUT", "Patient/p",
			functionstest.Patient("p", "2")) + "," + functionstest.EntryOf("", "DELETE", "Patient/p", ""), 400, "once",
			"Bundle.entry["},
		{"a resource twice by a condition", functionstest.EntryOf("", "PUT", "Patient/p",
			functionstest.Patient("p", "1")) + "," + functionstest.EntryOf("", "PUT", "Patient?identifier=urn:s|1",
			functionstest.Patient("", "2")), 400, "once", "Bundle.entry[2]"},
		{"a fullUrl twice", functionstest.EntryOf("urn:uuid:1", "POST", "Patient",
			functionstest.Patient("", "x")) + "," + functionstest.EntryOf("urn:uuid:1", "POST", "Patient",
			functionstest.Patient("", "y")), 400, "fullUrl", "Bundle.entry[2]"},
		{"the wrong type", functionstest.EntryOf("", "POST", "Group", functionstest.Patient("", "x")), 400, "Patient",
			"Bundle.entry[1].resource"},
		{"the wrong JSON kind", functionstest.EntryOf("", "POST", "Patient",
			`{"resourceType":"Patient","birthDate":{}}`), 400, "", "Bundle.entry[1].resource.birthDate"},
		{"no resource", functionstest.EntryOf("", "POST", "Patient", ""), 400, "resource", "Bundle.entry[1].resource"},
		{"a fullUrl of a version", functionstest.EntryOf(functionstest.Base+"/Patient/a/_history/1", "PUT", "Patient/a",
			functionstest.Patient("a", "x")), 400, "versions", "Bundle.entry[1].fullUrl"},
		{"no request", `{"resource":` + functionstest.Patient("", "x") + `}`, 400, "request", "Bundle.entry[1]"},
		{"an unknown method", functionstest.EntryOf("", "STEAL", "Patient/p", ""), 400, "method",
			"Bundle.entry[1].request.method"},
		{"a PATCH", functionstest.EntryOf("", "PATCH", "Patient/p", functionstest.Patient("p", "x")), 400, "Parameters",
			"Bundle.entry[1].resource.resourceType"},
		{"an operation", functionstest.EntryOf("", "POST", "Patient/p/$merge", functionstest.Patient("p", "x")), 404,
			"$merge", "Bundle.entry[1].request.url"},
		{"an unknown type", functionstest.EntryOf("", "POST", "Human", `{"resourceType":"Human"}`), 404, "Human",
			"Bundle.entry[1].request.url"},
		{"a delete of what another entry refers to",
			functionstest.EntryOf("", "DELETE", "Patient/p", "") + "," + functionstest.EntryOf("", "POST",
				"Observation", functionstest.Observation(`,"subject":{"reference":"Patient/p"}`)), 409, "Patient/p",
			"Bundle.entry[2]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := n.Must(c.status, "POST", "", functionstest.BundleOf("transaction", fine, c.entry))
			if text := got.At(t, "issue", 0, "diagnostics"); !strings.Contains(text, c.says) {
				t.Errorf("diagnostics %q don't tell of %q", text, c.says)
			}
			if place := got.At(t, "issue", 0, "expression", 0); !strings.HasPrefix(place, c.place) {
				t.Errorf("expression: got %q, want %q", place, c.place)
			}
			if code := got.At(t, "issue", 0, "code"); (code == "multiple-matches") != (c.says == "several") {
				t.Errorf("the code is %q; several matches, and nothing else, are multiple-matches", code)
			}
		})
	}
	if report := n.Verified(); report.Versions != 3 {
		t.Errorf("got %d versions, want the three from before", report.Versions)
	}
}

func TestConditionsSeeEarlierEntriesOfTheSameTransaction(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/old", functionstest.Patient("old", "a"))
	got := n.Must(200, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("urn:uuid:1", "POST", "Patient", functionstest.Patient("", "b"),
			`"ifNoneExist":"identifier=urn:s|b"`),
		functionstest.EntryOf("urn:uuid:2", "POST", "Patient", functionstest.Patient("", "b"),
			`"ifNoneExist":"identifier=urn:s|b"`),
		functionstest.EntryOf("urn:uuid:3", "POST", "Patient", functionstest.Patient("", "a"),
			`"ifNoneExist":"identifier=urn:s|a"`),
		functionstest.EntryOf("", "DELETE", "Patient/old", ""),
		functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"urn:uuid:2"},"focus":[{"reference":"Patient?identifier=urn:s|b"},{"reference":"urn:uuid:3"}]`)),
	))
	for i, want := range []string{"201", "200", "201", "204", "201"} {
		if status := got.At(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s", i, status, want)
		}
	}
	first, second := functionstest.NameOf(got.At(t, "entry", 0, "response", "location")), functionstest.NameOf(got.At(t,
		"entry", 1, "response", "location"))
	if first != second {
		t.Errorf("the same condition gave %s and %s", first, second)
	}
	stored := n.Stored(functionstest.NameOf(got.At(t, "entry", 4, "response", "location")))
	third := functionstest.NameOf(got.At(t, "entry", 2, "response", "location"))
	if want := `"subject":{"reference":"` + first + `"},"focus":[{"reference":"` + first + `"},{"reference":"` + third + `"}]`; !strings.Contains(stored, want) {
		t.Errorf("got %s, want %s in it", stored, want)
	}
	if etag := got.At(t, "entry", 0, "response", "etag"); etag != `W/"1"` {
		t.Errorf("etag: got %s", etag)
	}
	n.Verified()
}

func TestWhatIsReferredToStays(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Patient/self",
		`{"resourceType":"Patient","id":"self","link":[{"other":{"reference":"Patient/self"},"type":"refer"}]}`)
	n.Must(201, "PUT", "/Observation/o",
		`{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	got := n.Must(409, "DELETE", "/Patient/p", "")
	if text := got.At(t, "issue", 0, "diagnostics"); !strings.Contains(text, "Observation?") {
		t.Errorf("the text doesn't tell what refers to it: %s", text)
	}
	n.Must(409, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.Must(204, "DELETE", "/Patient/self", "")
	n.Must(200, "POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("", "DELETE", "Patient/p", ""),
		functionstest.EntryOf("", "DELETE", "Observation/o", "")))
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Observation/o",
		`{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.Must(200, "POST", "", functionstest.BundleOf("transaction", functionstest.EntryOf("", "DELETE", "Patient/p", ""),
		functionstest.EntryOf("", "PUT", "Observation/o",
			`{"resourceType":"Observation","id":"o","status":"final","code":{}}`)))
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	n.Must(201, "PUT", "/Observation/q",
		`{"resourceType":"Observation","id":"q","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.Must(204, "DELETE", "/Patient/p", "", "Binnacle-Allow-Dangling: true")
	for id, reference := range map[string]string{"part": "Patient/part#a", "version": "Patient/version/_history/1",
		"own": functionstest.Base + "/Patient/own#a"} {
		n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, id))
		n.Must(201, "PUT", "/Basic/"+id,
			`{"resourceType":"Basic","id":"`+id+`","code":{},"subject":{"reference":"`+reference+`"}}`)
		n.Must(409, "DELETE", "/Patient/"+id, "")
	}
	n.Verified()
}

func TestConditionalUpdateAndDelete(t *testing.T) {
	n := functionstest.NewNode(t)
	created := n.Must(201, "PUT", "/Patient?identifier=urn:s|1", functionstest.Patient("", "1"))
	id := created.At(t, "id")
	if got := n.Must(200, "PUT", "/Patient?identifier=urn:s|1&_format=json", functionstest.Patient("", "1")+" ").At(t,
		"id"); got != id {
		t.Errorf("the update went to %s, want %s", got, id)
	}
	if got := n.Must(201, "PUT", "/Patient?identifier=urn:s|2", functionstest.Patient("named", "2")).At(t,
		"id"); got != "named" {
		t.Errorf("created under %s, want the client's id", got)
	}
	n.Must(409, "PUT", "/Patient?identifier=urn:s|3", functionstest.Patient("named", "3"))
	n.Must(400, "PUT", "/Patient?identifier=urn:s|1", functionstest.Patient("named", "1"))
	n.Must(200, "POST", "/Patient", functionstest.Patient("", "1"), "If-None-Exist: identifier=urn:s|1")
	n.Must(204, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.Must(204, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"), "If-None-Exist: Patient?identifier=urn:s|1")
	n.Must(201, "POST", "/Patient", functionstest.Patient("", "1"))
	n.Must(412, "POST", "/Patient", functionstest.Patient("", "1"), "If-None-Exist: identifier=urn:s|1")
	n.Must(412, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.Verified()
}

func TestEntriesOfABatchStandAlone(t *testing.T) {
	n := functionstest.NewNode(t)
	got := n.Must(200, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "PUT", "Patient/a", functionstest.Patient("a", "1")),
		functionstest.EntryOf("", "PUT", "Patient/b", functionstest.Patient("c", "1")),
		functionstest.EntryOf("", "POST", "Observation",
			functionstest.Observation(`,"subject":{"reference":"Patient/none"}`)),
		`{"request":{"method":"FETCH","url":"Patient"}}`,
		functionstest.EntryOf("", "DELETE", "Patient/none", ""),
		functionstest.EntryOf("", "PUT", "Patient/d", functionstest.Patient("d", "1"), `"ifMatch":"W/\"1\""`),
	), "Prefer: return=representation")
	for i, want := range []string{"201", "400", "409", "400", "204", "412"} {
		if status := got.At(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s: %s", i, status, want, got.At(t, "entry", i))
		}
	}
	if id := got.At(t, "entry", 0, "resource", "id"); id != "a" {
		t.Errorf("the representation's id: got %q", id)
	}
	if place := got.At(t, "entry", 1, "response", "outcome", "issue", 0, "expression",
		0); place != "Bundle.entry[1].resource.id" {
		t.Errorf("the place: got %q", place)
	}
	if got.Header.Get("Binnacle-Position") == "" {
		t.Error("no position")
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

// The entries of a batch are made many at once, but those of one resource in the order that bundles have.
func TestEntriesOfABatchOnOneResourceKeepTheirOrder(t *testing.T) {
	n := functionstest.NewNode(t)
	for round := range 20 {
		id := fmt.Sprint("p", round)
		got := n.Must(200, "POST", "", functionstest.BundleOf("batch",
			functionstest.EntryOf("", "PUT", "Patient/"+id,
				functionstest.Patient(id, "first")), functionstest.EntryOf("", "PUT", "Patient/"+id,
				functionstest.Patient(id, "second")),
			functionstest.EntryOf("", "PUT", "Patient/"+id,
				functionstest.Patient(id, "last")), functionstest.EntryOf("", "DELETE", "Patient/"+id, "")))
		for i, want := range []string{"201", "200", "200", "204"} {
			if status := got.At(t, "entry", i, "response", "status"); status != want {
				t.Fatalf("round %d, entry %d: got %s, want %s", round, i, status, want)
			}
		}
		if place := got.At(t, "entry", 2, "response", "etag"); place != `W/"3"` {
			t.Errorf("round %d: the last update made %s, want version 3", round, place)
		}
	}
}

func TestAnEmptyPreconditionIsRefused(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	for _, header := range []string{"If-Match: \t", "If-None-Match: ,"} {
		n.Must(400, "PUT", "/Patient/p", functionstest.Patient("p", "2"), header)
	}
	n.Must(400, "DELETE", "/Patient/p", "", "If-Match: \t")
	for _, member := range []string{"ifMatch", "ifNoneMatch"} {
		n.Must(400, "POST", "", functionstest.BundleOf("transaction",
			functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "2"), `"`+member+`":""`)))
	}
	n.Must(400, "POST", "", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "POST", "Patient", functionstest.Patient("", "2"), `"ifNoneExist":""`)))
	got := n.Must(200, "POST", "", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "2"), `"ifMatch":""`)))
	if status := got.At(t, "entry", 0, "response", "status"); status != "400" {
		t.Errorf("an entry of a batch: got %s, want 400", status)
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

func TestReadingEntriesComeAfterTheWritesWithTheirPosition(t *testing.T) {
	var asked []string
	n := functionstest.NewNode(t, func(n *functionstest.Node) {
		n.Reads = func(_ context.Context, e rest.Entry) (int, string, time.Time, []byte) {
			if strings.HasSuffix(e.Path, "gone") {
				return http.StatusGone, `W/"5"`, time.Time{}, []byte(`{"resourceType":"OperationOutcome"}`)
			}
			asked = append(asked,
				e.Method+" "+e.Root+e.Path+"?"+e.Query+" "+e.Reach.String()+" "+e.Copy.Tags[0]+" handling="+e.Prefer.Handling)
			return http.StatusOK, `W/"5"`, time.Time{}, []byte(functionstest.Patient("p", "1"))
		}
	})
	got := n.Must(200, "POST", "/", functionstest.BundleOf("transaction",
		functionstest.EntryOf("", "GET", "Patient/p?_summary=true", "", `"ifNoneMatch":"W/\"1\""`),
		functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "1")),
	), "Prefer: handling=lenient")
	if want := "GET " + functionstest.Base + `/Patient/p?_summary=true 0:0 W/"1" handling=lenient`; len(asked) != 1 ||
		asked[0] != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if id := got.At(t, "entry", 0, "resource", "id"); id != "p" {
		t.Errorf("the entry read: %s", got.At(t, "entry", 0))
	}
	for url, status := range map[string]int{"Patient/p?wrong": 400, "Patient?name=p": 405, "Nope/1": 404,
		"Patient/$x": 404, "Patient/%zz": 400} {
		for _, header := range []string{"Prefer: handling=lenient", "Binnacle-Acknowledge: log"} {
			got := n.Must(status, "POST", "/", functionstest.BundleOf("transaction",
				functionstest.EntryOf("", "PUT", "Patient/p", functionstest.Patient("p", "2")),
				functionstest.EntryOf("", "GET", url, "")), header)
			if place := got.At(t, "issue", 0, "expression", 0); place != "Bundle.entry[1].request.url" {
				t.Errorf("%s is refused at %s", url, place)
			}
		}
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want none of the transactions that were refused", report.Versions)
	}
	got = n.Must(200, "POST", "/", functionstest.BundleOf("batch",
		functionstest.EntryOf("", "GET", functionstest.Base+"/Patient/gone", "")))
	if got.At(t, "entry", 0, "response", "status") != "410" ||
		got.At(t, "entry", 0, "response", "outcome", "resourceType") != "OperationOutcome" {
		t.Errorf("the entry read: %s", got.At(t, "entry", 0))
	}
}

func TestAnEmptyBundleIsAnsweredWithAnEmptyBundle(t *testing.T) {
	n := functionstest.NewNode(t)
	for _, kind := range []string{"batch", "transaction"} {
		got := n.Must(200, "POST", "", fmt.Sprintf(`{"resourceType":"Bundle","type":%q}`, kind))
		if got.At(t, "type") != kind+"-response" || got.At(t, "entry") != "" {
			t.Errorf("%s: got %s", kind, got.Body)
		}
	}
}
