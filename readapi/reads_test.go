package readapi_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/projections/blobs/memory"
	"binnacle/readapi"
)

// TestAnEntryIsReadAsARequestIs: the same status, tag and body, whatever is asked for.
func TestAnEntryIsReadAsARequestIs(t *testing.T) {
	s := newStore(t)
	version := s.put("Patient", "1", patient)
	s.put("Patient", "gone", patient)
	s.delete("Patient", "gone")
	server := s.server(withWrite)
	for _, target := range []string{
		"/Patient/1", "/Patient/1/_history/1", "/Patient/1/_history/7", "/Patient/1?_elements=name", "/Patient/1?_format=ttl", "/Patient/gone", "/Patient/none", "/Patient/..", "/Unicorn/1",
		"/Patient/_search", "/Patient/_history", "/_history?_type=Patient", "/Patient/_history?_sort=x", "/Patient/1/$everything", "/metadata", "/../metrics", "/Patient/1/Unicorn", "/Patient?color=red", "", "/Patient/1/*",
	} {
		want := get(server, "/fhir"+target)
		path, query, _ := strings.Cut(target, "?")
		status, etag, modified, body := server.Reads(t.Context(),
			rest.Entry{Method: "GET", Path: path, Ask: rest.Ask{Query: query, Tenant: tenant,
				Root: "http://example.org/fhir"}})
		if status != want.Code || etag != want.Header().Get("ETag") ||
			(!modified.IsZero()) != (want.Header().Get("Last-Modified") != "") {
			t.Errorf("%s: got %d %q %v, want %d %v", target, status, etag, modified, want.Code, want.Header())
		}
		if got := string(body); got != want.Body.String() && !strings.Contains(got, `"searchset"`) &&
			!strings.Contains(got, `"history"`) { // these say when they were made
			t.Errorf("%s: got %s, want %s", target, got, want.Body)
		}
	}
	for _, c := range []struct {
		name          string
		method, since string
		tag           string
		status        int
	}{
		{"nothing changed", "GET", "", `W/"1"`, 304},
		{"something did", "GET", "", `W/"2"`, 200},
		{"since the instant of the version", "GET", version.Time.Format(time.RFC3339Nano), "", 304},
		{"since a moment before, in the same second", "GET",
			version.Time.Add(-time.Millisecond).Format(time.RFC3339Nano), "", 200},
		{"in the form of HTTP", "GET", version.Time.Add(time.Second).UTC().Format(http.TimeFormat), "", 304},
		{"since no time", "GET", "yesterday", "", 200},
		{"HEAD", "HEAD", "", "", 200},
	} {
		status, _, modified, body := server.Reads(t.Context(),
			rest.Entry{Method: c.method, Path: "/Patient/1", Ask: rest.Ask{Tenant: tenant, Copy: rest.CopyOfEntry(c.tag,
				c.since)}})
		if status != c.status || !modified.Equal(version.Time) ||
			(len(body) > 0) != (c.status == 200 && c.method == "GET") {
			t.Errorf("%s: got %d, %v, %d bytes, want %d", c.name, status, modified, len(body), c.status)
		}
	}
	if text := get(server, "/metrics").Body.String(); !strings.Contains(text,
		`binnacle_http_request_duration_seconds_count{interaction="read",status="304"} 3`) {
		t.Error("the reads of entries are not counted")
	}
}

func TestAnEntryThatCannotBeAnsweredIsAnErrorOfItsOwn(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "torn", patient)
	var log strings.Builder
	torn := s.server(withHeal(func(projections.Version) []byte { return []byte("no JSON") }), func(c *readapi.Config) {
		c.Blobs, c.Logger = memory.New(), slog.New(slog.NewTextHandler(&log, nil))
	})
	panics := s.server(func(c *readapi.Config) {
		c.Reader, c.Logger = broken{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, c := range []struct {
		name   string
		server *readapi.Server
		path   string
	}{{"a content that is no JSON", torn, "/Patient"}, {"a panic", panics, "/Patient/1"}} {
		log.Reset()
		status, _, _, body := c.server.Reads(t.Context(),
			rest.Entry{Method: "GET", Path: c.path, Ask: rest.Ask{Tenant: tenant}})
		if code, _ := outcomeOf(t, body); status != 500 || code != "exception" ||
			!strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%s: got %d %s; the log has %s", c.name, status, body, log.String())
		}
	}
	behind := &events.Position{Offset: 1_000}
	slow := s.server(func(c *readapi.Config) { c.PositionWait = time.Millisecond })
	if status, _, _, _ := slow.Reads(t.Context(), rest.Entry{Method: "GET", Path: "/Patient/torn",
		Ask: rest.Ask{Tenant: tenant, Reach: behind}}); status != 503 {
		t.Errorf("a position that does not come: got %d, want 503", status)
	}
}
