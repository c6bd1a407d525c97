package readapi_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	documents "binnacle/events/fhir"
	"binnacle/projections/fhir/form"
)

const (
	resourceType = "application/fhir+json; charset=utf-8"
	picture      = "\x89PNG\r\n\x1a\n with \x00 bytes of all kinds \xff\xfe"
)

// raw is a Binary as it is stored when its bytes were sent.
func raw(contentType, security, data string) string {
	return string(form.RawHead(contentType, security)) + data
}

// resource is a Binary that was sent as a resource.
func resource(contentType, data string) string {
	return `{"resourceType":"Binary","contentType":"` + contentType + `","data":"` +
		base64.StdEncoding.EncodeToString([]byte(data)) + `"}`
}

func TestABinaryIsReadAsItsBytesOrAsAResource(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "p", patient)
	s.put("Binary", "raw", raw("image/png", "Patient/p", picture))
	s.put("Binary", "sent", resource("image/png", picture))
	s.put("Binary", "json", raw("application/json", "", `{"a":1}`))
	s.put("Binary", "odd", raw("a lie\r\nX: y", "x\r\ny", "odd"))
	s.put("Binary", "broken", `{"resourceType":"Binary","contentType":"image/png","data":"no base64!"}`)
	server := s.server()
	for _, c := range []struct{ id, accept, query, want string }{ // want: a content type, or the status
		{"raw", "", "", "image/png"},
		{"raw", "*/*", "", "image/png"},
		{"raw", "image/*", "", "image/png"},
		{"raw", "image/png", "", "image/png"},
		{"raw", strings.TrimPrefix(browser, "Accept: "), "", "image/png"},
		{"raw", "application/fhir+json", "", resourceType},
		{"raw", "application/fhir+json;q=1.0, application/json+fhir;q=0.9", "", resourceType},
		{"raw", "application/fhir+json, */*;q=0.1", "", resourceType},
		{"raw", "application/fhir+json;q=0.5, */*", "", "image/png"},
		{"raw", "application/json", "", "application/json; charset=utf-8"},
		{"raw", "application/json, */*", "", "image/png"},
		{"raw", "application/fhir+xml", "", "application/fhir+xml; charset=utf-8"},
		{"raw", "*/*", "xml", "application/fhir+xml; charset=utf-8"},
		{"raw", "image/jpeg", "", "406"},
		{"raw", "image/png;q=0, */*", "", resourceType},
		{"raw", "*/*", "json", resourceType},
		{"raw", "*/*", "application/fhir%2Bjson", resourceType},
		{"raw", "image/jpeg", "image/png", "image/png"},
		{"raw", "*/*", "image/jpeg", "406"},
		{"raw", "*/*", "html", "text/html; charset=utf-8"},
		{"sent", "", "", "image/png"},
		{"sent", "application/fhir+json", "", resourceType},
		{"json", "application/json", "", "application/json"},
		{"json", "application/fhir+json", "", resourceType},
		{"odd", "", "", "application/octet-stream"},
		{"broken", "*/*", "", "406"},
		{"broken", "application/fhir+json", "", resourceType},
		{"none", "image/png", "", "404"},
	} {
		for _, path := range []string{"/fhir/Binary/" + c.id, "/fhir/Binary/" + c.id + "/_history/1"} {
			for _, method := range []string{"GET", "HEAD"} {
				target, headers := path, []string(nil)
				if c.query != "" {
					target += "?_format=" + c.query
				}
				if c.accept != "" {
					headers = []string{"Accept: " + c.accept}
				}
				w := request{method: method, target: target, headers: headers}.do(server)
				status := 200
				switch c.want {
				case "406":
					status = 406
				case "404":
					status = 404
				}
				contentType := c.want
				if status != 200 {
					contentType = resourceType
				}
				if w.Code != status || w.Header().Get("Content-Type") != contentType {
					t.Errorf("%s %s, %q: got %d %q, want %s", method, target, c.accept, w.Code,
						w.Header().Get("Content-Type"), c.want)
				}
				if status == 200 && (w.Header().Get("Vary") == "" || c.want != "text/html; charset=utf-8" &&
					w.Header().Get("ETag") != `W/"1"`) {
					t.Errorf("%s %s: got %v", method, target, w.Header())
				}
			}
		}
	}
	for _, id := range []string{"raw", "sent"} {
		w := get(server, "/fhir/Binary/"+id)
		if w.Body.String() != picture || w.Header().Get("Content-Length") != "37" ||
			w.Header().Get("Last-Modified") == "" || w.Header().Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s: got %q with %v", id, w.Body, w.Header())
		}
		if got := w.Header().Get("X-Security-Context"); (got == "Patient/p") != (id == "raw") {
			t.Errorf("%s: the security context is %q", id, got)
		}
		w = get(server, "/fhir/Binary/"+id, "Accept: application/fhir+json")
		read, err := documents.ParseResource(w.Body.Bytes())
		if err != nil || read.ID != id || read.Meta.Get("versionId").Text() != "1" ||
			read.Node.Get("contentType").Text() != "image/png" ||
			read.Node.Get("data").Text() != base64.StdEncoding.EncodeToString([]byte(picture)) {
			t.Errorf("%s as a resource: got %s (%v)", id, w.Body, err)
		}
	}
	if got := get(server, "/fhir/Binary/odd").Header(); got.Get("X-Security-Context") != "" || got.Get("X") != "" {
		t.Errorf("what was stored writes headers: %v", got)
	}
	if w := get(server, "/fhir/Binary/raw?_pretty=true"); w.Body.String() != picture {
		t.Errorf("bytes were indented: %q", w.Body)
	}
	if w := get(server, "/fhir/Binary/raw?_elements=contentType", "Accept: application/fhir+json"); !strings.Contains(
		w.Body.String(), "SUBSETTED") || strings.Contains(w.Body.String(), `"data"`) {
		t.Errorf("a part of the resource: got %s", w.Body)
	}
	if b := bundleOf(t, get(server, "/fhir/Binary?_id=raw,sent")); len(b.ids) != 2 {
		t.Errorf("found %v", b.ids)
	}
	if b := bundleOf(t, get(server, "/fhir/Binary/raw/_history", "Accept: image/png, application/fhir+json")); len(
		b.ids) != 1 {
		t.Errorf("the history has %v", b.ids)
	}
	if w := get(server, "/fhir/Binary", "Accept: image/png"); w.Code != 406 {
		t.Errorf("a search as a picture: got %d", w.Code)
	}
	s.delete("Binary", "raw")
	if w := get(server, "/fhir/Binary/raw", "Accept: image/png"); w.Code != 410 {
		t.Errorf("deleted: got %d", w.Code)
	}
}

func TestRangesOfABinaryAreReadByTheRulesOfHTTP(t *testing.T) {
	s := newStore(t)
	data := strings.Repeat("0123456789", 100)
	version := s.put("Binary", "raw", raw("text/plain", "", data))
	s.put("Binary", "sent", resource("text/plain", data))
	server := s.server()
	modified := version.Time.UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name, asked, condition string
		status                 int
		span, body             string
	}{
		{"none", "", "", 200, "", data},
		{"the first bytes", "bytes=0-3", "", 206, "bytes 0-3/1000", "0123"},
		{"one byte", "bytes=7-7", "", 206, "bytes 7-7/1000", "7"},
		{"from a place on", "bytes=995-", "", 206, "bytes 995-999/1000", "56789"},
		{"the last bytes", "bytes=-4", "", 206, "bytes 996-999/1000", "6789"},
		{"more than there are", "bytes=998-5000", "", 206, "bytes 998-999/1000", "89"},
		{"behind the end", "bytes=1000-", "", 416, "bytes */1000", ""},
		{"no last bytes", "bytes=-0", "", 416, "bytes */1000", ""},
		{"behind any end", "bytes=99999999999999999999-", "", 416, "bytes */1000", ""},
		{"no last bytes, and some", "bytes=-0, 0-3", "", 206, "bytes 0-3/1000", "0123"},
		{"an end that no file has", "bytes=0-99999999999999999999999999", "", 206, "bytes 0-999/1000", data},
		{"more last bytes than any file has", "bytes=-99999999999999999999", "", 206, "bytes 0-999/1000", data},
		{"the unit in capitals", "BYTES=0-3", "", 206, "bytes 0-3/1000", "0123"},
		{"another unit", "items=0-3", "", 200, "", data},
		{"no unit", "0-3", "", 200, "", data},
		{"letters", "bytes=a-b", "", 200, "", data},
		{"an end before the beginning", "bytes=5-3", "", 200, "", data},
		{"no number", "bytes=-", "", 200, "", data},
		{"a sign", "bytes=--3", "", 200, "", data},
		{"no range", "bytes=", "", 200, "", data},
		{"one malformed beside a good one", "bytes=0-3,x", "", 200, "", data},
		{"nothing there, with another date", "bytes=-0", "If-Range: Mon, 01 Jan 2024 00:00:00 GMT", 200, "", data},
		{"If-Range with a weak tag", "bytes=0-3", `If-Range: W/"1"`, 200, "", data},
		{"If-Range with a strong tag", "bytes=0-3", `If-Range: "1"`, 200, "", data},
		{"If-Range with the date", "bytes=0-3", "If-Range: " + modified, 206, "bytes 0-3/1000", "0123"},
		{"If-Range with another date", "bytes=0-3",
			"If-Range: " + version.Time.Add(-time.Hour).UTC().Format(http.TimeFormat), 200, "", data},
		{"a copy that is good", "bytes=0-3", `If-None-Match: W/"1"`, 304, "", ""},
		{"a copy that is not", "bytes=0-3", `If-None-Match: W/"2"`, 206, "bytes 0-3/1000", "0123"},
	} {
		for _, id := range []string{"raw", "sent"} {
			var headers []string
			if c.asked != "" {
				headers = append(headers, "Range: "+c.asked)
			}
			if c.condition != "" && (id == "raw" || !strings.HasPrefix(c.condition, "If-Range: "+modified)) {
				headers = append(headers, c.condition)
			}
			w := get(server, "/fhir/Binary/"+id, headers...)
			if w.Code != c.status || w.Header().Get("Content-Range") != c.span || c.status < 400 &&
				w.Body.String() != c.body {
				t.Errorf("%s, %s: got %d %q %q, want %d %q %q", c.name, id, w.Code, w.Header().Get("Content-Range"),
					w.Body, c.status, c.span, c.body)
			}
			if c.status == 416 {
				if code, _ := outcomeOf(t, w.Body.Bytes()); code != "not-supported" {
					t.Errorf("%s: got the code %s", c.name, code)
				}
			}
		}
	}
	several := get(server, "/fhir/Binary/sent", "Range: bytes=0-1,10-12")
	if several.Code != 206 || !strings.HasPrefix(several.Header().Get("Content-Type"), "multipart/byteranges") ||
		!strings.Contains(several.Body.String(), "bytes 10-12/1000") {
		t.Errorf("several ranges: got %d %v", several.Code, several.Header())
	}
	head := request{method: "HEAD", target: "/fhir/Binary/raw", headers: []string{"Range: bytes=0-3"}}.do(server)
	if head.Code != 200 || head.Header().Get("Content-Length") != "1000" {
		t.Errorf("HEAD: got %d %v", head.Code, head.Header())
	}
	if w := get(server, "/fhir/Binary/raw", "Range: bytes=0-3", "Accept: application/fhir+json"); w.Code != 200 {
		t.Errorf("a range of the resource: got %d", w.Code)
	}
}

// TestAStoredPageCannotActAsOneOfThisServer: it is shown, in a sandbox without an origin and without scripts.
func TestAStoredPageCannotActAsOneOfThisServer(t *testing.T) {
	s := newStore(t)
	const evil = `<html><script>fetch("/fhir/Patient").then(steal)</script></html>`
	for id, contentType := range map[string]string{"html": "text/html", "svg": "image/svg+xml", "xml": "text/xml",
		"none": "", "odd": "text/html; charset=\"\x01\"", "pdf": "application/pdf", "xhtml": "application/xhtml+xml"} {
		s.put("Binary", id, raw(contentType, "", evil))
		w := get(s.server(), "/fhir/Binary/"+id, browser)
		header := w.Header()
		if w.Code != 200 || w.Body.String() != evil || header.Get("X-Content-Type-Options") != "nosniff" ||
			(header.Get("Content-Security-Policy") == "sandbox") != (id != "pdf") ||
			header.Get("Content-Disposition") != `inline; filename="`+id+`"` {
			t.Errorf("%s: got %d %v", id, w.Code, header)
		}
	}
	page := get(s.server(), "/fhir/Binary/html?_format=html", browser)
	if got := page.Body.String(); !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") ||
		strings.Contains(got, "<script>") || !strings.Contains(got, `/fhir/Binary/html/_history/1" rel="content"`) {
		t.Errorf("its page: got %s", got)
	}
}

// TestAPageLinksWhatAttachmentsHold: a url of an attachment that is Binary/x leads there.
func TestAPageLinksWhatAttachmentsHold(t *testing.T) {
	s := newStore(t)
	s.put("DocumentReference", "d", `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":`+
		`{"url":"Binary/x"}},{"attachment":{"url":"http://example.com/Binary/x"}},{"attachment":{"url":"Patient/x"}}]}`)
	got := get(s.server(), "/fhir/DocumentReference/d", browser).Body.String()
	if strings.Count(got, `href="http://example.org/fhir/Binary/x"`) != 1 || strings.Contains(got, "com/Binary/x\"><") ||
		strings.Contains(got, `href="http://example.org/fhir/Patient/x"`) {
		t.Errorf("got %s", got)
	}
}
