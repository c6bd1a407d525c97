package functions_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
)

// entryOf writes one entry of a bundle; parts that are empty are left out.
func entryOf(fullURL, method, url, resource string, more ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	if fullURL != "" {
		fmt.Fprintf(&b, `"fullUrl":%q,`, fullURL)
	}
	if resource != "" {
		fmt.Fprintf(&b, `"resource":%s,`, resource)
	}
	fmt.Fprintf(&b, `"request":{"method":%q,"url":%q`, method, url)
	for _, m := range more {
		b.WriteByte(',')
		b.WriteString(m)
	}
	b.WriteString("}}")
	return b.String()
}

func bundleOf(kind string, entries ...string) string {
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ","))
}

func observation(more string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"x"}` + more + `}`
}

// stored reads the content of the current version of a resource as the blob store has it.
func (n *node) stored(name string) string {
	n.t.Helper()
	kind, id, _ := strings.Cut(name, "/")
	n.index.mu.Lock()
	defer n.index.mu.Unlock()
	for key, place := range n.index.current {
		if key.Type == kind && key.ID == id && !n.index.rows[place].Deleted {
			contents, err := n.blobs.Get(n.t.Context(), []events.Hash{n.index.rows[place].Hash})
			if err != nil {
				n.t.Fatal(err)
			}
			return string(contents[0])
		}
	}
	return ""
}

// nameOf makes "Type/id" of a location.
func nameOf(location string) string {
	rest := strings.TrimPrefix(location, base+"/")
	name, _, _ := strings.Cut(rest, "/_history/")
	return name
}

func TestATransactionResolvesWhatItNames(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Practitioner/house", `{"resourceType":"Practitioner","id":"house","identifier":[{"system":"urn:npi","value":"7"}]}`)
	n.must(201, "PUT", "/Patient/old", patient("old", "old"))
	got := n.must(200, "POST", "", bundleOf("transaction",
		entryOf("urn:uuid:1", "POST", "Observation", observation(`,
			"subject":{"reference":"urn:uuid:2"},
			"performer":[{"reference":"Practitioner?identifier=urn:npi|7"},{"reference":"urn:uuid:3"},{"reference":"http:\/\/server.example\/fhir\/Practitioner\/house"},{"reference":"http://elsewhere.example/fhir/Practitioner/1"}],
			"extension":[{"url":"http://x","valueUri":"urn:uuid:2"},{"url":"http://y","valueString":"urn:uuid:2"},{"url":"http://z","valueUri":"urn:uuid:999"}],
			"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:2\">him</a><a href='urn:uuid:3'>her</a></div>"},
			"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:2"}]`)),
		entryOf("urn:uuid:2", "POST", "Patient", patient("", "new")),
		entryOf("urn:uuid:3", "POST", "Practitioner", `{"resourceType":"Practitioner","identifier":[{"system":"urn:npi","value":"7"}]}`, `"ifNoneExist":"identifier=urn:npi|7"`),
		entryOf("http://other.example/Patient/old", "PUT", "Patient/old", patient("old", "changed")),
		entryOf("http://other.example/Observation/5", "POST", "Observation", observation(`,"subject":{"reference":"Patient/old"},"derivedFrom":[{"reference":"urn:uuid:1"}]`)),
		entryOf("", "DELETE", "Patient/never", ""),
	))
	if kind := got.at(t, "type"); kind != "transaction-response" {
		t.Errorf("type: got %s", kind)
	}
	for i, want := range []string{"201", "201", "200", "200", "201", "204"} {
		if status := got.at(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s", i, status, want)
		}
	}
	patientName := nameOf(got.at(t, "entry", 1, "response", "location"))
	if name := nameOf(got.at(t, "entry", 2, "response", "location")); name != "Practitioner/house" {
		t.Errorf("the conditional create matched %s", name)
	}
	first := n.stored(nameOf(got.at(t, "entry", 0, "response", "location")))
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
	second := n.stored(nameOf(got.at(t, "entry", 4, "response", "location")))
	if want := `"derivedFrom":[{"reference":"` + nameOf(got.at(t, "entry", 0, "response", "location")) + `"}]`; !strings.Contains(second, want) || !strings.Contains(second, `"Patient/old"`) {
		t.Errorf("the second Observation: %s", second)
	}
	n.verified()
}

func TestATransactionRelatesRelativeReferencesToItsOwnFullURLs(t *testing.T) {
	n := newNode(t)
	got := n.must(200, "POST", "", bundleOf("transaction",
		entryOf("http://a.example/r4/Patient/1", "POST", "Patient", patient("1", "1")),
		entryOf("http://a.example/r4/Observation/1", "POST", "Observation", observation(`,"subject":{"reference":"Patient/1"}`)),
	))
	want := `"subject":{"reference":"` + nameOf(got.at(t, "entry", 0, "response", "location")) + `"}`
	if stored := n.stored(nameOf(got.at(t, "entry", 1, "response", "location"))); !strings.Contains(stored, want) {
		t.Errorf("got %s, want %s in it", stored, want)
	}
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(201, "PUT", "/Patient/q", patient("q", "twin"))
	n.must(201, "PUT", "/Patient/r", patient("r", "twin"))
	fine := entryOf("", "POST", "Patient", patient("", "fine"))
	cases := []struct {
		name, entry string
		status      int
		says, place string
	}{
		{"a stale ifMatch", entryOf("", "PUT", "Patient/p", patient("p", "2"), `"ifMatch":"W/\"9\""`), 412, "version 1", "Bundle.entry[1]"},
		{"a dangling reference", entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient/none"}`)), 409, "Patient/none", "Bundle.entry[1]"},
		{"a urn that leads nowhere", entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"urn:uuid:none"}`)), 400, "urn:uuid:none", "Bundle.entry[1].resource.subject.reference"},
		{"a conditional reference without match", entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient?identifier=urn:s|none"}`)), 412, "no resource", "Bundle.entry[1]"},
		{"a conditional reference with two matches", entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient?identifier=urn:s|twin"}`)), 412, "several", "Bundle.entry[1]"},
		{"a conditional reference with an unknown parameter", entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient?color=red"}`)), 400, "color", "Bundle.entry[1].resource.subject.reference"},
		{"a conditional create with two matches", entryOf("", "POST", "Patient", patient("", "x"), `"ifNoneExist":"identifier=urn:s|twin"`), 412, "several", "Bundle.entry[1]"},
		{"a conditional update with two matches", entryOf("", "PUT", "Patient?identifier=urn:s|twin", patient("", "x")), 412, "several", "Bundle.entry[1]"},
		{"a conditional delete with two matches", entryOf("", "DELETE", "Patient?identifier=urn:s|twin", ""), 412, "several", "Bundle.entry[1]"},
		{"a conditional update with another id", entryOf("", "PUT", "Patient?identifier=urn:s|1", patient("z", "x")), 400, "Patient/p", "Bundle.entry[1]"},
		{"a resource twice", entryOf("", "PUT", "Patient/p", patient("p", "2")) + "," + entryOf("", "DELETE", "Patient/p", ""), 400, "once", "Bundle.entry["},
		{"a resource twice by a condition", entryOf("", "PUT", "Patient/p", patient("p", "1")) + "," + entryOf("", "PUT", "Patient?identifier=urn:s|1", patient("", "2")), 400, "once", "Bundle.entry[2]"},
		{"a fullUrl twice", entryOf("urn:uuid:1", "POST", "Patient", patient("", "x")) + "," + entryOf("urn:uuid:1", "POST", "Patient", patient("", "y")), 400, "fullUrl", "Bundle.entry[2]"},
		{"the wrong type", entryOf("", "POST", "Group", patient("", "x")), 400, "Patient", "Bundle.entry[1].resource"},
		{"the wrong JSON kind", entryOf("", "POST", "Patient", `{"resourceType":"Patient","birthDate":{}}`), 400, "", "Bundle.entry[1].resource.birthDate"},
		{"no resource", entryOf("", "POST", "Patient", ""), 400, "resource", "Bundle.entry[1]"},
		{"no request", `{"resource":` + patient("", "x") + `}`, 400, "request", "Bundle.entry[1]"},
		{"an unknown method", entryOf("", "STEAL", "Patient/p", ""), 400, "method", "Bundle.entry[1].request.method"},
		{"a PATCH", entryOf("", "PATCH", "Patient/p", patient("p", "x")), 405, "PATCH", "Bundle.entry[1].request.method"},
		{"an operation", entryOf("", "POST", "Patient/p/$merge", patient("p", "x")), 404, "$merge", "Bundle.entry[1].request.url"},
		{"an unknown type", entryOf("", "POST", "Human", `{"resourceType":"Human"}`), 404, "Human", "Bundle.entry[1].request.url"},
		{"a delete of what another entry refers to", entryOf("", "DELETE", "Patient/p", "") + "," + entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient/p"}`)), 409, "Patient/p", "Bundle.entry[2]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := n.must(c.status, "POST", "", bundleOf("transaction", fine, c.entry))
			if text := got.at(t, "issue", 0, "diagnostics"); !strings.Contains(text, c.says) {
				t.Errorf("diagnostics %q don't tell of %q", text, c.says)
			}
			if place := got.at(t, "issue", 0, "expression", 0); !strings.HasPrefix(place, c.place) {
				t.Errorf("expression: got %q, want %q", place, c.place)
			}
			if code := got.at(t, "issue", 0, "code"); (code == "multiple-matches") != (c.says == "several") {
				t.Errorf("the code is %q; several matches, and nothing else, are multiple-matches", code)
			}
		})
	}
	if report := n.verified(); report.Versions != 3 {
		t.Errorf("got %d versions, want the three from before", report.Versions)
	}
}

func TestConditionsSeeEarlierEntriesOfTheSameTransaction(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/old", patient("old", "a"))
	got := n.must(200, "POST", "", bundleOf("transaction",
		entryOf("urn:uuid:1", "POST", "Patient", patient("", "b"), `"ifNoneExist":"identifier=urn:s|b"`),
		entryOf("urn:uuid:2", "POST", "Patient", patient("", "b"), `"ifNoneExist":"identifier=urn:s|b"`),
		entryOf("urn:uuid:3", "POST", "Patient", patient("", "a"), `"ifNoneExist":"identifier=urn:s|a"`),
		entryOf("", "DELETE", "Patient/old", ""),
		entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"urn:uuid:2"},"focus":[{"reference":"Patient?identifier=urn:s|b"},{"reference":"urn:uuid:3"}]`)),
	))
	for i, want := range []string{"201", "200", "201", "204", "201"} {
		if status := got.at(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s", i, status, want)
		}
	}
	first, second := nameOf(got.at(t, "entry", 0, "response", "location")), nameOf(got.at(t, "entry", 1, "response", "location"))
	if first != second {
		t.Errorf("the same condition gave %s and %s", first, second)
	}
	stored := n.stored(nameOf(got.at(t, "entry", 4, "response", "location")))
	third := nameOf(got.at(t, "entry", 2, "response", "location"))
	if want := `"subject":{"reference":"` + first + `"},"focus":[{"reference":"` + first + `"},{"reference":"` + third + `"}]`; !strings.Contains(stored, want) {
		t.Errorf("got %s, want %s in it", stored, want)
	}
	if etag := got.at(t, "entry", 0, "response", "etag"); etag != `W/"1"` {
		t.Errorf("etag: got %s", etag)
	}
	n.verified()
}

func TestWhatIsReferredToStays(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(201, "PUT", "/Patient/self", `{"resourceType":"Patient","id":"self","link":[{"other":{"reference":"Patient/self"},"type":"refer"}]}`)
	n.must(201, "PUT", "/Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	got := n.must(409, "DELETE", "/Patient/p", "")
	if text := got.at(t, "issue", 0, "diagnostics"); !strings.Contains(text, "Observation?") {
		t.Errorf("the text doesn't tell what refers to it: %s", text)
	}
	n.must(409, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.must(204, "DELETE", "/Patient/self", "")
	n.must(200, "POST", "", bundleOf("transaction", entryOf("", "DELETE", "Patient/p", ""), entryOf("", "DELETE", "Observation/o", "")))
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(201, "PUT", "/Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.must(200, "POST", "", bundleOf("transaction", entryOf("", "DELETE", "Patient/p", ""),
		entryOf("", "PUT", "Observation/o", `{"resourceType":"Observation","id":"o","status":"final","code":{}}`)))
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	n.must(201, "PUT", "/Observation/q", `{"resourceType":"Observation","id":"q","status":"final","code":{},"subject":{"reference":"Patient/p"}}`)
	n.must(204, "DELETE", "/Patient/p", "", "Binnacle-Allow-Dangling: true")
	for id, reference := range map[string]string{"part": "Patient/part#a", "version": "Patient/version/_history/1", "own": base + "/Patient/own#a"} {
		n.must(201, "PUT", "/Patient/"+id, patient(id, id))
		n.must(201, "PUT", "/Basic/"+id, `{"resourceType":"Basic","id":"`+id+`","code":{},"subject":{"reference":"`+reference+`"}}`)
		n.must(409, "DELETE", "/Patient/"+id, "")
	}
	n.verified()
}

func TestConditionalUpdateAndDelete(t *testing.T) {
	n := newNode(t)
	created := n.must(201, "PUT", "/Patient?identifier=urn:s|1", patient("", "1"))
	id := created.at(t, "id")
	if got := n.must(200, "PUT", "/Patient?identifier=urn:s|1&_format=json", patient("", "1")+" ").at(t, "id"); got != id {
		t.Errorf("the update went to %s, want %s", got, id)
	}
	if got := n.must(201, "PUT", "/Patient?identifier=urn:s|2", patient("named", "2")).at(t, "id"); got != "named" {
		t.Errorf("created under %s, want the client's id", got)
	}
	n.must(409, "PUT", "/Patient?identifier=urn:s|3", patient("named", "3"))
	n.must(400, "PUT", "/Patient?identifier=urn:s|1", patient("named", "1"))
	n.must(200, "POST", "/Patient", patient("", "1"), "If-None-Exist: identifier=urn:s|1")
	n.must(204, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.must(204, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.must(201, "POST", "/Patient", patient("", "1"), "If-None-Exist: Patient?identifier=urn:s|1")
	n.must(201, "POST", "/Patient", patient("", "1"))
	n.must(412, "POST", "/Patient", patient("", "1"), "If-None-Exist: identifier=urn:s|1")
	n.must(412, "DELETE", "/Patient?identifier=urn:s|1", "")
	n.verified()
}

func TestEntriesOfABatchStandAlone(t *testing.T) {
	n := newNode(t)
	got := n.must(200, "POST", "", bundleOf("batch",
		entryOf("", "PUT", "Patient/a", patient("a", "1")),
		entryOf("", "PUT", "Patient/b", patient("c", "1")),
		entryOf("", "POST", "Observation", observation(`,"subject":{"reference":"Patient/none"}`)),
		`{"request":{"method":"FETCH","url":"Patient"}}`,
		entryOf("", "DELETE", "Patient/none", ""),
		entryOf("", "PUT", "Patient/d", patient("d", "1"), `"ifMatch":"W/\"1\""`),
	), "Prefer: return=representation")
	for i, want := range []string{"201", "400", "409", "400", "204", "412"} {
		if status := got.at(t, "entry", i, "response", "status"); status != want {
			t.Errorf("entry %d: got %s, want %s: %s", i, status, want, got.at(t, "entry", i))
		}
	}
	if id := got.at(t, "entry", 0, "resource", "id"); id != "a" {
		t.Errorf("the representation's id: got %q", id)
	}
	if place := got.at(t, "entry", 1, "response", "outcome", "issue", 0, "expression", 0); place != "Bundle.entry[1].resource.id" {
		t.Errorf("the place: got %q", place)
	}
	if got.header.Get("Binnacle-Position") == "" {
		t.Error("no position")
	}
	if report := n.verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

// The entries of a batch are made many at once, but those of one resource in the order that bundles have.
func TestEntriesOfABatchOnOneResourceKeepTheirOrder(t *testing.T) {
	n := newNode(t)
	for round := range 20 {
		id := fmt.Sprint("p", round)
		got := n.must(200, "POST", "", bundleOf("batch",
			entryOf("", "PUT", "Patient/"+id, patient(id, "first")), entryOf("", "PUT", "Patient/"+id, patient(id, "second")),
			entryOf("", "PUT", "Patient/"+id, patient(id, "last")), entryOf("", "DELETE", "Patient/"+id, "")))
		for i, want := range []string{"201", "200", "200", "204"} {
			if status := got.at(t, "entry", i, "response", "status"); status != want {
				t.Fatalf("round %d, entry %d: got %s, want %s", round, i, status, want)
			}
		}
		if place := got.at(t, "entry", 2, "response", "etag"); place != `W/"3"` {
			t.Errorf("round %d: the last update made %s, want version 3", round, place)
		}
	}
}

func TestAnEmptyPreconditionIsRefused(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "1"))
	for _, header := range []string{"If-Match: \t", "If-None-Match: ,"} {
		n.must(400, "PUT", "/Patient/p", patient("p", "2"), header)
	}
	n.must(400, "DELETE", "/Patient/p", "", "If-Match: \t")
	for _, member := range []string{"ifMatch", "ifNoneMatch"} {
		n.must(400, "POST", "", bundleOf("transaction", entryOf("", "PUT", "Patient/p", patient("p", "2"), `"`+member+`":""`)))
	}
	n.must(400, "POST", "", bundleOf("transaction", entryOf("", "POST", "Patient", patient("", "2"), `"ifNoneExist":""`)))
	got := n.must(200, "POST", "", bundleOf("batch", entryOf("", "PUT", "Patient/p", patient("p", "2"), `"ifMatch":""`)))
	if status := got.at(t, "entry", 0, "response", "status"); status != "400" {
		t.Errorf("an entry of a batch: got %s, want 400", status)
	}
	if report := n.verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

func TestReadingEntriesComeAfterTheWritesWithTheirPosition(t *testing.T) {
	var asked []string
	n := newNode(t, func(n *node) {
		n.reads = func(_ context.Context, e rest.Entry) (int, string, time.Time, []byte) {
			if strings.HasSuffix(e.Path, "gone") {
				return http.StatusGone, `W/"5"`, time.Time{}, []byte(`{"resourceType":"OperationOutcome"}`)
			}
			asked = append(asked, e.Method+" "+e.Root+e.Path+"?"+e.Query+" "+e.Reach.String()+" "+e.Copy.Tags[0]+" handling="+e.Prefer.Handling)
			return http.StatusOK, `W/"5"`, time.Time{}, []byte(patient("p", "1"))
		}
	})
	got := n.must(200, "POST", "/", bundleOf("transaction",
		entryOf("", "GET", "Patient/p?_summary=true", "", `"ifNoneMatch":"W/\"1\""`),
		entryOf("", "PUT", "Patient/p", patient("p", "1")),
	), "Prefer: handling=lenient")
	if want := "GET " + base + `/Patient/p?_summary=true 0:0 W/"1" handling=lenient`; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if id := got.at(t, "entry", 0, "resource", "id"); id != "p" {
		t.Errorf("the entry read: %s", got.at(t, "entry", 0))
	}
	for url, status := range map[string]int{"Patient/p?wrong": 400, "Patient?name=p": 405, "Nope/1": 404, "Patient/$x": 404, "Patient/%zz": 400} {
		for _, prefer := range []string{"handling=lenient", "respond-async"} {
			got := n.must(status, "POST", "/", bundleOf("transaction", entryOf("", "PUT", "Patient/p", patient("p", "2")), entryOf("", "GET", url, "")), "Prefer: "+prefer)
			if place := got.at(t, "issue", 0, "expression", 0); place != "Bundle.entry[1].request.url" {
				t.Errorf("%s is refused at %s", url, place)
			}
		}
	}
	if report := n.verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want none of the transactions that were refused", report.Versions)
	}
	got = n.must(200, "POST", "/", bundleOf("batch", entryOf("", "GET", base+"/Patient/gone", "")))
	if got.at(t, "entry", 0, "response", "status") != "410" || got.at(t, "entry", 0, "response", "outcome", "resourceType") != "OperationOutcome" {
		t.Errorf("the entry read: %s", got.at(t, "entry", 0))
	}
}

func TestAnEmptyBundleIsAnsweredWithAnEmptyBundle(t *testing.T) {
	n := newNode(t)
	for _, kind := range []string{"batch", "transaction"} {
		got := n.must(200, "POST", "", fmt.Sprintf(`{"resourceType":"Bundle","type":%q}`, kind))
		if got.at(t, "type") != kind+"-response" || got.at(t, "entry") != "" {
			t.Errorf("%s: got %s", kind, got.body)
		}
	}
}

func TestWhoRefersToWhatIsDeletedIsAskedOnceForAChunk(t *testing.T) {
	n := newNode(t)
	var patients, observations, both []string
	for i := range 20 {
		id := fmt.Sprint(i)
		n.must(201, "PUT", "/Patient/"+id, patient(id, id))
		n.must(201, "PUT", "/Observation/"+id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{},"subject":{"reference":"Patient/`+id+`"}}`)
		patients = append(patients, entryOf("", "DELETE", "Patient/"+id, ""))
		observations = append(observations, entryOf("", "DELETE", "Observation/"+id, ""))
	}
	both = append(slices.Clone(patients), observations...)
	var mu sync.Mutex
	asked := map[string]int{}
	n.index.failing(func(method string) error {
		mu.Lock()
		defer mu.Unlock()
		asked[method]++
		return nil
	})
	if text := n.must(409, "POST", "", bundleOf("transaction", strings.Join(patients, ","))).at(t, "issue", 0, "diagnostics"); !strings.Contains(text, "Observation?patient=Patient/0") {
		t.Errorf("the text doesn't tell what refers to it first: %s", text)
	}
	n.must(200, "POST", "", bundleOf("transaction", strings.Join(both, ",")))
	n.caughtUp()
	mu.Lock()
	defer mu.Unlock()
	if asked["Referrers"] != 2 {
		t.Errorf("the index was asked %d times who refers to what two transactions delete", asked["Referrers"])
	}
}
