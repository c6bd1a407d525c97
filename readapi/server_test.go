package readapi_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
	"binnacle/readapi"
)

// echo stands for the write door: it tells what it was given.
func echo(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
	w.Header().Set("Seen", r.Method+" "+ask.Root+strings.TrimPrefix(r.URL.Path, "/fhir"))
	w.WriteHeader(http.StatusCreated)
	return nil
}

func withWrite(c *readapi.Config) {
	c.Writes = []rest.Row{
		{Name: "create", Codes: []string{"create"}, Method: http.MethodPost, Path: "/:type", Serve: echo},
		{Name: "update", Codes: []string{"update"}, Method: http.MethodPut, Path: "/:type/:id", Serve: echo},
		{Name: "delete", Codes: []string{"delete"}, Method: http.MethodDelete, Path: "/:type/:id", Serve: echo},
		{Name: "update-conditional", Method: http.MethodPut, Path: "/:type", Serve: echo},
		{Name: "delete-conditional", Method: http.MethodDelete, Path: "/:type", Serve: echo},
		{Name: "bundle", Codes: []string{"transaction", "batch"}, Method: http.MethodPost, Path: "", Serve: echo},
	}
}

func TestEveryPlaceTakesItsMethods(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	both, reads, writes := s.server(withWrite), s.server(), s.server(withWrite,
		func(c *readapi.Config) { c.Reader, c.Blobs = nil, nil })
	cases := []struct {
		name    string
		handler http.Handler
		method  string
		target  string
		status  int
		allow   string
	}{
		{"create", both, "POST", "/fhir/Patient", 201, ""},
		{"update", both, "PUT", "/fhir/Patient/1", 201, ""},
		{"delete", both, "DELETE", "/fhir/Patient/1", 201, ""},
		{"conditional update", both, "PUT", "/fhir/Patient?name=x", 201, ""},
		{"conditional delete", both, "DELETE", "/fhir/Patient?name=x", 201, ""},
		{"bundle", both, "POST", "/fhir", 201, ""},
		{"bundle with a slash", both, "POST", "/fhir/", 201, ""},
		{"search by post", both, "POST", "/fhir/Patient/_search", 200, ""},
		{"search by get in the place of post", both, "GET", "/fhir/Patient/_search", 405, "POST"},
		{"patch", both, "PATCH", "/fhir/Patient/1", 405, "GET, HEAD, PUT, DELETE"},
		{"post to a resource", both, "POST", "/fhir/Patient/1", 405, "GET, HEAD, PUT, DELETE"},
		{"delete of a version", both, "DELETE", "/fhir/Patient/1/_history/1", 405, "GET, HEAD"},
		{"write to metadata", both, "PATCH", "/fhir/metadata", 405, "GET, HEAD"},
		{"put to metadata", both, "PUT", "/fhir/metadata", 405, "GET, HEAD"},
		{"put to a search", both, "PUT", "/fhir/Patient/_search", 405, "POST"},
		{"a history of a type by another method", both, "DELETE", "/fhir/Patient/_history", 405, "GET, HEAD"},
		{"an unknown type by a method that nothing takes", both, "PATCH", "/fhir/Unicorn/1", 404, ""},
		{"a resource whose id is a name", both, "GET", "/fhir/Patient/metadata", 404, ""},
		{"write to health", both, "POST", "/health", 405, "GET, HEAD"},
		{"an unknown type", both, "PUT", "/fhir/Unicorn/1", 404, ""},
		{"an operation", both, "GET", "/fhir/Patient/$everything", 404, ""},
		{"an operation by post", both, "POST", "/fhir/Patient/$validate", 404, ""},
		{"an operation on a resource", both, "GET", "/fhir/Patient/1/$everything", 404, ""},
		{"an operation on a resource by post", both, "POST", "/fhir/Patient/1/$validate", 404, ""},
		{"an operation on a version", both, "POST", "/fhir/Patient/1/_history/1/$meta-add", 404, ""},
		{"an operation on everything", both, "GET", "/fhir/$export", 404, ""},
		{"an operation on everything by post", both, "POST", "/fhir/$meta", 404, ""},
		{"an operation by another method", both, "DELETE", "/fhir/Patient/$purge", 404, ""},
		{"an operation of what is no type", both, "GET", "/fhir/Unicorn/$x", 404, ""},
		{"an operation on a reading node", reads, "POST", "/fhir/Patient/$validate", 404, ""},
		{"an operation on a writing node", writes, "GET", "/fhir/$export", 404, ""},
		{"a compartment", both, "GET", "/fhir/Patient/1/Observation", 200, ""},
		{"all of a compartment", both, "GET", "/fhir/Patient/1/*", 200, ""},
		{"a compartment by post", both, "POST", "/fhir/Patient/1/Observation/_search", 200, ""},
		{"a compartment of a type that has none", both, "GET", "/fhir/Organization/1/Observation", 404, ""},
		{"a type that is never in a compartment", both, "GET", "/fhir/Patient/1/Organization", 400, ""},
		{"no compartment", both, "GET", "/fhir/Patient/1/Nonsense", 404, ""},
		{"a search over all types", both, "GET", "/fhir?_id=1", 200, ""},
		{"nothing", both, "GET", "/nothing", 404, ""},
		{"a type behind two slashes", both, "GET", "/fhir//Patient", 200, ""},
		{"create behind two slashes", both, "POST", "/fhir//Patient", 201, ""},
		{"delete of an id without a type", both, "DELETE", "/fhir//1", 404, ""},
		{"update of an id without a type", both, "PUT", "/fhir//1", 404, ""},
		{"an id behind two slashes", both, "GET", "/fhir/Patient//1", 200, ""},
		{"a history without an id", both, "DELETE", "/fhir/Patient//_history", 405, "GET, HEAD"},
		{"deeper than anything", both, "GET", "/fhir/Patient/1/_history/1/2", 404, ""},
		{"start page", both, "GET", "/", 200, ""},
		{"start page head", both, "HEAD", "/", 200, ""},
		{"capabilities", both, "GET", "/fhir/metadata", 200, ""},
		{"create on a reading node", reads, "POST", "/fhir/Patient", 405, "GET, HEAD"},
		{"update on a reading node", reads, "PUT", "/fhir/Patient/1", 405, "GET, HEAD"},
		{"bundle on a reading node", reads, "POST", "/fhir", 405, "GET, HEAD"},
		{"read on a writing node", writes, "GET", "/fhir/Patient/1", 405, "PUT, DELETE"},
		{"search on a writing node", writes, "GET", "/fhir/Patient", 405, "POST, PUT, DELETE"},
		{"create on a writing node", writes, "POST", "/fhir/Patient", 201, ""},
		{"capabilities of a writing node", writes, "GET", "/fhir/metadata", 200, ""},
	}
	for _, c := range cases {
		w := request{method: c.method, target: c.target}.do(c.handler)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, w.Code, c.status, w.Body)
			continue
		}
		if c.status >= 400 {
			outcomeOf(t, w.Body.Bytes())
		}
		if (w.Header().Get("Allow") != "") != (c.status == 405) {
			t.Errorf("%s: %d with Allow %q", c.name, w.Code, w.Header().Get("Allow"))
		}
		if c.allow != "" && !sameList(w.Header().Get("Allow"), c.allow) {
			t.Errorf("%s: Allow %q, want %q", c.name, w.Header().Get("Allow"), c.allow)
		}
	}
}

func sameList(a, b string) bool {
	count := map[string]int{}
	for item := range strings.SplitSeq(a, ", ") {
		count[item]++
	}
	for item := range strings.SplitSeq(b, ", ") {
		count[item]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestAWriteThatAcceptsNoAnswerIsRefusedBeforeItIsMade(t *testing.T) {
	w := request{method: "POST", target: "/fhir/Patient",
		headers: []string{"Accept: application/fhir+turtle"}}.do(newStore(t).server(withWrite))
	if w.Code != http.StatusNotAcceptable || w.Header().Get("Seen") != "" {
		t.Errorf("got %d, seen %q; want 406, unseen", w.Code, w.Header().Get("Seen"))
	}
}

func TestTheAddressIsTheOneThatClientsSee(t *testing.T) {
	cases := []struct {
		name    string
		public  string
		headers []string
		want    string // the base of links
	}{
		{"the request's", "", nil, "http://example.org/fhir"},
		{"Forwarded", "",
			[]string{`Forwarded: for=1.2.3.4;proto=https;host="ehr.example.com:8443", for="192.0.2.9:4711";host=inner`},
			"https://ehr.example.com:8443/fhir"},
		{"X-Forwarded", "", []string{"X-Forwarded-Proto: https, http", "X-Forwarded-Host: ehr.example.com, inner",
			"X-Forwarded-For: 1.2.3.4, 192.0.2.9", "X-Forwarded-Prefix: /ehr/"}, "https://ehr.example.com/ehr/fhir"},
		{"Forwarded rules over X-Forwarded", "", []string{"Forwarded: proto=https",
			"X-Forwarded-Host: evil.example.com"}, "https://example.org/fhir"},
		{"the client's word before that of the proxy", "",
			[]string{"Forwarded: host=evil.example.com", `Forwarded: for=1.2.3.4;host=ehr.example.com`},
			"http://ehr.example.com/fhir"},
		{"the client's word behind two proxies", "",
			[]string{`Forwarded: host=evil.example.com, for=1.2.3.4;proto=https;host=ehr.example.com, for="[::ffff:192.0.2.9]"`}, "https://ehr.example.com/fhir"},
		{"the client's word in X-Forwarded", "", []string{"X-Forwarded-Host: evil.example.com, ehr.example.com",
			"X-Forwarded-Proto: gopher, https", "X-Forwarded-For: 192.0.2.7, 1.2.3.4"}, "https://ehr.example.com/fhir"},
		{"the client's word, and no chain", "", []string{"X-Forwarded-Host: evil.example.com",
			"X-Forwarded-Host: ehr.example.com"}, "http://ehr.example.com/fhir"},
		{"a proxy that says less than the one before", "",
			[]string{"X-Forwarded-Host: ehr.example.com", "X-Forwarded-Proto: https, http",
				"X-Forwarded-For: 1.2.3.4, 192.0.2.9"}, "https://ehr.example.com/fhir"},
		{"nonsense is passed over", "", []string{"X-Forwarded-Proto: gopher", `X-Forwarded-Host: a"><b`,
			"X-Forwarded-Prefix: //evil"}, "http://example.org/fhir"},
		{"configuration rules", "https://fhir.example.net/r4/fhir/",
			[]string{"Forwarded: proto=http;host=x", "X-Forwarded-Prefix: /p"}, "https://fhir.example.net/r4/fhir"},
	}
	for _, c := range cases {
		s := newStore(t)
		s.patients(1)
		server := s.server(withWrite, func(config *readapi.Config) { config.PublicURL = c.public })
		if got := bundleOf(t, get(server, "/fhir/Patient", c.headers...)).links["self"]; got != c.want+"/Patient" {
			t.Errorf("%s: got %s, want %s/Patient", c.name, got, c.want)
		}
		w := request{method: "PUT", target: "/fhir/Patient/1", headers: c.headers}.do(server)
		if seen := w.Header().Get("Seen"); seen != "PUT "+c.want+"/Patient/1" {
			t.Errorf("%s: the write door sees %s, want %s", c.name, seen, c.want)
		}
	}
	for _, public := range []string{"example.org/fhir", "https://example.org/other", "ftp://example.org/fhir",
		"https://example.org/fhir?x=1", "https://a b/fhir"} {
		config := readapi.Config{Base: "/fhir", PublicURL: public, Tenant: tenant, Catalog: r4Catalog(t),
			Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
		if _, err := readapi.New(config); events.KindOf(err) != events.Invalid {
			t.Errorf("the public URL %q: got %v, want kind invalid", public, err)
		}
	}
}

func TestAReadWaitsForItsPosition(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server(func(c *readapi.Config) { c.PositionWait = 100 * time.Millisecond })
	w := get(server, "/fhir/Patient/1", "Binnacle-Min-Position: 0:1")
	if code, _ := outcomeOf(t, w.Body.Bytes()); w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" || code != "transient" {
		t.Fatalf("a position that does not come: got %d %s, Retry-After %q", w.Code, code,
			w.Header().Get("Retry-After"))
	}
	server = s.server()
	for _, target := range []string{"/fhir/Patient/1", "/fhir/Patient?_id=1", "/fhir/Patient/1/_history",
		"/fhir/Patient/1/_history/1"} {
		done := make(chan *httptest.ResponseRecorder)
		wanted := events.Position{Offset: s.state.Next}.String()
		go func() { done <- get(server, target, "Binnacle-Min-Position: "+wanted) }()
		select {
		case <-done:
			t.Fatalf("%s: answered before the position was reached", target)
		case <-time.After(20 * time.Millisecond):
		}
		s.put("Patient", "2", patient)
		if w := <-done; w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", target, w.Code, w.Body)
		}
	}
}

// broken is a reader that fails, or panics.
type broken struct {
	projections.Reader
	err error
}

func (b broken) Current(context.Context, []projections.Key) ([]projections.Version, error) {
	if b.err == nil {
		panic("a defect with a secret")
	}
	return nil, b.err
}

func (b broken) State(context.Context, int32) (projections.State, error) {
	return projections.State{}, b.err
}

// slow is a reader whose searches end with their context alone.
type slow struct{ projections.Reader }

func (slow) Search(ctx context.Context, _ projections.Query) (projections.Page, error) {
	<-ctx.Done()
	return projections.Page{}, ctx.Err()
}

func TestASearchOverItsTimeIsTooCostly(t *testing.T) {
	s := newStore(t)
	server := s.server(func(c *readapi.Config) { c.Reader, c.SearchTime = slow{c.Reader}, 20*time.Millisecond })
	w := get(server, "/fhir/Patient?family=x")
	if code, diagnostics := outcomeOf(t, w.Body.Bytes()); w.Code != http.StatusUnprocessableEntity ||
		code != "too-costly" || !strings.Contains(diagnostics, "narrow") {
		t.Errorf("got %d %s %s, want 422 too-costly with a hint", w.Code, code, diagnostics)
	}
	s.put("Patient", "1", patient)
	server = s.server(func(c *readapi.Config) {
		c.Reader, c.SearchTime, c.LaterTime = slow{c.Reader}, 60*time.Millisecond, 90*time.Millisecond
		c.Later = func(w http.ResponseWriter, r *http.Request, ask *rest.Ask, row *rest.Row) error {
			ask.Later = true
			return row.Serve(w, r, ask)
		}
	})
	for query, limit := range map[string]string{"family=x": "90ms", "family=x&_asOf=0:0": "60ms"} {
		w := get(server, "/fhir/Patient?"+query, "Prefer: respond-async")
		if _, diagnostics := outcomeOf(t, w.Body.Bytes()); !strings.Contains(diagnostics, "longer than "+limit) {
			t.Errorf("%s, answered later: got %d %s, want it to have %s", query, w.Code, diagnostics, limit)
		}
	}
}

func TestFailuresTellClientsNoDetails(t *testing.T) {
	s := newStore(t)
	cases := []struct {
		name   string
		err    error
		status int
		code   string
		logged string
	}{
		{"a panic", nil, 500, "exception", "a defect with a secret"},
		{"an internal error", events.Wrap(events.Internal, "x", errors.New("secret"), "secret"), 500, "exception",
			"secret"},
		{"an error without a kind", errors.New("secret"), 500, "exception", "secret"},
		{"a store that is away", events.Wrap(events.Transient, "x", errors.New("secret"), "the index is away"), 503,
			"transient", ""},
	}
	for _, c := range cases {
		var log strings.Builder
		server := s.server(func(config *readapi.Config) {
			config.Reader, config.Logger = broken{err: c.err}, slog.New(slog.NewTextHandler(&log, nil))
		})
		w := get(server, "/fhir/Patient/1")
		code, _ := outcomeOf(t, w.Body.Bytes())
		if w.Code != c.status || code != c.code || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: got %d %s %s", c.name, w.Code, code, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (c.status == 503) {
			t.Errorf("%s: Retry-After %q", c.name, w.Header().Get("Retry-After"))
		}
		if !strings.Contains(log.String(), c.logged) {
			t.Errorf("%s: logged %q, want it to contain %q", c.name, log.String(), c.logged)
		}
	}
}

func TestAnswersAreCompressedWhenAsked(t *testing.T) {
	s := newStore(t)
	s.patients(40)
	server := httptest.NewServer(s.server())
	defer server.Close()
	path := "/fhir/Patient"
	fetch := func(method, encoding string) (int, http.Header, string) {
		r, err := http.NewRequest(method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", encoding)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body := io.Reader(response.Body)
		if method != http.MethodHead {
			switch response.Header.Get("Content-Encoding") {
			case "gzip":
				body, err = gzip.NewReader(response.Body)
			case "zstd":
				body, err = zstd.NewReader(response.Body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header, string(data)
	}
	_, plain, want := fetch("GET", "identity")
	if plain.Get("Content-Encoding") != "" || !strings.HasSuffix(want, "]}") {
		t.Errorf("identity: got %q, %.100s", plain.Get("Content-Encoding"), want)
	}
	for asked, encoding := range map[string]string{"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd",
		"gzip, zstd;q=0.5": "gzip", "br": "", "gzip;q=0": ""} {
		_, packed, got := fetch("GET", asked)
		if packed.Get("Content-Encoding") != encoding || len(got) != len(want) ||
			!strings.Contains(packed.Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: got %q, %d bytes, Vary %q; want %q, %d bytes", asked, packed.Get("Content-Encoding"),
				len(got), packed.Get("Vary"), encoding, len(want))
		}
	}
	path = "/fhir/Patient/p1"
	if _, small, _ := fetch("GET", "zstd, gzip"); small.Get("Content-Encoding") != "" || small.Get("Etag") != `W/"1"` {
		t.Errorf("a small answer: got %q with the ETag %s, want it as it is", small.Get("Content-Encoding"),
			small.Get("Etag"))
	}
	path = "/fhir/metadata"
	_, one, _ := fetch("GET", "identity")
	if _, other, _ := fetch("GET", "zstd"); other.Get("Etag") != one.Get("Etag") ||
		other.Get("Content-Encoding") != "zstd" {
		t.Errorf("compressed, an answer has the ETag %q, want %q: it is weak", other.Get("Etag"), one.Get("Etag"))
	}
	if status, _, body := fetch("HEAD", "gzip"); status != http.StatusOK || body != "" {
		t.Errorf("HEAD: got %d with %d bytes", status, len(body))
	}
}

func TestRequestIdsComeBack(t *testing.T) {
	server := newStore(t).server()
	if got := get(server, "/fhir/metadata", "X-Request-Id: abc-1").Header().Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("got %q, want abc-1", got)
	}
	one, two := get(server, "/health/live").Header().Get("X-Request-Id"), get(server,
		"/health/live").Header().Get("X-Request-Id")
	if one == "" || one == two {
		t.Errorf("got %q and %q, want two different ids", one, two)
	}
}

func TestMetricsTellInteractionsAndStatuses(t *testing.T) {
	s := newStore(t)
	s.put("Patient", "1", patient)
	server := s.server(withWrite)
	get(server, "/fhir/Patient/1")
	get(server, "/fhir/Patient/2")
	request{method: "POST", target: "/fhir/Patient"}.do(server)
	text := get(server, "/metrics").Body.String()
	for _, want := range []string{
		`binnacle_http_request_duration_seconds_count{interaction="read",status="200"} 1`,
		`binnacle_http_request_duration_seconds_count{interaction="read",status="404"} 1`,
		`binnacle_http_request_duration_seconds_count{interaction="create",status="201"} 1`,
		`binnacle_http_requests_in_flight 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
