package readapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const detailed = `{"resourceType":"Patient","id":"x","meta":{"profile":["http://p"],"tag":[{"code":"mine"}]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},` +
	`"extension":[{"url":"http://e","valueDecimal":1.00}],"active":true,"name":[{"family":"Able","_family":{"extension":[{"url":"http://f","valueString":"v"}]},"extension":[{"url":"http://n","valueString":"n"}]}],` +
	`"birthDate":"1970-01-01","maritalStatus":{"text":"single"},"photo":[{"contentType":"image/png","data":"AAAA"}],"contact":[{"name":{"family":"Other"}}],"communication":[{"language":{"text":"en"}}],"link":[{"other":{"reference":"Patient/y"},"type":"seealso"}],"managingOrganization":{"reference":"Organization/1","display":"O"}}`

const labeled = `{"resourceType":"Observation","status":"final","code":{"text":"c"},"category":[{"text":"k"}],"note":[{"text":"n"}],"valueQuantity":{"value":1.50,"unit":"mg"},"component":[{"code":{"text":"in"},"interpretation":[{"text":"high"}],"valueString":"s"},{"code":{"text":"in2"}}]}`

func TestAPartOfAResource(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "x", detailed)
	s.put("Observation", "o", labeled)
	server := s.server()
	always := []string{"resourceType", "id", "meta"}
	for _, c := range []struct {
		query    string
		keys     []string // at the root, beside those that are always there
		contains string
		lacks    string
	}{
		{"Patient?_elements=name,birthDate", []string{"name", "birthDate"}, `"_family"`, "maritalStatus"},
		{"Patient?_elements=id", nil, "", "name"},
		{"Patient?_elements=birthDate,resourceType,id", []string{"birthDate"}, "", "name"},
		{"Patient?_elements=resourceType", nil, "", "name"},
		{"Patient?_elements=text,contact", []string{"text", "contact"}, "Other", ""},
		{"Observation?_elements=value", []string{"status", "code", "valueQuantity"}, `{"value":1.50,"unit":"mg"}`, ""},
		{"Observation?_elements=value[x],note", []string{"status", "code", "valueQuantity", "note"}, "", ""},
		{"Observation?_elements=valueQuantity", []string{"status", "code", "valueQuantity"}, "", ""},
		{"Patient?_summary=true", []string{"active", "name", "birthDate", "link", "managingOrganization"},
			`"display":"O"`, "_family"},
		{"Observation?_summary=true", []string{"status", "code", "valueQuantity", "component"},
			`"component":[{"code":{"text":"in"},"valueString":"s"},{"code":{"text":"in2"}}]`, "high"},
		{"Patient?_summary=text", []string{"text"}, "<div", "name"},
		{"Observation?_summary=text", []string{"status", "code"}, "", "value"},
		{"Patient?_summary=data", []string{"extension", "active", "name", "birthDate", "maritalStatus", "photo",
			"contact", "communication", "link", "managingOrganization"}, `"valueDecimal":1.00`, "<div"},
	} {
		for _, place := range []string{c.query, strings.Replace(strings.Replace(c.query, "Patient?", "Patient/x?", 1),
			"Observation?", "Observation/o?", 1)} {
			w := get(server, "/fhir/"+place, "Prefer: handling=strict")
			var b struct {
				Entry []struct {
					Resource map[string]json.RawMessage
				}
			}
			body := w.Body.Bytes()
			if place != c.query {
				body = []byte(`{"entry":[{"resource":` + string(body) + `}]}`)
			}
			if err := json.Unmarshal(body, &b); err != nil || w.Code != http.StatusOK || len(b.Entry) != 1 {
				t.Errorf("%s: %d %s (%v)", place, w.Code, w.Body, err)
				continue
			}
			resource := b.Entry[0].Resource
			want := slices.Sorted(slices.Values(append(slices.Clone(always), c.keys...)))
			if got := slices.Sorted(maps.Keys(resource)); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", place, got, want)
			}
			if !strings.Contains(w.Body.String(), c.contains) || c.lacks != "" &&
				strings.Contains(w.Body.String(), c.lacks) {
				t.Errorf("%s: got %s, want %q and not %q", place, w.Body, c.contains, c.lacks)
			}
			var meta struct {
				VersionID string
				Profile   []string
				Tag       []struct{ Code string }
			}
			if err := json.Unmarshal(resource["meta"], &meta); err != nil || meta.VersionID != "1" ||
				meta.Tag[len(meta.Tag)-1].Code != "SUBSETTED" {
				t.Errorf("%s: meta %s (%v), want the version and the tag SUBSETTED", place, resource["meta"], err)
			}
			if strings.HasPrefix(place, "Patient") &&
				(len(meta.Profile) != 1 || len(meta.Tag) != 2 || meta.Tag[0].Code != "mine") {
				t.Errorf("%s: meta %s, want its profile and tag", place, resource["meta"])
			}
		}
	}
	for _, query := range []string{"Patient?_summary=false", "Patient/x?_summary=false", "Patient"} {
		if w := get(server, "/fhir/"+query); strings.Contains(w.Body.String(), "SUBSETTED") ||
			!strings.Contains(w.Body.String(), "photo") {
			t.Errorf("%s: got %s, want everything", query, w.Body)
		}
	}
	for query, status := range map[string]int{"Patient/x?_summary=some": 400, "Patient/x?_elements=shade": 400,
		"Patient/x?_summary=count": 400, "Patient/x?_summary=true&_elements=id": 400, "Patient/x?_elements=": 400} {
		if w := get(server, "/fhir/"+query, "Prefer: handling=strict"); w.Code != status {
			t.Errorf("%s: got %d, want %d: %s", query, w.Code, status, w.Body)
		}
	}
}

func TestElementsAreThoseOfTheMatchesAndASummaryIsOfAll(t *testing.T) {
	s := newStore(t)
	s.clinic()
	server := s.server()
	if w := get(server,
		"/fhir/Observation?_id=o1&_include=Observation:subject&_elements=status"); !strings.Contains(w.Body.String(),
		`"family":"Able"`) || strings.Contains(w.Body.String(), "valueQuantity") {
		t.Errorf("_elements: got %s, want the patient whole", w.Body)
	}
	if w := get(server,
		"/fhir/Observation?_id=o1&_include=Observation:subject&_summary=true"); strings.Contains(w.Body.String(),
		"generalPractitioner") || strings.Count(w.Body.String(), "SUBSETTED") != 2 {
		t.Errorf("_summary: got %s, want the summary of both", w.Body)
	}
}

func TestOfElementsThatAreNotAllThereThoseThatAreAreKept(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "x", detailed)
	for _, target := range []string{"/fhir/Patient?_elements=birthDate,shade",
		"/fhir/Patient/x?_elements=shade,birthDate"} {
		w := get(s.server(), target, "Prefer: handling=strict")
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "1970-01-01") ||
			strings.Contains(body, "maritalStatus") {
			t.Errorf("%s: %d %s", target, w.Code, body)
		}
		if strings.Contains(target, "?_elements=birthDate") {
			if b := bundleOf(t, w); len(b.extra) != 1 || !strings.Contains(b.extra[0], "shade") ||
				strings.Contains(b.links["self"], "shade") {
				t.Errorf("%s: told %q, self %s", target, b.extra, b.links["self"])
			}
		}
	}
}

func TestPrettyAnswersSayTheSame(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "x", detailed)
	s.patients(5)
	server := s.server()
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	for name, c := range map[string][2]request{
		"a read": {{method: "GET", target: "/fhir/Patient/x"},
			{method: "GET", target: "/fhir/Patient/x?_pretty=true"}},
		"a refusal": {{method: "GET", target: "/fhir/Patient/unknown"},
			{method: "GET", target: "/fhir/Patient/unknown?_pretty=true"}},
		"a history": {{method: "GET", target: "/fhir/Patient/x/_history"},
			{method: "GET", target: "/fhir/Patient/x/_history?_pretty=true"}},
		"a search": {{method: "GET", target: "/fhir/Patient?_count=2"},
			{method: "GET", target: "/fhir/Patient?_pretty=true&_count=2"}},
		"not pretty": {{method: "GET", target: "/fhir/Patient/x"},
			{method: "GET", target: "/fhir/Patient/x?_pretty=false"}},
		"by POST": {{method: "POST", target: "/fhir/Patient/_search", body: "_count=2", headers: form},
			{method: "POST", target: "/fhir/Patient/_search", body: "_pretty=true&_count=2", headers: form}},
	} {
		plain, pretty := c[0].do(server), c[1].do(server)
		if indented := strings.Contains(pretty.Body.String(), "\n  \""); plain.Code != pretty.Code ||
			indented != (name != "not pretty") {
			t.Errorf("%s: %d and %d, %.200s", name, plain.Code, pretty.Code, pretty.Body)
		}
		if length := pretty.Header().Get("Content-Length"); name != "not pretty" && length != "" {
			t.Errorf("%s: the answer claims to have %s bytes", name, length)
		}
		if name == "a read" {
			var compact bytes.Buffer
			if err := json.Compact(&compact, pretty.Body.Bytes()); err != nil ||
				compact.String() != compacted(t, plain.Body.Bytes()) {
				t.Errorf("%s: got %s (%v), want %s", name, compact.String(), err, plain.Body)
			}
		}
	}
	first := bundleOf(t, request{method: "POST", target: "/fhir/Patient/_search", body: "_pretty=true&_count=2",
		headers: form}.do(server))
	if next := get(server, first.links["next"]).Body.String(); !strings.Contains(next, "\n  \"") {
		t.Errorf("the second page of a search by POST: %.200s", next)
	}
}

func compacted(t *testing.T, data []byte) string {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	return compact.String()
}
