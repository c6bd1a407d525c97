package door_test

import (
	"net/http"
	"strings"
	"testing"

	"binnacle/functions/functionstest"
)

func TestACreateAnUpdateAndADeleteGoEndToEnd(t *testing.T) {
	n := functionstest.NewNode(t)
	created := n.Must(201, "POST", "/Patient", functionstest.Patient("ignored", "1"))
	id := created.At(t, "id")
	if id == "ignored" || id == "" {
		t.Errorf("id: got %q, want one of the server", id)
	}
	if got, want := created.Header.Get("Location"), functionstest.Base+"/Patient/"+id+"/_history/1"; got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	if got := created.Header.Get("ETag"); got != `W/"1"` {
		t.Errorf("ETag: got %q", got)
	}
	if got := created.Header.Get("Binnacle-Position"); got != "0:0" {
		t.Errorf("position: got %q", got)
	}
	if _, err := http.ParseTime(created.Header.Get("Last-Modified")); err != nil {
		t.Errorf("Last-Modified: %v", err)
	}
	if got := created.At(t, "meta", "versionId"); got != "1" {
		t.Errorf("versionId: got %q, want 1", got)
	}

	updated := n.Must(200, "PUT", "/Patient/"+id, functionstest.Patient(id, "2"))
	if got := updated.Header.Get("ETag"); got != `W/"2"` {
		t.Errorf("ETag after the update: got %q", got)
	}
	unchanged := n.Must(200, "PUT", "/Patient/"+id, updated.Body)
	if got := unchanged.Header.Get("ETag"); got != `W/"2"` {
		t.Errorf("ETag after putting back what was answered: got %q, want the same version", got)
	}
	if unchanged.Body != updated.Body {
		t.Errorf("got %s, want %s", unchanged.Body, updated.Body)
	}

	deleted := n.Must(204, "DELETE", "/Patient/"+id, "")
	if got := deleted.Header.Get("ETag"); got != `W/"3"` || deleted.Body != "" {
		t.Errorf("delete: ETag %q, body %q", got, deleted.Body)
	}
	again := n.Must(204, "DELETE", "/Patient/"+id, "")
	if got := again.Header.Get("ETag"); got != `W/"3"` {
		t.Errorf("a second delete: ETag %q, want no new version", got)
	}
	if got := n.Must(204, "DELETE", "/Patient/never", "").Header.Get("ETag"); got != "" {
		t.Errorf("a delete of what was never known: ETag %q, want none", got)
	}
	if got := n.Must(201, "PUT", "/Patient/"+id, functionstest.Patient(id, "4")).Header.Get("ETag"); got != `W/"4"` {
		t.Errorf("ETag after creating again: got %q, want the count to go on", got)
	}
	if report := n.Verified(); report.Versions != 4 {
		t.Errorf("got %d versions, want 4", report.Versions)
	}
}

func TestAnUpdateCreatesUnderTheClientsID(t *testing.T) {
	n := functionstest.NewNode(t)
	got := n.Must(201, "PUT", "/Patient/mine", functionstest.Patient("mine", "1"))
	if want := functionstest.Base + "/Patient/mine/_history/1"; got.Header.Get("Location") != want {
		t.Errorf("Location: got %q, want %q", got.Header.Get("Location"), want)
	}
}

func TestBytesOutAreBytesIn(t *testing.T) {
	n := functionstest.NewNode(t)
	body := "{ \"resourceType\" : \"Observation\",\n\t\"id\":\"o\", \"meta\":{\"versionId\":\"77\",\"lastUpdated\":\"1999-01-01T00:00:00Z\"}, \"status\":\"final\",\"code\":{\"text\":\"\\u0041\\ud83d\"}, \"valueQuantity\":{\"value\":255.0}}\n"
	got := n.Must(201, "PUT", "/Observation/o", body)
	got.Body = strings.Replace(got.Body, `"versionId":"1"`, `"versionId":"77"`, 1)
	at := strings.Index(got.Body, `"lastUpdated":"`) + len(`"lastUpdated":"`)
	end := at + strings.IndexByte(got.Body[at:], '"')
	if got.Body[:at]+"1999-01-01T00:00:00Z"+got.Body[end:] != body {
		t.Errorf("got  %q\nwant %q", got.Body, body)
	}
}

func TestTheDoorRefusesWithAPointedOutcome(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "1"))
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	cases := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, diagnostics, place string // of the first issue; diagnostics and place as parts
	}{
		{"malformed JSON", "POST", "/Patient", `{"resourceType":"Patient",}`, nil, 400, "invalid", "1:27", ""},
		{"truncated JSON", "POST", "/Patient", `{"resourceType":"Patient","name":[{`, nil, 400, "invalid", "1:36",
			"Patient.name[0]"},
		{"trailing data", "POST", "/Patient", `{"resourceType":"Patient"} {}`, nil, 400, "invalid", "1:28", ""},
		{"a duplicate key", "POST", "/Patient", `{"resourceType":"Patient","active":true,"active":false}`, nil, 400,
			"invalid", "active", "Patient"},
		{"too deep", "POST", "/Patient", `{"resourceType":"Patient","x":` + deep + `}`, nil, 400, "invalid", "100", ""},
		{"no JSON at all", "POST", "/Patient", `<Patient/>`, nil, 400, "invalid", "1:1", ""},
		{"not UTF-8", "POST", "/Patient", "{\"resourceType\":\"Patient\",\"x\":\"\xff\"}", nil, 400, "invalid", "UTF-8",
			""},
		{"an empty body", "POST", "/Patient", "", []string{"Content-Type: application/fhir+json"}, 400, "invalid",
			"empty", ""},
		{"no resourceType", "POST", "/Patient", `{"id":"a"}`, nil, 400, "invalid", "resourceType", ""},
		{"an unknown resourceType", "POST", "/Patient", `{"resourceType":"Human"}`, nil, 400, "invalid", "Human",
			"resourceType"},
		{"another type than the path", "POST", "/Patient", `{"resourceType":"Group"}`, nil, 400, "invalid", "Group",
			"resourceType"},
		{"an unknown type in the path", "POST", "/Human", `{"resourceType":"Human"}`, nil, 404, "not-supported",
			"Human", ""},
		{"no id on update", "PUT", "/Patient/p", functionstest.Patient("", "1"), nil, 400, "invalid", "id",
			"Patient.id"},
		{"another id than the path", "PUT", "/Patient/p", functionstest.Patient("q", "1"), nil, 400, "invalid", "q",
			"Patient.id"},
		{"an id that is none", "PUT", "/Patient/a_b", functionstest.Patient("a_b", "1"), nil, 400, "invalid", "a_b",
			""},
		{"an id that is too long", "PUT", "/Patient/" + strings.Repeat("x", 65),
			functionstest.Patient(strings.Repeat("x", 65), "1"), nil, 400, "invalid", "id", ""},
		{"an id that is a number", "PUT", "/Patient/1", `{"resourceType":"Patient","id":1}`, nil, 400, "invalid",
			"string", "Patient.id"},
		{"a SUBSETTED resource", "PUT", "/Patient/p",
			`{"resourceType":"Patient","id":"p","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`, nil, 400, "invalid", "SUBSETTED", "Patient.meta.tag[0]"},
		{"the wrong JSON kind", "POST", "/Patient", `{"resourceType":"Patient","birthDate":{}}`, nil, 400, "invalid",
			"", "Patient.birthDate"},
		{"the wrong JSON kind of what nothing reads", "POST", "/Patient", `{"resourceType":"Patient","contained":"x"}`,
			nil, 400, "invalid", "array", "Patient.contained"},
		{"the wrong JSON kind in a transaction", "POST", "",
			functionstest.BundleOf("transaction", functionstest.EntryOf("", "POST", "Patient",
				`{"resourceType":"Patient","text":5}`)), nil, 400, "invalid", "object", "Bundle.entry[0].resource.text"},
		{"XML of another namespace", "POST", "/Patient", `<Patient/>`, []string{"Content-Type: application/fhir+xml"},
			400, "invalid", "1:1: the element Patient is not in the namespace of FHIR", ""},
		{"an element of XML that R4 does not have", "POST", "/Patient",
			"<Patient xmlns=\"http://hl7.org/fhir\">\n<name><shade value=\"1\"/></name></Patient>",
			[]string{"Content-Type: application/xml"}, 400, "invalid", "2:7: Patient.name[0]: R4 has no element shade",
			"Patient.name[0]"},
		{"XML with entities", "POST", "/Patient",
			`<!DOCTYPE x [<!ENTITY a "aa">]><Patient xmlns="http://hl7.org/fhir"/>`,
			[]string{"Content-Type: text/xml"}, 400, "invalid", "1:1: a DOCTYPE", ""},
		{"XML in UTF-16", "POST", "/Patient", "\xff\xfe<\x00a\x00/\x00>\x00",
			[]string{"Content-Type: application/xml"}, 415, "not-supported", "UTF-8", ""},
		{"XML that is JSON", "POST", "/Patient", `{}`, []string{"Content-Type: application/fhir+xml"}, 400, "invalid",
			"no XML", ""},
		{"XML of another type", "PUT", "/Patient/1",
			`<Observation xmlns="http://hl7.org/fhir"><id value="1"/></Observation>`,
			[]string{"Content-Type: application/fhir+xml"}, 400, "invalid", "Observation", "resourceType"},
		{"XML with the wrong id", "PUT", "/Patient/1", `<Patient xmlns="http://hl7.org/fhir"><id value="2"/></Patient>`,
			[]string{"Content-Type: application/fhir+xml"}, 400, "invalid", "id", "Patient.id"},
		{"a SUBSETTED resource in XML", "PUT", "/Patient/p", `<Patient xmlns="http://hl7.org/fhir"><id value="p"/><meta>` +
			`<tag><system value="http://terminology.hl7.org/CodeSystem/v3-ObservationValue"/><code value="SUBSETTED"/>` +
			`</tag></meta></Patient>`, []string{"Content-Type: application/fhir+xml"}, 400, "invalid", "SUBSETTED",
			"Patient.meta.tag[0]"},
		{"a body of JSON by its older name", "POST", "/Patient", "{", []string{"Content-Type: application/json+fhir"},
			400, "invalid", "1:2", ""},
		{"another charset", "POST", "/Patient", functionstest.Patient("", "1"),
			[]string{"Content-Type: application/json; charset=latin1"}, 415, "not-supported", "latin1", ""},
		{"a broken Content-Type", "POST", "/Patient", functionstest.Patient("", "1"), []string{"Content-Type: ;;"}, 415,
			"not-supported", ";;", ""},
		{"an unknown encoding", "POST", "/Patient", functionstest.Patient("", "1"), []string{"Content-Encoding: br"},
			415, "not-supported", "br", ""},
		{"no gzip", "POST", "/Patient", functionstest.Patient("", "1"), []string{"Content-Encoding: gzip"}, 400,
			"invalid", "gzip", ""},
		{"If-Match of another server", "PUT", "/Patient/p", functionstest.Patient("p", "2"),
			[]string{`If-Match: W/"x"`}, 412, "conflict", "If-Match", ""},
		{"If-Match of another form", "PUT", "/Patient/p", functionstest.Patient("p", "2"), []string{`If-Match: W/"01"`},
			412, "conflict", "If-Match", ""},
		{"If-Match that is no list of tags", "PUT", "/Patient/p", functionstest.Patient("p", "2"),
			[]string{`If-Match: W/"1" W/"2"`}, 400, "invalid", "If-Match", ""},
		{"If-Match that is no tag", "PUT", "/Patient/p", functionstest.Patient("p", "2"), []string{`If-Match: x`}, 400,
			"invalid", "If-Match", ""},
		{"stale ones in If-Match", "PUT", "/Patient/p", functionstest.Patient("p", "2"),
			[]string{`If-Match: W/"7", "x"`, `If-Match: W/"8"`}, 412, "conflict", "version 1", ""},
		{"a stale If-Match", "PUT", "/Patient/p", functionstest.Patient("p", "2"), []string{`If-Match: W/"7"`}, 412,
			"conflict", "version 1", ""},
		{"If-None-Match where something is", "PUT", "/Patient/p", functionstest.Patient("p", "2"),
			[]string{"If-None-Match: *"}, 412, "conflict", "version 1", ""},
		{"If-Match on delete", "DELETE", "/Patient/p", "", []string{`If-Match: "2"`}, 412, "conflict", "version 1", ""},
		{"If-Match: * where nothing is", "PUT", "/Patient/new", functionstest.Patient("new", "2"),
			[]string{"If-Match: *"}, 412, "conflict", "Patient/new", ""},
		{"an unknown parameter in a condition", "PUT", "/Patient?color=red", functionstest.Patient("", "1"), nil, 400,
			"invalid", "color", ""},
		{"a conditional update without a condition", "PUT", "/Patient", functionstest.Patient("", "1"), nil, 400,
			"invalid", "search", ""},
		{"a conditional delete without a condition", "DELETE", "/Patient?_format=json", "", nil, 400, "invalid",
			"search", ""},
		{"an empty If-None-Exist", "POST", "/Patient", functionstest.Patient("", "1"), []string{"If-None-Exist:  "},
			400, "invalid", "search", ""},
		{"a dangling reference", "POST", "/Observation",
			`{"resourceType":"Observation","status":"final","code":{},"subject":{"reference":"Patient/nobody"}}`, nil,
			409, "conflict", "Patient/nobody", "Observation.subject.reference"},
		{"PATCH", "PATCH", "/Patient/p", "[]", nil, 400, "invalid", "FHIRPath Patch", ""},
		{"DELETE of everything", "DELETE", "/", "", nil, 405, "not-supported", "DELETE", ""},
		{"POST to an instance", "POST", "/Patient/p", functionstest.Patient("p", "1"), nil, 405, "not-supported",
			"POST", ""},
		{"a resource at the base", "POST", "/", functionstest.Patient("p", "1"), nil, 400, "invalid", "Patient",
			"resourceType"},
		{"a searchset at the base", "POST", "/", `{"resourceType":"Bundle","type":"searchset"}`, nil, 400, "invalid",
			"searchset", "Bundle.type"},
		{"a bundle whose entries are no array", "POST", "/", `{"resourceType":"Bundle","type":"batch","entry":{}}`, nil,
			400, "invalid", "array", "Bundle.entry"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := n.Send(c.method, c.path, c.body, c.headers...)
			if got.Status != c.status {
				t.Fatalf("got %d, want %d: %s", got.Status, c.status, got.Body)
			}
			if got.At(t, "resourceType") != "OperationOutcome" || got.At(t, "issue", 0, "code") != c.code {
				t.Errorf("got %s, want an OperationOutcome with code %s", got.Body, c.code)
			}
			if text := got.At(t, "issue", 0, "diagnostics"); !strings.Contains(text, c.diagnostics) || text == "" {
				t.Errorf("diagnostics %q don't tell of %q", text, c.diagnostics)
			}
			if place := got.At(t, "issue", 0, "expression", 0); !strings.Contains(place, c.place) {
				t.Errorf("expression %q doesn't point to %q", place, c.place)
			}
			if c.status == 405 && got.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want the one from before", report.Versions)
	}
}
