package readapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/readapi"
)

const patient = `{"resourceType" : "Patient", "name":[{"family":"Ångström","given":["A"]}], "birthDate":"1970-03-30",
  "extension":[{"url":"http://example.org/weight","valueDecimal":255.0}]}`

func TestAReadAnswersWithTheBytesThatWereWritten(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server()
	w := get(server, "/fhir/Patient/1")
	want := strings.Replace(patient, `"Patient",`,
		`"Patient","id":"1","meta":{"versionId":"1","lastUpdated":"2026-03-01T08:00:01.250Z"},`, 1)
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Fatalf("got %d %s\nwant 200 %s", w.Code, w.Body, want)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/fhir+json; charset=utf-8", "ETag": `W/"1"`, "Last-Modified": "Sun, 01 Mar 2026 08:00:01 GMT",
		"Binnacle-Position": "0:0", "Cache-Control": "private, no-cache",
	} {
		if got := w.Header().Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	if w.Header().Get("X-Request-Id") == "" {
		t.Error("the answer has no X-Request-Id")
	}
}

func TestReadsOfOneResource(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", `{"resourceType":"Patient","active":false}`)
	s.put("Patient", "1", `{"resourceType":"Patient","active":true}`)
	s.put("Patient", "gone", `{"resourceType":"Patient"}`)
	s.delete("Patient", "gone")
	server := s.server()
	cases := []struct {
		name     string
		target   string
		headers  []string
		status   int
		etag     string
		contains string
	}{
		{"the current version", "/fhir/Patient/1", nil, 200, `W/"2"`, `"active":true`},
		{"with a slash at the end", "/fhir/Patient/1/", nil, 200, `W/"2"`, `"active":true`},
		{"an older version", "/fhir/Patient/1/_history/1", nil, 200, `W/"1"`, `"active":false`},
		{"an older version by its tag", "/fhir/Patient/1/_history/1", []string{`If-None-Match: W/"1"`}, 304, `W/"1"`,
			""},
		{"the same tag", "/fhir/Patient/1", []string{`If-None-Match: W/"2"`}, 304, `W/"2"`, ""},
		{"an old tag", "/fhir/Patient/1", []string{`If-None-Match: W/"1"`}, 200, `W/"2"`, `"active":true`},
		{"not modified since", "/fhir/Patient/1", []string{"If-Modified-Since: Sun, 01 Mar 2026 08:00:02 GMT"}, 304,
			`W/"2"`, ""},
		{"modified since", "/fhir/Patient/1", []string{"If-Modified-Since: Sun, 01 Mar 2026 08:00:01 GMT"}, 200,
			`W/"2"`, `"active":true`},
		{"as of a position, which searches alone can be asked", "/fhir/Patient/1?_asOf=0:0", nil, 400, "",
			"_id and _asOf"},
		{"never known", "/fhir/Patient/2", nil, 404, "", "not-found"},
		{"never known, with a tag", "/fhir/Patient/2", []string{"If-None-Match: *"}, 404, "", "not-found"},
		{"an id that is none", "/fhir/Patient/a_b", nil, 404, "", "not-found"},
		{"deleted", "/fhir/Patient/gone", nil, 410, `W/"2"`, "deleted"},
		{"deleted, with its tag", "/fhir/Patient/gone", []string{`If-None-Match: W/"2"`}, 410, `W/"2"`, "deleted"},
		{"before its deletion", "/fhir/Patient/gone/_history/1", nil, 200, `W/"1"`, `"id":"gone"`},
		{"the deletion itself", "/fhir/Patient/gone/_history/2", nil, 410, `W/"2"`, "deleted"},
		{"a version that is not there", "/fhir/Patient/1/_history/3", nil, 404, "", "not-found"},
		{"version 0", "/fhir/Patient/1/_history/0", nil, 404, "", "not-found"},
		{"a version that is no number", "/fhir/Patient/1/_history/01", nil, 404, "", "not-found"},
		{"a version beyond all numbers", "/fhir/Patient/1/_history/99999999999999999999", nil, 404, "", "not-found"},
		{"a version of what is not known", "/fhir/Patient/2/_history/1", nil, 404, "", "not-found"},
		{"an unknown type", "/fhir/Unicorn/1", nil, 404, "", "not-supported"},
		{"an unknown parameter", "/fhir/Patient/1?flavor=red", nil, 200, `W/"2"`, `"active":true`},
		{"an unknown parameter, strictly", "/fhir/Patient/1?flavor=red",
			[]string{"Prefer: return=minimal, handling=strict"}, 400, "", "flavor"},
		{"an element that is not there", "/fhir/Patient/1?_elements=shade", []string{"Prefer: handling=strict"}, 400,
			"", "_elements"},
		{"a form of answer, strictly", "/fhir/Patient/1?_format=json&_pretty=true", []string{"Prefer: handling=strict"},
			200, `W/"2"`, "{\n  \"resourceType\": \"Patient\",\n"},
		{"a type that is not offered", "/fhir/Patient/1", []string{"Accept: application/fhir+turtle"}, 406, "",
			"not-supported"},
		{"a format that is not offered", "/fhir/Patient/1?_format=ttl", nil, 406, "", "not-supported"},
		{"a position that is reached", "/fhir/Patient/1", []string{"Binnacle-Min-Position: 0:3"}, 200, `W/"2"`,
			`"active":true`},
		{"a position that is none", "/fhir/Patient/1", []string{"Binnacle-Min-Position: soon"}, 400, "", "position"},
		{"a position of another partition", "/fhir/Patient/1", []string{"Binnacle-Min-Position: 3:1"}, 400, "",
			"partition"},
	}
	for _, c := range cases {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := request{method: method, target: c.target, headers: c.headers}.do(server)
			if w.Code != c.status {
				t.Errorf("%s, %s: status %d, want %d: %s", c.name, method, w.Code, c.status, w.Body)
				continue
			}
			if got := w.Header().Get("ETag"); got != c.etag {
				t.Errorf("%s, %s: ETag %q, want %q", c.name, method, got, c.etag)
			}
			if !strings.Contains(w.Body.String(), c.contains) || c.status == 304 && w.Body.Len() > 0 {
				t.Errorf("%s, %s: body %s, want it to contain %q", c.name, method, w.Body, c.contains)
			}
			if c.status >= 400 {
				outcomeOf(t, w.Body.Bytes())
			}
		}
	}
}

func TestContentThatNobodyHasIsNotAResourceThatHasNeverBeen(t *testing.T) {
	s := newStore(t)
	lost := s.put("Patient", "1", patient)
	if err := s.blobs.Delete(t.Context(), []eventsHash{lost.Hash}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[events.Kind]int{events.NotFound: http.StatusInternalServerError,
		events.Invalid: http.StatusInternalServerError, events.Transient: http.StatusServiceUnavailable} {
		server := s.server(func(c *readapi.Config) {
			c.Heal = func(context.Context, projections.Version) ([]byte, error) {
				return nil, events.Errorf(kind, "test", "the log holds no record there")
			}
		})
		for _, target := range []string{"/fhir/Patient/1", "/fhir/Patient/1/_history/1", "/fhir/Patient?_id=1"} {
			if w := get(server, target); w.Code != want {
				t.Errorf("%s, of which the log says %v: got %d %s, want %d", target, kind, w.Code, w.Body, want)
			}
		}
	}
}

func TestALostBlobComesBackFromTheLog(t *testing.T) {
	s := newStore(t)
	lost := s.put("Patient", "1", patient)
	if err := s.blobs.Delete(t.Context(), []eventsHash{lost.Hash}); err != nil {
		t.Fatal(err)
	}
	if w := get(s.server(), "/fhir/Patient/1"); w.Code != http.StatusInternalServerError ||
		strings.Contains(w.Body.String(), "blob") {
		t.Errorf("without healing: got %d %s, want 500 without details", w.Code, w.Body)
	}
	healed := 0
	server := s.server(withHeal(func(v projections.Version) []byte {
		if v.Sid == lost.Sid {
			healed++
		}
		return []byte(patient)
	}))
	if w := get(server, "/fhir/Patient/1"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "255.0") {
		t.Errorf("a read: got %d %s, want the content", w.Code, w.Body)
	}
	if b := bundleOf(t, get(server, "/fhir/Patient?_id=1")); len(b.ids) != 1 {
		t.Errorf("a search: got %v, want Patient/1", b.ids)
	}
	if healed != 2 {
		t.Errorf("healed %d times, want 2", healed)
	}
}

func TestACopyOfTheSameSecondMayBeTheVersionBefore(t *testing.T) {
	s := newStore(t)
	within := func(of time.Duration) { s.clock = s.clock.Add(of - time.Second) } // a write adds a second
	since := func(id string, want int) {
		t.Helper()
		at := get(s.server(), "/fhir/Patient/"+id).Header().Get("Last-Modified")
		if got := get(s.server(), "/fhir/Patient/"+id, "If-Modified-Since: "+at).Code; got != want {
			t.Errorf("Patient/%s since %s: got %d, want %d", id, at, got, want)
		}
	}
	s.put("Patient", "1", `{"resourceType":"Patient","gender":"male"}`)
	since("1", 304)
	within(200 * time.Millisecond)
	s.put("Patient", "1", `{"resourceType":"Patient","gender":"female"}`)
	since("1", 200)
	if got := get(s.server(), "/fhir/Patient/1/_history/1",
		"If-Modified-Since: Sun, 01 Mar 2026 08:00:01 GMT").Code; got != 304 {
		t.Errorf("a version, which never changes: got %d, want 304", got)
	}
	if got := get(s.server(), "/fhir/Patient/1", "If-Modified-Since: Sun, 01 Mar 2026 08:00:02 GMT").Code; got != 304 {
		t.Errorf("since a later second: got %d, want 304", got)
	}
	s.put("Patient", "1", `{"resourceType":"Patient"}`)
	since("1", 304)
}
