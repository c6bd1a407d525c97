package readapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/readapi"
)

// browser is what browsers accept.
const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

func TestBrowsersGetAPageAndAllOthersJSON(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server()
	want := get(server, "/fhir/Patient/1").Body.String()
	for _, c := range []struct {
		accept string
		page   bool
	}{
		{"", false}, {"*/*", false}, {"application/fhir+json", false}, {"application/json", false}, {"application/*",
			false},
		{strings.TrimPrefix(browser, "Accept: "), true}, {"text/html",
			true}, {"application/xhtml+xml, application/json;q=0.9", true},
		{"application/json, text/html", false}, {"text/html;q=0.8, application/fhir+json",
			false}, {"text/html;q=0.5, */*", false},
		{"text/html;q=0, */*", false}, {"text/html;q=x, */*;q=0.1", false},
	} {
		var headers []string
		if c.accept != "" {
			headers = []string{"Accept: " + c.accept}
		}
		w := get(server, "/fhir/Patient/1", headers...)
		isPage := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html")
		if w.Code != http.StatusOK || isPage != c.page || !isPage &&
			(w.Body.String() != want || w.Header().Get("Etag") == "" ||
				w.Header().Get("Content-Security-Policy") != "") {
			t.Errorf("%q: got %d %s, want a page: %v\n%s", c.accept, w.Code, w.Header().Get("Content-Type"), c.page,
				w.Body)
		}
	}
	if w := (request{method: "HEAD", target: "/fhir/Patient/1",
		headers: []string{browser}}).do(server); w.Code != http.StatusOK ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("HEAD: got %d %s", w.Code, w.Header().Get("Content-Type"))
	}
	for _, target := range []string{"/fhir/Patient/1?_format=json", "/fhir/Patient?_format=application/fhir%2Bjson"} {
		if got := get(server, target, browser).Header().Get("Content-Type"); !strings.HasPrefix(got,
			"application/fhir+json") {
			t.Errorf("%s: got %s, want JSON: _format rules", target, got)
		}
	}
	for _, format := range []string{"html", "text/html", "application/xhtml%2Bxml", "application/xhtml+xml"} {
		w := get(server, "/fhir/Patient?_id=1&_format="+format, "Accept: application/json")
		body := w.Body.String()
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") ||
			!strings.Contains(body, "/fhir/Patient?_id=1&amp;_format=json") ||
			strings.Contains(body, "&amp;_format=html&amp;") {
			t.Errorf("_format=%s: got %d %s\n%s", format, w.Code, w.Header().Get("Content-Type"), body)
		}
	}
	if w := (request{method: "POST", target: "/fhir/Patient/_search", body: "_format=html",
		headers: []string{"Content-Type: application/x-www-form-urlencoded"}}).do(server); w.Code != http.StatusNotAcceptable {
		t.Errorf("a form with _format=html: got %d, want 406", w.Code)
	}
	for accept, want := range map[string]int{"": 200, "*/*": 200, "text/*": 200,
		strings.TrimPrefix(browser, "Accept: "): 200, "application/json": 406,
		"application/fhir+json, text/html;q=0": 406, "text/html;q=0, */*": 406} {
		w := get(server, "/", "Accept: "+accept)
		if w.Code != want || !slices.Contains(w.Header()["Vary"], "Accept") || want == 406 &&
			!strings.Contains(w.Body.String(), "/fhir") {
			t.Errorf("/ for %q: got %d, Vary %q, %s", accept, w.Code, w.Header()["Vary"], w.Body)
		}
	}
	for target, code := range map[string]int{"/fhir/Patient/1": 200, "/fhir/Patient/none": 404,
		"/fhir/Patient?_id=1": 200, "/fhir/metadata": 200, "/fhir/Patient/1?_format=ttl": 406} {
		for _, headers := range [][]string{nil, {browser}} {
			if w := get(server, target, headers...); w.Code != code || !slices.Contains(w.Header()["Vary"], "Accept") {
				t.Errorf("%s: got %d, Vary %q", target, w.Code, w.Header()["Vary"])
			}
		}
	}
	if w := get(server, "/fhir/Patient/1", `If-None-Match: W/"1"`); w.Code != http.StatusNotModified ||
		!slices.Contains(w.Header()["Vary"], "Accept") {
		t.Errorf("not modified: got %d, Vary %q", w.Code, w.Header()["Vary"])
	}
	both := s.server(withWrite)
	if w := (request{method: "POST", target: "/fhir/Patient",
		headers: []string{browser}}).do(both); w.Code != http.StatusCreated ||
		w.Header().Get("Content-Security-Policy") != "" {
		t.Errorf("a write: got %d %v, want it untouched", w.Code, w.Header())
	}
}

func TestAPageEscapesEverythingAndRunsNothing(t *testing.T) {
	s := newStore(t)
	const evil = `<script>alert(1)</script>"'&`
	s.put("Patient", "1", `{"resourceType":"Patient","id":"1","name":[{"family":"<script>alert(1)</script>\"'&"}],`+
		`"photo":[{"url":"javascript:alert(1)"}],"managingOrganization":{"reference":"Organization/\"><img src=x>"},`+
		`"generalPractitioner":[{"reference":"javascript:alert(1)"},{"reference":"http://example.org/fhir/\"onclick=\"x"},{"reference":"https://evil.example.com/fhir/Patient/1"}]}`)
	server := s.server()
	for _, target := range []string{"/fhir/Patient/1", "/fhir/Patient?_id=1", "/fhir/Patient/1/_history",
		"/fhir/Patient/" + evil, "/fhir/" + evil, "/fhir/Patient?name=" + evil, "/fhir/Patient?" + evil + "=1"} {
		w := get(server, target, browser)
		page := w.Body.String()
		for _, bad := range []string{"<script", "<img", `href="javascript`, `"onclick`, `href="https://evil`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page holds %s:\n%s", target, bad, page)
			}
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" ||
			w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got the headers %v", target, w.Header())
		}
	}
}

func TestAPageLeadsToWhatItNames(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "p1",
		`{"resourceType":"Patient","id":"p1","multipleBirthInteger":1,"extension":[{"url":"http://x","valueDecimal":255.00}],"link":[],`+
			`"managingOrganization":{"reference":"Organization/o1"},"generalPractitioner":[{"reference":"Practitioner/a/_history/2"},{"reference":"#inside"},{"reference":"Unicorn/1"}]}`)
	s.put("Patient", "p2", patient)
	server := s.server()
	cases := []struct {
		target string
		want   []string
	}{
		{"/fhir/Patient/p1", []string{`<a href="http://example.org/fhir/Organization/o1">&#34;Organization/o1&#34;</a>`,
			`href="http://example.org/fhir/Practitioner/a/_history/2"`,
			`: &#34;#inside&#34;`, `: &#34;Unicorn/1&#34;`, `: 255.00`, `: []`, `href="http://example.org/fhir/Patient/p1/_history"`, `href="http://example.org/fhir/Patient/p1?_format=json"`,
			`href="http://example.org/fhir/Patient/p1?_format=xml" rel="XML">XML</a>`}},
		{"/fhir/Patient?_count=1", []string{`rel="next">next</a>`, `<a href="http://example.org/fhir/Patient/p`,
			`href="http://example.org/fhir/Patient?_count=1&amp;_format=json"`}},
		{"/fhir/Patient/p3", []string{`<h1 class="bad">404 Not Found</h1>`, `OperationOutcome`}},
		{"/fhir/metadata", []string{`CapabilityStatement`}},
		{"/fhir", []string{`<h1>All types</h1>`}},
	}
	for _, c := range cases {
		page := get(server, c.target, browser, `If-None-Match: W/"1"`,
			"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT").Body.String()
		for _, want := range c.want {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %s:\n%.3000s", c.target, want, page)
			}
		}
	}
	s.put("Basic", "large", `{"resourceType":"Basic","id":"large","code":{"text":"`+strings.Repeat("<large>",
		1<<19)+`"}}`)
	if page := get(server, "/fhir/Basic/large", browser).Body.String(); !strings.Contains(page,
		"too large for a page") || !strings.Contains(page, "Basic/large?_format=json") || len(page) > 10_000 {
		t.Errorf("a large resource: a page of %d bytes:\n%.2000s", len(page), page)
	}
	tenants := s.server(func(c *readapi.Config) { c.Tenants = []string{"clinic"} })
	if page := get(tenants, "/t/clinic/fhir/Patient/p1", browser,
		"X-Forwarded-Prefix: /ehr").Body.String(); !strings.Contains(page,
		`href="http://example.org/ehr/t/clinic/fhir/Patient"`) {
		t.Errorf("a tenant behind a proxy: the page leads elsewhere:\n%s", page)
	}
}

func TestTheStartPageHasLinesToCopy(t *testing.T) {
	w := get(newStore(t).server(), "/", "X-Forwarded-Host: ehr.example.com", "X-Forwarded-Proto: https",
		"X-Forwarded-Prefix: /ehr")
	for _, want := range []string{`{&#34;resourceType&#34;:&#34;Patient&#34;`,
		"https://ehr.example.com/ehr/fhir/Patient</pre>", `href="/ehr/health/ready"`,
		"go run . import --server https://ehr.example.com/ehr/fhir infra/sample"} {
		if !strings.Contains(w.Body.String(), want) &&
			!strings.Contains(strings.ReplaceAll(w.Body.String(), `"`, "&#34;"), want) {
			t.Errorf("the start page lacks %s:\n%s", want, w.Body)
		}
	}
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "sha256-") {
		t.Errorf("the start page has the policy %q", w.Header().Get("Content-Security-Policy"))
	}
}
