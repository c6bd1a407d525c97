package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestAnswersAreOfTheTypeThatWasAskedFor(t *testing.T) {
	const (
		fhirXML  = "application/fhir+xml; charset=utf-8"
		plainXML = "application/xml; charset=utf-8"
		textXML  = "text/xml; charset=utf-8"
		fhirJSON = "application/fhir+json; charset=utf-8"
		plain    = "application/json; charset=utf-8"
		text     = "text/json; charset=utf-8"
		refused  = ""
	)
	cases := []struct{ accept, format, want string }{
		{"", "", fhirJSON},
		{"*/*", "", fhirJSON},
		{"application/*", "", fhirJSON},
		{"application/fhir+json", "", fhirJSON},
		{"APPLICATION/FHIR+JSON", "", fhirJSON},
		{"application/json", "", plain},
		{"text/json", "", text},
		{"application/xml", "", plainXML},
		{"text/xml", "", textXML},
		{"application/fhir+xml", "", fhirXML},
		{"application/xml+fhir;q=0.8, application/json;q=0.7", "", fhirXML},
		{"application/fhir+xml;q=0.2, application/fhir+json;q=0.3", "", fhirJSON},
		{"application/fhir+xml, application/fhir+json", "", fhirXML},
		{"application/fhir+xml; fhirVersion=3.0", "", refused},
		{"text/html, application/xml", "", plainXML}, // a page that there is not would be liked as well
		{"text/*", "", text},
		{"image/png, text/html", "", refused},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", fhirJSON},
		{"application/json;q=0.5, application/fhir+json;q=0.9", "", fhirJSON},
		{"application/json;q=0.9, application/fhir+json;q=0.5", "", plain},
		{"application/json, application/fhir+json", "", plain},
		{"application/fhir+xml, application/json;q=0.1", "", fhirXML},
		{"application/fhir+json;q=0", "", refused},
		{"application/fhir+json;q=0, */*", "", plain},
		{"*/*, application/fhir+json;q=0, application/json;q=0.0", "", text},
		{"application/*;q=0, */*", "", text},
		{"application/json;q=0.2, */*;q=0.1, application/fhir+json;q=0", "", plain},
		{"application/fhir+json;q=0.3, application/*;q=0.7", "", plain},
		{"*/*, application/json", "", fhirJSON},
		{"application/json, */*", "", plain},
		{"application/fhir+json; fhirVersion=4.0", "", fhirJSON},
		{"application/fhir+json; fhirVersion=4.0.1", "", fhirJSON},
		{"application/fhir+json; fhirVersion=5.0", "", refused},
		{`application/fhir+json; note="a,b"`, "", fhirJSON},
		{"application/fhir+json;q=7", "", refused},
		{" , ", "", fhirJSON},
		{";;;", "", refused},
		{"", "json", fhirJSON},
		{"application/xml", "json", fhirJSON},
		{"*/*", "xml", fhirXML},
		{"*/*", "application/fhir xml", fhirXML},
		{"*/*", "application/xml", plainXML},
		{"*/*", "text/xml", textXML},
		{"*/*", "ttl", refused},
		{"*/*", "application/json", plain},
		{"*/*", "application/fhir+json", fhirJSON},
		{"*/*", "application/fhir json", fhirJSON}, // the plus sign was not escaped
		{"*/*", "text/json", text},
		{"*/*", "application/fhir+json;fhirVersion=3.0", refused},
		{"*/*", "application/fhir+xml;charset=utf-8", fhirXML},
		{"*/*", "application/fhir+json;charset=utf-8", fhirJSON},
	}
	for _, c := range cases {
		target := "/fhir/Patient/1"
		if c.format != "" {
			target += "?_format=" + url.QueryEscape(c.format)
		}
		r := httptest.NewRequest(http.MethodGet, target, nil)
		// not escaped: a semicolon ends nothing, a plus sign is a space
		if c.format != "" && !strings.Contains(c.format, " ") {
			raw := r.Clone(r.Context())
			raw.URL.RawQuery = "_format=" + c.format + "&_pretty=true"
			raw.Header.Set("Accept", c.accept)
			if got := askedOf(raw).ContentType; got != c.want {
				t.Errorf("Accept %q, _format %q as it is: got %q, want %q", c.accept, c.format, got, c.want)
			}
		}
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		if got := askedOf(r).ContentType; got != c.want {
			t.Errorf("Accept %q, _format %q: got %q, want %q", c.accept, c.format, got, c.want)
		}
	}
}

func askedOf(r *http.Request) *Ask { return new(Address).Ask(r) }

func FuzzNegotiationNeverFails(f *testing.F) {
	f.Add("application/json;q=0.5, */*", "_format=json")
	f.Add(`"`, "_format=%zz&_format=")
	f.Fuzz(func(t *testing.T, accept, query string) {
		r := httptest.NewRequest(http.MethodGet, "/fhir/Patient", nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept", accept)
		if contentType := askedOf(r).ContentType; contentType != "" && !strings.Contains(contentType, "json") &&
			!IsXML(contentType) {
			t.Errorf("Accept %q, %q: got %q, which is not offered", accept, query, contentType)
		}
	})
}
func TestOfAPreferenceTheFirstCounts(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  Preferences
	}{
		{"none", nil, Preferences{}},
		{"one", []string{"return=minimal"}, Preferences{Return: Minimal}},
		{"several", []string{"respond-async, return=representation; handling=strict"},
			Preferences{Return: Representation, Handling: Strict, Async: true}},
		{"one twice", []string{"return=minimal, return=representation", "return=OperationOutcome"},
			Preferences{Return: Minimal}},
		{"another twice", []string{"handling=lenient", "handling=strict"}, Preferences{Handling: Lenient}},
		{"quoted, and in another case", []string{`Return="operationoutcome", HANDLING = Lenient`},
			Preferences{Return: Outcome, Handling: Lenient}},
		{"what nobody knows", []string{"wait=10, return=everything, handling, =minimal"}, Preferences{}},
	} {
		if got := preferencesOf(http.Header{"Prefer": c.lines}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
