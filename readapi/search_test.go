package readapi_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/projections"
	"binnacle/readapi"
)

// patients writes n patients with the family names F00, F01, …
func (s *store) patients(n int) {
	s.t.Helper()
	for i := range n {
		s.put("Patient", fmt.Sprint("p", i),
			fmt.Sprintf(`{"resourceType":"Patient","active":true,"name":[{"family":"F%02d"}],"birthDate":"19%02d-01-01"}`, i, i))
	}
}

func TestASearchAnswersWithABundle(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1",
		`{"resourceType":"Patient","name":[{"family":"Schmidt"}],"extension":[{"url":"http://x","valueDecimal":255.0}]}`)
	s.put("Patient", "2", `{"resourceType":"Patient","name":[{"family":"Meyer"}]}`)
	s.put("Patient", "2", `{"resourceType":"Patient","name":[{"family":"Mayer"}]}`)
	server := s.server()
	w := get(server, "/fhir/Patient?family=schm")
	b := bundleOf(t, w)
	if b.kind != "searchset" || b.total != "1" || !slices.Equal(b.ids, []string{"Patient/1"}) || len(b.extra) != 0 {
		t.Errorf("got %s, total %q, %v, %v; want a searchset with Patient/1", b.kind, b.total, b.ids, b.extra)
	}
	if !strings.Contains(w.Body.String(), `"valueDecimal":255.0`) ||
		!strings.Contains(w.Body.String(), `"fullUrl":"http://example.org/fhir/Patient/1"`) {
		t.Errorf("want the exact bytes and the full URL, got %s", w.Body)
	}
	if want := "http://example.org/fhir/Patient?family=schm"; b.links["self"] != want || b.links["first"] != want ||
		b.links["next"] != "" {
		t.Errorf("links: got %v, want self and first %s", b.links, want)
	}
	if got, want := w.Header().Get("Link"), `<http://example.org/fhir/Patient?family=schm>; rel="self", <http://example.org/fhir/Patient?family=schm>; rel="first"`; got != want {
		t.Errorf("Link: got %s, want %s", got, want)
	}
	if got := w.Header().Get("Binnacle-Position"); got != "0:2" {
		t.Errorf("Binnacle-Position: got %q, want 0:2", got)
	}
	if got := w.Header().Get("Content-Type"); got != "application/fhir+json; charset=utf-8" {
		t.Errorf("Content-Type: got %q", got)
	}
	if b := bundleOf(t, get(server, "/fhir/Patient?family=Meyer")); len(b.ids) != 0 || b.total != "0" {
		t.Errorf("a name of the version before: got %v, total %s, want nothing", b.ids, b.total)
	}
}

func TestAnUnknownParameterNeverWidensUnseen(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	server := s.server()
	lenientServer := s.server(func(c *readapi.Config) { c.Lenient = true })
	const query = "/fhir/Patient?family=F01&flavor=red&_include=Observation:subject&organization.flavor=red&_has:Observation:patient:flavor=x"
	for how, w := range map[string]*httptest.ResponseRecorder{
		"by preference":           get(server, query, "Prefer: return=minimal, handling=lenient"),
		"by the server":           get(lenientServer, query),
		"by the first preference": get(server, query, "Prefer: handling=lenient", "Prefer: handling=strict"),
		"by POST": request{method: http.MethodPost, target: "/fhir/Patient/_search",
			headers: []string{"Content-Type: application/x-www-form-urlencoded", "Prefer: handling=lenient"},
			body:    strings.TrimPrefix(query, "/fhir/Patient?")}.do(server),
		"over several types": get(server, strings.Replace(query, "/fhir/Patient?", "/fhir?_type=Patient&", 1),
			"Prefer: handling=lenient"),
		"with an unknown handling": get(lenientServer, query, "Prefer: handling=loose"),
	} {
		b := bundleOf(t, w)
		if len(b.extra) != 4 || !strings.Contains(b.extra[0], "flavor") || !strings.Contains(b.extra[1], "_include") ||
			!strings.Contains(b.extra[2], "Organization") || !strings.Contains(b.extra[3], "_has") {
			t.Errorf("%s: the outcome tells %q, want flavor, _include, the chain and _has", how, b.extra)
		}
		if self := b.links["self"]; strings.Contains(self, "flavor") || strings.Contains(self, "_include") ||
			strings.Contains(self, "_has") || !strings.Contains(self, "family=F01") {
			t.Errorf("%s: the self link %s, want family alone", how, self)
		}
		if !slices.Equal(b.ids, []string{"Patient/p1"}) {
			t.Errorf("%s: got %v, want Patient/p1", how, b.ids)
		}
		for entry := range b.node.Get("entry").Items() {
			if entry.Get("search").Get("mode").Text() == "outcome" &&
				!strings.HasPrefix(entry.Get("fullUrl").Text(), "urn:uuid:") {
				t.Errorf("%s: the outcome has the fullUrl %q", how, entry.Get("fullUrl").Text())
			}
		}
	}
	for _, c := range []struct{ query, names string }{
		{"family=F01&flavor=red", "flavor"},
		{"_include=Observation:subject", "_include"},
		{"organization.flavor=x", "Organization"},
		{"_has:Observation:patient:flavor=x", "flavor"},
	} {
		for how, w := range map[string]*httptest.ResponseRecorder{
			"without a preference": get(server, "/fhir/Patient?"+c.query),
			"by preference on a lenient server": get(lenientServer, "/fhir/Patient?"+c.query,
				"Prefer: handling=strict"),
		} {
			if _, diagnostics := outcomeOf(t, w.Body.Bytes()); w.Code != 400 ||
				!strings.Contains(diagnostics, c.names) {
				t.Errorf("%s, %s: got %d %s, want 400 naming %s", c.query, how, w.Code, diagnostics, c.names)
			}
		}
	}
	for _, query := range []string{"birthdate=yesterday", "family:flavor=x", "_count=many", "_sort=", "family=%zz",
		"_page=x", "_page=", "_page=a&_page=b"} {
		if w := get(server, "/fhir/Patient?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", query, w.Code, w.Body)
		}
	}
}

func TestWhatIsNotOfferedIsRefusedWhateverTheHandling(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	server := s.server()
	for query, names := range map[string]string{
		"Patient?identifier:of-type=a|b|c": ":of-type", "Patient?_filter=x": "_filter", "Patient?_query=x": "_query", "Patient?_text=x": "_text", "Patient?_content=x": "_content", "Patient?birthdate=zz2000": "zz2000",
		"Condition?code:text=headache": ":text", "Observation?code:in=http://vs": ":in", "Observation?code:not-in=http://vs": ":not-in", "Observation?code:below=http://s|c": ":below",
		"Encounter?location:below=42": ":below", "DocumentReference?contenttype:below=text/xml": ":below", "Location?near=1|2|3|km": "near",
		"Observation?subject:Patient.identifier:of-type=a|b|c": ":of-type", "Patient?_has:Observation:patient:code:in=http://vs": ":in", "Patient/1/Observation?code:text=x": ":text", "Patient/1/*?_tag:in=http://vs": ":in",
		"?_type=Patient&_tag:below=x": ":below", "Observation?_include:recurse=Observation:subject": ":recurse",
	} {
		place, params, _ := strings.Cut(query, "?")
		path := strings.TrimSuffix("/fhir/"+place, "/")
		for _, prefer := range []string{"handling=strict", "handling=lenient"} {
			for how, w := range map[string]*httptest.ResponseRecorder{
				"GET": get(server, path+"?"+params, "Prefer: "+prefer),
				"POST": request{method: http.MethodPost, target: path + "/_search",
					headers: []string{"Content-Type: application/x-www-form-urlencoded", "Prefer: " + prefer},
					body:    params}.do(server),
			} {
				if place == "Patient/1/*" && how == "POST" {
					continue
				}
				if _, diagnostics := outcomeOf(t, w.Body.Bytes()); w.Code != 400 ||
					!strings.Contains(diagnostics, names) {
					t.Errorf("%s %s, %s: got %d %s, want 400 naming %s", how, query, prefer, w.Code, diagnostics, names)
				}
			}
		}
	}
}

func TestABlankValueFindsNothing(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	server := s.server()
	for query, want := range map[string]string{
		"family=%20": "[]", "family=%CC%81": "[]", "family:contains=%C2%A0": "[]", "family:exact=%20": "[]", "identifier=%20": "[]", "_id=%20": "[]", "_profile=%20": "[]", "general-practitioner:identifier=%20": "[]",
		"family=%20,F01": "[Patient/p1]", "family=F01,": "[Patient/p1]", "_id=p1,,p2,&_sort=_id": "[Patient/p1 Patient/p2]", "_has:Observation:patient:code=%20": "[]",
	} {
		if b := bundleOf(t, get(server, "/fhir/Patient?"+query)); fmt.Sprint(b.ids) != want || len(b.extra) != 0 {
			t.Errorf("%s: got %v, %q, want %s", query, b.ids, b.extra, want)
		}
	}
}

func TestTotalsExplanationsAndCounts(t *testing.T) {
	s := newStore(t)
	s.patients(5)
	server := s.server()
	if b := bundleOf(t, get(server, "/fhir/Patient?_count=0")); b.total != "5" || len(b.ids) != 0 ||
		b.links["next"] != "" {
		t.Errorf("_count=0: got total %s, %v, %v", b.total, b.ids, b.links)
	}
	if b := bundleOf(t, get(server, "/fhir/Patient?_summary=count")); b.total != "5" || len(b.ids) != 0 {
		t.Errorf("_summary=count: got total %s, %v", b.total, b.ids)
	}
	if b := bundleOf(t, get(server, "/fhir/Patient?_total=none&_count=2")); b.total != "" || len(b.ids) != 2 {
		t.Errorf("_total=none: got total %q, %v", b.total, b.ids)
	}
	if b := bundleOf(t, get(server, "/fhir/Patient?active=true&_explain=true")); len(b.extra) != 1 ||
		b.extra[0] == "" || len(b.ids) != 5 {
		t.Errorf("_explain: got %q with %v, want the plan beside all", b.extra, b.ids)
	}
}

// walk follows the links of one relation from a page to the end.
func walk(t *testing.T, handler http.Handler, b bundle, relation string) (pages []bundle) {
	t.Helper()
	for pages = append(pages, b); b.links[relation] != ""; pages = append(pages, b) {
		b = bundleOf(t, get(handler, b.links[relation]))
		if len(pages) > 1_000 {
			t.Fatal("the links go on for ever")
		}
	}
	return pages
}

func idsOf(pages []bundle) (ids []string) {
	for _, page := range pages {
		ids = append(ids, page.ids...)
	}
	return ids
}

func TestPagesShowTheStateOfTheFirstWhileWritesGoOn(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			s := newStore(t)
			s.patients(23)
			server := s.server()
			want := bundleOf(t, get(server, "/fhir/Patient?active=true&_sort=-family&_count=100")).ids
			var b bundle
			if method == http.MethodGet {
				b = bundleOf(t, get(server, "/fhir/Patient?active=true&_sort=-family&_count=4&_total=accurate"))
			} else {
				b = bundleOf(t, request{method: method, target: "/fhir/Patient/_search",
					body:    "active=true&_sort=-family&_count=4&_total=accurate",
					headers: []string{"Content-Type: application/x-www-form-urlencoded"}}.do(server))
			}
			pages := []bundle{b}
			for i := 0; b.links["next"] != ""; i++ {
				s.put("Patient", fmt.Sprint("new", i),
					`{"resourceType":"Patient","active":true,"name":[{"family":"F99"}]}`)
				s.put("Patient", fmt.Sprint("p", i), `{"resourceType":"Patient","active":false}`)
				s.delete("Patient", fmt.Sprint("p", 22-i))
				b = bundleOf(t, get(server, b.links["next"]))
				pages = append(pages, b)
			}
			if got := idsOf(pages); !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			for i, page := range pages {
				if page.total != "23" {
					t.Errorf("page %d: total %q, want 23", i, page.total)
				}
			}
			back := walk(t, server, b, "previous")
			if len(back) != len(pages) {
				t.Fatalf("back: %d pages, want %d", len(back), len(pages))
			}
			for i, page := range back {
				if want := pages[len(pages)-1-i].ids; !slices.Equal(page.ids, want) {
					t.Errorf("%d pages back: got %v, want %v", i, page.ids, want)
				}
			}
			if method == http.MethodPost {
				if first := bundleOf(t, get(server, b.links["first"])); !slices.Equal(first.ids, pages[0].ids) {
					t.Errorf("first: got %v, want %v", first.ids, pages[0].ids)
				}
			} else if got := b.links["first"]; strings.Contains(got, "_page") {
				t.Errorf("first: got %s, want the search itself", got)
			}
			if got := get(server, b.links["self"]); !slices.Equal(bundleOf(t, got).ids, b.ids) {
				t.Error("the self link of the last page leads elsewhere")
			}
		})
	}
}

func packed(text string) string {
	var data bytes.Buffer
	w := gzip.NewWriter(&data)
	_, _ = w.Write([]byte(text))
	_ = w.Close() // a buffer takes everything
	return data.String()
}

func TestLinksOfASearchByPostShowNothingOfIt(t *testing.T) {
	s := newStore(t)
	for i := range 6 {
		s.put("Patient", fmt.Sprint(i), `{"resourceType":"Patient","name":[{"family":"Schmidt"}]}`)
	}
	server := s.server()
	w := request{method: http.MethodPost, target: "/fhir/Patient/_search?_count=2", body: "family=Schmidt&_sort=family",
		headers: []string{"Content-Type: application/x-www-form-urlencoded; charset=utf-8"}}.do(server)
	b := bundleOf(t, w)
	if want := "http://example.org/fhir/Patient?_count=2&family=Schmidt&_sort=family"; b.links["self"] != want {
		t.Errorf("self: got %s, want %s", b.links["self"], want)
	}
	if line := w.Header().Get("Link"); strings.Contains(line, "Schmidt") || !strings.Contains(line, `rel="next"`) {
		t.Errorf("Link: got %s, want next without the name", line)
	}
	pages := walk(t, server, b, "next")
	if got := len(idsOf(pages)); got != 6 || len(pages) != 3 {
		t.Errorf("got %d resources on %d pages, want 6 on 3", got, len(pages))
	}
	for _, page := range pages[1:] {
		for relation, link := range page.links {
			if parsed, err := url.Parse(link); err != nil || len(parsed.Query()) != 1 ||
				parsed.Query().Get("_page") == "" {
				t.Errorf("%s: got %s, want _page alone", relation, link)
			}
		}
	}
	next := b.links["next"]
	if w := get(server, next+"&family=Meyer"); w.Code != http.StatusBadRequest {
		t.Errorf("another parameter beside a kept search: got %d, want 400", w.Code)
	}
	if w := get(server, strings.Replace(next, "Patient", "Observation", 1)); w.Code != http.StatusBadRequest {
		t.Errorf("another type: got %d, want 400", w.Code)
	}
	if w := get(server, next+"&_format=json"); w.Code != http.StatusOK {
		t.Errorf("with _format: got %d, want 200", w.Code)
	}
	kept := s.keptSearches()
	if len(kept) != 1 || kept[0].Owner != tenant || !strings.Contains(string(kept[0].Value), `family=Schmidt`) {
		t.Fatalf("kept %+v, want the search", kept)
	}
	if life := time.Until(kept[0].Until); life < 23*time.Hour || life > 25*time.Hour {
		t.Errorf("it is kept for %v, want 24 hours", life)
	}
	if err := s.memos.Forget(t.Context(), kept[0].MemoName, kept[0].Revision); err != nil {
		t.Fatal(err)
	}
	w = get(server, next)
	if code, diagnostics := outcomeOf(t, w.Body.Bytes()); w.Code != http.StatusGone ||
		!strings.Contains(diagnostics, "search again") {
		t.Errorf("after its life: got %d %s %s, want 410", w.Code, code, diagnostics)
	}
}

func TestASearchByPostIsKeptOnlyWhenItHasMorePages(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	request{method: http.MethodPost, target: "/fhir/Patient/_search", body: "active=true",
		headers: []string{"Content-Type: application/x-www-form-urlencoded"}}.do(s.server())
	if kept := s.keptSearches(); len(kept) != 0 {
		t.Errorf("kept %v, want nothing", kept)
	}
}

func (s *store) keptSearches() []projections.Memo {
	s.t.Helper()
	kept, err := s.memos.List(s.t.Context(), "search", "", 10)
	if err != nil {
		s.t.Fatal(err)
	}
	return kept
}

func TestFormsOfASearchByPost(t *testing.T) {
	s := newStore(t)
	s.patients(3)
	server := s.server(func(c *readapi.Config) { c.MaxCount = 2 })
	const form = "Content-Type: application/x-www-form-urlencoded"
	cases := []struct {
		name    string
		target  string
		headers []string
		body    string
		status  int
		ids     []string
	}{
		{"in the body", "/fhir/Patient/_search", []string{form}, "family=F01", 200, []string{"Patient/p1"}},
		{"in the query", "/fhir/Patient/_search?family=F01", []string{form}, "", 200, []string{"Patient/p1"}},
		{"in the query, without a body", "/fhir/Patient/_search?family=F01", nil, "", 200, []string{"Patient/p1"}},
		{"in both", "/fhir/Patient/_search?active=true", []string{form}, "family=F01", 200, []string{"Patient/p1"}},
		{"in both, contradicting", "/fhir/Patient/_search?family=F02", []string{form}, "family=F01", 200, nil},
		{"more than the most", "/fhir/Patient/_search?_sort=family", []string{form}, "_count=5000", 200,
			[]string{"Patient/p0", "Patient/p1"}},
		{"json", "/fhir/Patient/_search", []string{"Content-Type: application/json"}, `{"family":"F01"}`, 415, nil},
		{"without a type", "/fhir/Patient/_search", nil, "family=F01", 415, nil},
		{"a form that is not offered", "/fhir/Patient/_search", []string{form}, "_format=ttl", 406, nil},
		{"with gzip", "/fhir/Patient/_search", []string{form, "Content-Encoding: gzip"}, packed("family=F01"), 200,
			[]string{"Patient/p1"}},
		{"no gzip", "/fhir/Patient/_search", []string{form, "Content-Encoding: gzip"}, "family=F01", 400, nil},
		{"gzip cut off", "/fhir/Patient/_search", []string{form, "Content-Encoding: gzip"}, packed("family=F01")[:20],
			400, nil},
		{"too large when unpacked", "/fhir/Patient/_search", []string{form, "Content-Encoding: gzip"},
			packed("family=" + strings.Repeat("x", 1<<20)), 413, nil},
		{"with another encoding", "/fhir/Patient/_search", []string{form, "Content-Encoding: br"}, "family=F01", 415,
			nil},
		{"too large", "/fhir/Patient/_search", []string{form}, "family=" + strings.Repeat("x", 1<<20), 413, nil},
		{"of all types", "/fhir/_search", []string{form}, "_id=p1", 200, []string{"Patient/p1"}},
		{"of an unknown type", "/fhir/Unicorn/_search", []string{form}, "_id=1", 404, nil},
	}
	for _, c := range cases {
		w := request{method: http.MethodPost, target: c.target, headers: c.headers, body: c.body}.do(server)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %.300s", c.name, w.Code, c.status, w.Body)
			continue
		}
		if c.status != 200 {
			outcomeOf(t, w.Body.Bytes())
		} else if got := bundleOf(t, w).ids; !slices.Equal(got, c.ids) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.ids)
		}
	}
	w := request{method: http.MethodPost, target: "/fhir/Patient/_search", headers: []string{form},
		body: "_format=application/json"}.do(server)
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("_format in the body: got %q", got)
	}
}

func TestAPageOfASearchByGetIsAskedForByPost(t *testing.T) {
	s := newStore(t)
	s.patients(5)
	server := s.server()
	form := "Content-Type: application/x-www-form-urlencoded"
	all := walk(t, server, bundleOf(t, get(server, "/fhir/Patient?_sort=_id&_count=2")), "next")
	for i, page := range all[:len(all)-1] {
		next := strings.SplitN(page.links["next"], "?", 2)[1]
		got := bundleOf(t, request{method: http.MethodPost, target: "/fhir/Patient/_search", headers: []string{form},
			body: next}.do(server))
		if !slices.Equal(got.ids, all[i+1].ids) {
			t.Errorf("page %d: got %v, want %v", i+1, got.ids, all[i+1].ids)
		}
		if back := bundleOf(t, get(server, got.links["previous"])); !slices.Equal(back.ids, page.ids) {
			t.Errorf("the page before page %d: got %v, want %v", i+1, back.ids, page.ids)
		}
		if strings.Contains(got.links["previous"], "_sort") {
			t.Errorf("the links of a search by POST show what was asked: %s", got.links["previous"])
		}
	}
}

func TestATokenIsGoodForItsSearchAlone(t *testing.T) {
	s := newStore(t)
	s.patients(9)
	server := s.server()
	next := bundleOf(t, get(server, "/fhir/Patient?active=true&_count=2")).links["next"]
	if b := bundleOf(t, get(server, strings.Replace(next, "_count=2", "_count=3", 1))); len(b.ids) != 3 {
		t.Errorf("another _count: got %v, want 3 of the rest", b.ids)
	}
	for _, changed := range []string{
		strings.Replace(next, "active=true", "active=false", 1), strings.Replace(next, "active=true", "", 1),
		strings.Replace(next, "Patient", "Practitioner", 1), next + "&family=F01", next[:len(next)-3],
	} {
		if w := get(server, changed); w.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", changed, w.Code)
		}
	}
}

func TestAPageOfLargeResourcesIsCut(t *testing.T) {
	s := newStore(t)
	filler := strings.Repeat("x", 9<<20)
	for i := range 8 {
		s.put("Binary", fmt.Sprint(i), `{"resourceType":"Binary","contentType":"text/plain","data":"`+filler+`"}`)
	}
	server := s.server()
	pages := walk(t, server, bundleOf(t, get(server, "/fhir/Binary?_sort=_id")), "next")
	if len(pages) != 3 || len(pages[0].ids) != 3 {
		t.Errorf("got %d pages, %d on the first; want 3 of 27 MiB each", len(pages), len(pages[0].ids))
	}
	if got := idsOf(pages); len(got) != 8 || !slices.IsSorted(got) {
		t.Errorf("got %v, want all 8 in order", got)
	}
	history := walk(t, server, bundleOf(t, get(server, "/fhir/Binary/1/_history")), "next")
	if len(history) != 1 || len(history[0].ids) != 1 {
		t.Errorf("history: got %v", history)
	}
}

func FuzzASearchNeverFails(f *testing.F) {
	s := newStore(f)
	s.patients(5)
	var log bytes.Buffer
	server := s.server(func(c *readapi.Config) {
		c.PositionWait, c.Logger = time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	})
	first := bundleOf(f, get(server, "/fhir/Patient?_count=2"))
	for _, seed := range []string{"family=F01", "_count=2&_sort=-birthdate,family",
		strings.SplitN(first.links["next"], "?", 2)[1], "_page=AQ", "%zz",
		"birthdate=ge2000&_total=accurate&_explain=true",
		"a=b;c=d", "_page=%41%51", "_format=xml", "_id=a,b\\,c", "gender:missing=true", "organization:identifier=a|b",
		"organization.name=x&_has:Observation:patient:code-value-quantity=a$gt5&_list=1", "_include:iterate=*&_revinclude=*&_summary=true", "_elements=name&_asOf=0:3", "_type=Patient,Person&_sort=name&_count=1", "link:Patient.organization.partof.name=a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, q := range []request{
			{method: http.MethodGet, target: "/fhir/Patient?" + query},
			{method: http.MethodGet, target: "/fhir/Patient/p1/Patient?" + query},
			{method: http.MethodGet, target: "/fhir?_type=Patient,Person&" + query},
			{method: http.MethodPost, target: "/fhir/Patient/_search", body: query,
				headers: []string{"Content-Type: application/x-www-form-urlencoded"}},
			{method: http.MethodGet, target: "/fhir/Patient/p1/_history?" + query},
			{method: http.MethodGet, target: "/fhir/Patient/p1?" + query, headers: []string{"Prefer: handling=strict"}},
		} {
			log.Reset()
			w := q.do(server)
			// _asOf
			later := w.Code == http.StatusServiceUnavailable &&
				strings.Contains(w.Body.String(), "is not projected yet")
			if w.Code >= 500 && !later || w.Code < 200 {
				t.Errorf("%s %q %q: status %d: %.300s\n%s", q.method, q.target, q.body, w.Code, w.Body, log.String())
			}
			if w.Code >= 400 {
				outcomeOf(t, w.Body.Bytes())
			}
		}
	})
}
