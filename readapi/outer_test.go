package readapi_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"binnacle/events"
	"binnacle/readapi"
)

func TestPagesOfListedOriginsMayUseTheRoot(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	const page = "https://app.example.org"
	for _, c := range []struct {
		name    string
		origins []string
		request request
		status  int
		allowed string
	}{
		{"none is listed", nil, request{method: "GET", target: "/fhir/Patient/p1",
			headers: []string{"Origin: " + page}}, 200, ""},
		{"a listed one", []string{page, "http://localhost:3000"},
			request{method: "GET", target: "/fhir/Patient/p1", headers: []string{"Origin: " + page}}, 200, page},
		{"the other one", []string{page, "http://localhost:3000"},
			request{method: "GET", target: "/fhir/Patient?name=f", headers: []string{"Origin: http://localhost:3000"}},
			200, "http://localhost:3000"},
		{"another one", []string{page}, request{method: "GET", target: "/fhir/Patient/p1",
			headers: []string{"Origin: https://evil.example.org"}}, 200, ""},
		{"a listed one with a port", []string{page},
			request{method: "GET", target: "/fhir/Patient/p1", headers: []string{"Origin: " + page + ":8443"}}, 200,
			""},
		{"a file's", []string{page}, request{method: "GET", target: "/fhir/Patient/p1",
			headers: []string{"Origin: null"}}, 200, ""},
		{"any", []string{"*"}, request{method: "GET", target: "/fhir/Patient/p1", headers: []string{"Origin: null"}},
			200, "*"},
		{"any, for a cache", []string{"*"}, request{method: "GET", target: "/fhir/Patient/p1"}, 200, "*"},
		{"an error can be read, too", []string{page},
			request{method: "GET", target: "/fhir/Patient/unknown", headers: []string{"Origin: " + page}}, 404, page},
		{"a write", []string{page}, request{method: "PUT", target: "/fhir/Patient/p1",
			headers: []string{"Origin: " + page}}, 201, page},
		{"of another tenant", []string{page}, request{method: "GET", target: "/t/clinic/fhir/Patient",
			headers: []string{"Origin: " + page}}, 200, page},
		{"the metrics are nobody's", []string{"*"},
			request{method: "GET", target: "/metrics", headers: []string{"Origin: " + page}}, 200, ""},
	} {
		server := s.server(withWrite, func(config *readapi.Config) {
			config.CORSOrigins, config.Tenants = c.origins,
				[]string{"clinic"}
		})
		w := c.request.do(server)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != c.status || got != c.allowed {
			t.Errorf("%s: got %d for %q, want %d for %q", c.name, w.Code, got, c.status, c.allowed)
		}
		exposed := w.Header().Get("Access-Control-Expose-Headers")
		for _, name := range []string{"ETag", "Location", "Content-Location", "Binnacle-Position", "Link"} {
			if strings.Contains(exposed, name) != (c.allowed != "") {
				t.Errorf("%s: exposed are %q", c.name, exposed)
			}
		}
		if varies := strings.Contains(strings.Join(w.Header()["Vary"], ","), "Origin"); varies != (len(c.origins) > 0 &&
			c.origins[0] != "*" && c.request.target != "/metrics") {
			t.Errorf("%s: Vary is %q", c.name, w.Header()["Vary"])
		}
		if len(c.request.headers) == 0 {
			continue // a request without an Origin is no preflight
		}
		c.request.headers = append(c.request.headers, "Access-Control-Request-Method: "+c.request.method,
			"Access-Control-Request-Headers: authorization,if-match")
		c.request.method = "OPTIONS"
		w = c.request.do(server)
		if c.allowed == "" {
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s: the preflight got %d, %v", c.name, w.Code, w.Header())
			}
			continue
		}
		if got := w.Header(); w.Code != http.StatusNoContent || got.Get("Access-Control-Allow-Origin") != c.allowed ||
			!strings.Contains(got.Get("Access-Control-Allow-Methods"), "PUT") ||
			got.Get("Access-Control-Allow-Headers") != "authorization,if-match" ||
			got.Get("Access-Control-Max-Age") == "" {
			t.Errorf("%s: the preflight got %d, %v", c.name, w.Code, got)
		}
	}
	for _, bad := range []string{"app.example.org", "https://app.example.org/", "https://app.example.org/x",
		"https://*.example.org", "ftp://x", "https://u@x"} {
		config := readapi.Config{Base: "/fhir", CORSOrigins: []string{bad}, Tenant: tenant, Catalog: r4Catalog(t),
			Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
		if _, err := readapi.New(config); events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), bad) {
			t.Errorf("the origin %q: got %v, want kind invalid", bad, err)
		}
	}
}

func TestOnlyTrustedProxiesTellOfTheClientsSide(t *testing.T) {
	s := newStore(t)
	s.patients(1)
	const own, told = "http://example.org/fhir/Patient", "https://evil.example.com/p/fhir/Patient"
	for _, c := range []struct {
		remote  string
		proxies []string
		want    string
	}{
		{"192.0.2.1:1234", nil, own},
		{"192.0.2.1:1234", []string{"192.0.2.1"}, told},
		{"192.0.2.1:1234", []string{"192.0.2.2"}, own},
		{"192.0.2.1:1234", []string{"10.0.0.0/8", "192.0.0.0/16"}, told},
		{"[::ffff:192.0.2.1]:1234", []string{"192.0.2.0/24"}, told},
		{"[::1]:1234", []string{"127.0.0.0/8", "::1/128"}, told},
		{"[fe80::1%eth0]:1234", []string{"fe80::/10"}, told},
		{"[2001:db8::1]:1234", []string{"127.0.0.0/8", "::1/128"}, own},
		{"", []string{"0.0.0.0/0", "::/0"}, own},
		{"@", []string{"0.0.0.0/0", "::/0"}, own},
	} {
		var log bytes.Buffer
		server := s.server(withWrite, func(config *readapi.Config) {
			config.TrustedProxies, config.Logger = c.proxies, slog.New(slog.NewTextHandler(&log, nil))
		})
		for _, headers := range [][]string{{"Forwarded", `proto=https;host=evil.example.com`},
			{"X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "https"}} {
			for _, method := range []string{"GET", "PUT"} {
				r := httptest.NewRequest(method, "/fhir/Patient", nil)
				r.Host, r.RemoteAddr = "example.org", c.remote
				r.Header.Set("X-Forwarded-Prefix", "/p")
				for i := 0; i < len(headers); i += 2 {
					r.Header.Set(headers[i], headers[i+1])
				}
				w := httptest.NewRecorder()
				server.ServeHTTP(w, r)
				if method == "GET" {
					if got := bundleOf(t, w).links["self"]; got != c.want {
						t.Errorf("from %s, trusting %v: links begin with %s, want %s", c.remote, c.proxies, got, c.want)
					}
				} else if seen := w.Header().Get("Seen"); strings.Contains(seen, "evil") != (c.want == told) ||
					strings.Contains(seen, "/p") != (c.want == told) {
					t.Errorf("from %s, trusting %v: the write door sees %s", c.remote, c.proxies, seen)
				}
			}
		}
		if lines := strings.Count(log.String(), "--trusted-proxies"); lines > 1 || (lines == 1) != (c.want == own) {
			t.Errorf("from %s, trusting %v: %d lines of the log tell of it", c.remote, c.proxies, lines)
		}
	}
	for _, bad := range []string{"proxy.example.org", "10.0.0.0/40", ""} {
		config := readapi.Config{Base: "/fhir", TrustedProxies: []string{bad}, Tenant: tenant, Catalog: r4Catalog(t),
			Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
		if _, err := readapi.New(config); events.KindOf(err) != events.Invalid {
			t.Errorf("the proxy %q: got %v, want kind invalid", bad, err)
		}
	}
}

func TestARequestIsLoggedWithoutWhatWasSearchedFor(t *testing.T) {
	s := newStore(t)
	s.patients(40)
	var log bytes.Buffer
	levels := &slog.HandlerOptions{Level: slog.LevelDebug}
	server := s.server(withWrite, func(config *readapi.Config) {
		config.AccessLog, config.Tenants, config.Logger = true, []string{"clinic"}, slog.New(slog.NewTextHandler(&log,
			levels))
	})
	for _, c := range []struct {
		request request
		want    []string
	}{
		{request{method: "GET", target: "/fhir/Patient?family=Secret", headers: []string{"X-Request-Id: r-1"}},
			[]string{"method=GET", "path=/fhir/Patient ", "status=200", "request=r-1", "tenant=main", "ms="}},
		{request{method: "POST", target: "/fhir/Patient/_search", body: "family=Secret",
			headers: []string{"Content-Type: application/x-www-form-urlencoded"}}, []string{"method=POST",
			"path=/fhir/Patient/_search ", "status=200"}},
		{request{method: "PUT", target: "/t/clinic/fhir/Patient?identifier=Secret"},
			[]string{"method=PUT", "path=/fhir/Patient ", "status=201", "tenant=clinic"}},
		{request{method: "GET", target: "/health/live"}, []string{"path=/health/live ", "status=200"}},
		{request{method: "GET", target: "/fhir/Patient/unknown", headers: []string{"X-Request-Id: r-2"}},
			[]string{"status=404", "request=r-2"}},
		{request{method: "GET", target: "/fhir/Patient?_count=40", headers: []string{"Accept-Encoding: gzip"}},
			[]string{"status=200"}},
	} {
		log.Reset()
		answer := c.request.do(server)
		var lines []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "msg=request ") {
				lines = append(lines, line)
			}
		}
		if len(lines) != 1 {
			t.Fatalf("%s %s: the log has %q, want one line", c.request.method, c.request.target, log.String())
		}
		for _, want := range append(c.want, fmt.Sprintf("bytes=%d ", answer.Body.Len())) {
			if !strings.Contains(lines[0], want) {
				t.Errorf("%s %s: %q lacks %s", c.request.method, c.request.target, lines[0], want)
			}
		}
		if strings.Contains(lines[0], "Secret") {
			t.Errorf("%s %s: %q tells what was searched for", c.request.method, c.request.target, lines[0])
		}
		if reason := strings.Contains(log.String(), "a request was refused"); reason != (answer.Code == 404) {
			t.Errorf("%s %s: answered with %d, the log has %q", c.request.method, c.request.target, answer.Code,
				log.String())
		}
	}
	log.Reset()
	get(s.server(func(config *readapi.Config) { config.Logger = slog.New(slog.NewTextHandler(&log, nil)) }),
		"/fhir/Patient/unknown")
	if log.Len() > 0 {
		t.Errorf("nobody has asked for lines, and there are %q", log.String())
	}
}
