package readapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"binnacle/readapi"
)

// serverOf reads the address of the server out of an OpenAPI document.
func serverOf(t *testing.T, body []byte) string {
	t.Helper()
	var doc struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]any
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.OpenAPI != "3.1.0" || len(doc.Servers) != 1 ||
		len(doc.Paths) < 100 {
		t.Fatalf("%v: %.300s", err, body)
	}
	return doc.Servers[0].URL
}

func TestTheOpenAPIDocumentNamesTheAddressThatClientsSee(t *testing.T) {
	s := newStore(t)
	tenants := func(c *readapi.Config) { c.Tenants = []string{"clinic"} }
	public := func(c *readapi.Config) { c.PublicURL = "https://example.org/ehr/fhir" }
	tags := map[string]bool{}
	for _, c := range []struct {
		server http.Handler
		target string
		want   string
	}{
		{s.server(withWrite), "/fhir/openapi.json", "http://example.org/fhir"},
		{s.server(withWrite, public), "/fhir/openapi.json", "https://example.org/ehr/fhir"},
		{s.server(withWrite, tenants), "/t/clinic/fhir/openapi.json", "http://example.org/t/clinic/fhir"},
		{s.server(withWrite, tenants, public), "/t/clinic/fhir/openapi.json", "https://example.org/ehr/t/clinic/fhir"},
	} {
		w := get(c.server, c.target)
		if got := serverOf(t, w.Body.Bytes()); got != c.want {
			t.Errorf("%s: the server is %s, want %s", c.target, got, c.want)
		}
		if tag := w.Header().Get("ETag"); tag == "" || tags[tag] {
			t.Errorf("%s: the ETag %q is that of another address, too", c.target, tag)
		} else {
			tags[tag] = true
		}
	}
}

func TestTheOpenAPIDocumentIsAnsweredAsOtherReadsAre(t *testing.T) {
	s := newStore(t)
	server := s.server(withWrite, func(c *readapi.Config) { c.CORSOrigins = []string{"https://app.example.org"} })
	const path = "/fhir/openapi.json"
	w := get(server, path, "Accept: */*")
	etag := w.Header().Get("ETag")
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type: got %q", got)
	}
	for _, c := range []struct {
		name    string
		method  string
		headers []string
		status  int
	}{
		{"the copy is good", "GET", []string{"If-None-Match: " + etag}, 304},
		{"HEAD", "HEAD", nil, 200},
		{"no JSON is accepted", "GET", []string{"Accept: image/png"}, 406},
		{"another method", "POST", nil, 405},
	} {
		w := request{method: c.method, target: path, headers: c.headers}.do(server)
		if w.Code != c.status {
			t.Errorf("%s: got %d, want %d", c.name, w.Code, c.status)
		}
	}
	w = get(server, path, "Accept-Encoding: gzip", "Origin: https://app.example.org")
	if got := w.Header().Get("Access-Control-Allow-Origin"); got != "https://app.example.org" {
		t.Errorf("a page of another origin: got %q", got)
	}
	unpack, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(unpack)
	if err != nil {
		t.Fatal(err)
	}
	serverOf(t, body)
}
