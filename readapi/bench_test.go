package readapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

func BenchmarkReadAtTheDoor(b *testing.B) {
	s := newStore(b)
	s.put("Patient", "1",
		`{"resourceType":"Patient","id":"1","meta":{"profile":["http://example.org/p"]},"text":"`+strings.Repeat("x",
			2_000)+`"}`)
	server := s.server()
	r := httptest.NewRequest(http.MethodGet, "http://example.org/fhir/Patient/1", nil)
	r.Header.Set("Accept", "application/fhir+json")
	r.URL = &url.URL{Path: "/fhir/Patient/1"}
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		r.URL.Scheme, r.URL.Host = "", ""
		server.ServeHTTP(w, r)
	}
}

func BenchmarkSearchPageAtTheDoor(b *testing.B) {
	s := newStore(b)
	s.patients(50)
	server := s.server()
	r := httptest.NewRequest(http.MethodGet, "http://example.org/fhir/Patient?active=true&_count=50", nil)
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		server.ServeHTTP(w, r)
	}
}

func BenchmarkReadOverTCP(b *testing.B) {
	s := newStore(b)
	s.put("Patient", "1",
		`{"resourceType":"Patient","id":"1","meta":{"profile":["http://example.org/p"]},"text":"`+strings.Repeat("x",
			2_000)+`"}`)
	server := httptest.NewServer(s.server())
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			response, err := client.Get(server.URL + "/fhir/Patient/1")
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
				b.Error(response.Status, err)
			}
			_ = response.Body.Close()
		}
	})
}
