package e2e

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"binnacle/infra"
	"binnacle/infra/terminal"
)

// variants that run as processes of their own; the memory variant is walked inside infra's tests, where its parts can
// be reached.
var variants = []string{"standalone", "replica", "distributed"}

// addresses are those that a variant needs.
func addresses(t *testing.T, variant string) []string {
	if variant == "standalone" {
		return nil
	}
	return needs(t)
}

// walk writes, reads, searches, updates and deletes, and returns the paths whose answers must survive a rebuild.
func walk(t *testing.T, n *node) []string {
	t.Helper()
	created := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient", "identifier":[{"system":"urn:x","value":"1"}],
		"name":[{"family":"Müller","given":["Zoë"]}], "birthDate":"1980-02-29", "extension":[{"url":"urn:e","valueDecimal":255.0}]}`)
	id := created.id(t)
	if created.header.Get("ETag") != `W/"1"` || created.header.Get("Binnacle-Position") == "" {
		t.Errorf("create: ETag %q, Binnacle-Position %q", created.header.Get("ETag"), created.header.Get("Binnacle-Position"))
	}
	read := n.do(http.StatusOK, "GET", "/Patient/"+id, "")
	if !strings.Contains(string(read.body), "255.0") {
		t.Errorf("the number 255.0 did not come back as it was: %s", read.body)
	}
	for query, want := range map[string][]string{
		"Patient?family=mull": {id}, "Patient?family:exact=Müller": {id}, "Patient?family:exact=müller": nil, "Patient?family:contains=LLE": {id},
		"Patient?birthdate=1980-02-29": {id}, "Patient?birthdate=lt1980": nil, "Patient?identifier=urn:x|1": {id}, "Patient?identifier=1": {id},
		"Patient?_id=" + id: {id}, "Patient?death-date:missing=true": {id}, "Patient?birthdate:missing=true": nil, "Patient?gender:not=male": {id},
	} {
		if got := n.found(query); !slices.Equal(got, want) {
			t.Errorf("%s found %v, want %v", query, got, want)
		}
	}
	n.do(http.StatusOK, "PUT", "/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":"Maier"}]}`, id), "If-Match", `W/"1"`)
	n.do(http.StatusPreconditionFailed, "PUT", "/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q}`, id), "If-Match", `W/"1"`)
	if got := n.found("Patient?family=mull"); len(got) != 0 {
		t.Errorf("the name before the update is still found: %v", got)
	}
	if got := n.found("Patient?family=maier"); !slices.Equal(got, []string{id}) {
		t.Errorf("the name after the update found %v", got)
	}
	transaction := n.do(http.StatusOK, "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Organization","name":"One","identifier":[{"system":"urn:o","value":"1"}]},"request":{"method":"POST","url":"Organization","ifNoneExist":"identifier=urn:o|1"}},
		{"fullUrl":"urn:uuid:22222222-2222-4222-8222-222222222222","resource":{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}},"request":{"method":"POST","url":"Patient"}},
		{"resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:c","code":"a"}]},"subject":{"reference":"urn:uuid:22222222-2222-4222-8222-222222222222"},"effectiveDateTime":"2024-05-01","valueQuantity":{"value":5.40,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}},"request":{"method":"POST","url":"Observation"}}]}`)
	var places []string
	for _, e := range bundleOf(t, transaction.body).Entry {
		if e.Response.Status[:3] != "201" {
			t.Errorf("transaction entry: status %s", e.Response.Status)
		}
		places = append(places, placeOf(t, e.Response.Location))
	}
	if got := n.found("Observation?subject=" + places[1] + "&code=urn:c|a&value-quantity=5.4|http://unitsofmeasure.org|mg&date=2024-05&_sort=-date"); len(got) != 1 {
		t.Errorf("the observation of the transaction was found %d times", len(got))
	}
	if got := n.found("Patient?organization=" + places[0]); len(got) != 1 {
		t.Errorf("the patient of the organization was found %d times", len(got))
	}
	patient, observation := strings.TrimPrefix(places[1], "Patient/"), strings.TrimPrefix(places[2], "Observation/")
	for query, want := range map[string][]string{
		"Observation?subject.organization.name=one": {observation}, "Observation?patient.organization.name=two": nil, "Patient?_has:Observation:patient:code=a": {patient},
		"Observation?code-value-quantity=urn:c|a$gt5": {observation}, "Observation?code-value-quantity=urn:c|a$gt6": nil, places[1] + "/Observation?code=a": {observation}, places[1] + "/*": {observation, patient},
		"?_type=Patient,Observation&_has:Provenance:target:agent=x": nil,
	} {
		if got := n.found(query); !slices.Equal(got, want) {
			t.Errorf("%s found %v, want %v", query, got, want)
		}
	}
	request := n.do(http.StatusCreated, "POST", "/MedicationRequest", `{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"`+places[1]+`"},"medicationReference":{"reference":"#m"},
		"contained":[{"resourceType":"Medication","id":"m","ingredient":[{"itemCodeableConcept":{"coding":[{"system":"urn:c","code":"abc"}]}}],"manufacturer":{"reference":"`+places[0]+`"}}]}`).id(t)
	for query, want := range map[string][]string{
		"MedicationRequest?medication.ingredient-code=abc": {request}, "MedicationRequest?medication:Medication.manufacturer.name=one&subject.organization.name=one": {request},
		"MedicationRequest?medication.ingredient-code:not=abc": nil, places[1] + "/MedicationRequest?medication.ingredient-code=urn:c|abc": {request}, "Medication?ingredient-code=abc": nil,
	} {
		if got := n.found(query); !slices.Equal(got, want) {
			t.Errorf("%s found %v, want %v", query, got, want)
		}
	}
	if included := n.do(http.StatusOK, "GET", "/Observation?code=a&_include=Observation:subject&_include:iterate=Patient:organization&_summary=true", ""); len(bundleOf(t, included.body).Entry) != 3 {
		t.Errorf("the observation did not bring its patient and their organization: %s", included.body)
	}
	again := n.do(http.StatusOK, "POST", "/Organization", `{"resourceType":"Organization","identifier":[{"system":"urn:o","value":"1"}]}`, "If-None-Exist", "identifier=urn:o|1")
	if !strings.Contains(string(again.body), strings.TrimPrefix(places[0], "Organization/")) {
		t.Errorf("the conditional create did not answer with the match: %s", again.body)
	}
	gone := n.do(http.StatusCreated, "POST", "/Basic", `{"resourceType":"Basic","code":{"text":"x"}}`).id(t)
	n.do(http.StatusNoContent, "DELETE", "/Basic/"+gone, "")
	n.do(http.StatusGone, "GET", "/Basic/"+gone, "")
	n.do(http.StatusConflict, "POST", "/Observation", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/nobody"}}`)
	n.do(http.StatusOK, "PATCH", "/"+places[0], `[{"op":"add","path":"/active","value":true}]`, "Content-Type", "application/json-patch+json")
	if history := n.do(http.StatusOK, "GET", "/Organization/_history", "").body; !strings.Contains(string(history), `"PATCH"`) {
		t.Errorf("the history does not tell of the patch: %s", history)
	}
	return []string{"/Patient/" + id, "/Patient/" + id + "/_history/1", "/Patient/" + id + "/_history", "/Basic/" + gone + "/_history", "/Organization/_history?_summary=true", "/_history?_type=Organization,Basic,Observation,MedicationRequest&_sort=_lastUpdated",
		"/" + places[0], "/" + places[1], "/" + places[2], "/Patient?_sort=family", "/Observation?code=a", "/Patient?_sort=-_lastUpdated", "/Organization?name=on",
		"/Observation?subject.organization.name=one&_include=*", "/" + places[1] + "/*", "/MedicationRequest?medication.ingredient-code=abc", "?_type=Organization,Observation", "/Observation?_asOf=" + transaction.header.Get("Binnacle-Position") + "&_summary=count"}
}

// placeOf is Type/id of a location.
func placeOf(t *testing.T, location string) string {
	t.Helper()
	m := regexp.MustCompile(`([A-Z][A-Za-z]+/[A-Za-z0-9.-]+)/_history/\d+$`).FindStringSubmatch(location)
	if m == nil {
		t.Fatalf("%q is not the location of a version", location)
	}
	return m[1]
}

// answers reads paths; what differs between two reads by right (the time of the answer, the host) is taken out.
func answers(n *node, paths []string) map[string]string {
	n.t.Helper()
	volatile := regexp.MustCompile(`"lastUpdated":"[^"]*"\},"type"|"id":"[^"]*","type"`)
	got := map[string]string{}
	for _, path := range paths {
		r, err := n.try("GET", path, "")
		if err != nil {
			n.t.Fatal(err)
		}
		text := strings.ReplaceAll(string(r.body), n.root, "")
		got[path] = fmt.Sprint(r.status, " ", r.header.Get("ETag"), " ", volatile.ReplaceAllString(text, ""))
	}
	return got
}

func TestTheWalkGivesTheSameAnswersAfterARestartAndARebuild(t *testing.T) {
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
			i := newInstallation(t, watched, variant, addresses(t, variant))
			n := i.start()
			paths := walk(t, n)
			before := answers(n, paths)

			i.run("verify")
			i.run("rebuild")
			n.awaitReady(bound)
			compareAnswers(t, "after the rebuild", before, answers(n, paths))
			n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient","active":true}`)
			i.run("verify")

			n.stop()
			n = i.start()
			paths = slices.DeleteFunc(paths, func(p string) bool { return strings.HasPrefix(p, "/Patient?") })
			compareAnswers(t, "after a restart", before, answers(n, paths))
		})
	}
}

func TestTheWalkGivesTheSameAnswersAfterARebuildInMemory(t *testing.T) {
	server, err := infra.Embed(t.Context(), slog.New(slog.DiscardHandler), "--variant", "memory")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	defer web.Close()
	n := &node{t: t, root: web.URL, base: web.URL + "/fhir", output: &terminal.Tail{}, ended: make(chan struct{})}
	n.awaitReady(bound)
	before := answers(n, walk(t, n))
	if err := server.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	compareAnswers(t, "after the rebuild", before, answers(n, slices.Collect(maps.Keys(before))))
	if err := server.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

func compareAnswers(t *testing.T, when string, before, after map[string]string) {
	t.Helper()
	for path := range after {
		if !reflect.DeepEqual(before[path], after[path]) {
			t.Errorf("%s GET %s answers\n%s\nbefore it was\n%s", when, path, after[path], before[path])
		}
	}
}

func TestPagesAreStableWhileOthersWrite(t *testing.T) {
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
			n := newInstallation(t, watched, variant, addresses(t, variant)).start()
			var want []string
			for k := range 25 {
				r := n.do(http.StatusCreated, "POST", "/Patient", fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"N%02d"}]}`, k))
				want = append(want, r.id(t))
			}
			var got []string
			link := n.base + "/Patient?_count=7&_sort=family"
			for page := 0; link != ""; page++ {
				r, err := send(link, "GET", "")
				if err != nil || r.status != http.StatusOK {
					t.Fatalf("page %d: %d %v %s", page, r.status, err, r.body)
				}
				b := bundleOf(t, r.body)
				for _, e := range b.Entry {
					got = append(got, e.Resource.ID)
				}
				link = b.next()
				n.do(http.StatusCreated, "POST", "/Patient", fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":"N%02da"}]}`, page*7))
				victim := want[20+page]
				n.do(http.StatusOK, "PUT", "/Patient/"+victim, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":"A"}]}`, victim))
			}
			if !slices.Equal(got, want) {
				t.Errorf("the pages hold\n%v\nwant\n%v", got, want)
			}
		})
	}
}
