package readapi_test

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"binnacle/events"
	documents "binnacle/events/fhir"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/blobs/memory"
	"binnacle/projections/catalog"
	"binnacle/projections/fhir/form"
	"binnacle/projections/index/sqlite"
	"binnacle/readapi"
)

var r4 = sync.OnceValues(catalog.Default)

func r4Catalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	c, err := r4()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// store holds projections that a test fills in place of a projector.
type store struct {
	t       testing.TB
	catalog *catalog.Catalog
	index   projections.Index
	memos   projections.Memos
	blobs   *memory.Blobs

	mu    sync.Mutex
	state projections.State
	clock time.Time
}

const tenant = "main"

// newGenerations makes the generations of an index that are gone with its test.
func newGenerations(t testing.TB, c *catalog.Catalog) *sqlite.Generations {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.OpenMemory(logger)
	if err != nil {
		t.Fatal(err)
	}
	generations, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: c.Digest(), Logger: logger}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = generations.Close() // what is left is thrown away
		_ = file.Close()
	})
	return generations
}

func newStore(t testing.TB) *store {
	t.Helper()
	known := r4Catalog(t)
	generations := newGenerations(t, known)
	s := &store{t: t, catalog: known, index: generations.Live(), memos: generations.Memos(), blobs: memory.New(),
		clock: time.Date(2026, 3, 1, 8, 0, 0, 250e6, time.UTC)}
	s.state.NextSid = 1
	return s
}

// put writes a version of a resource.
func (s *store) put(resourceType, id, content string) projections.Version {
	s.t.Helper()
	return s.write(resourceType, id, []byte(content), false)
}

// post writes the first version of a resource as a create does.
func (s *store) post(resourceType, id, content string) projections.Version {
	s.t.Helper()
	return s.write(resourceType, id, []byte(content), true)
}

func (s *store) delete(resourceType, id string) projections.Version {
	s.t.Helper()
	return s.write(resourceType, id, nil, false)
}

func (s *store) write(resourceType, id string, content []byte, posted bool) projections.Version {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background()
	key := projections.Key{Tenant: tenant, Type: resourceType, ID: id}
	before, err := s.index.Current(ctx, []projections.Key{key})
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock = s.clock.Add(time.Second)
	row := projections.Row{Version: projections.Version{Key: key, Sid: s.state.NextSid, Number: before[0].Number + 1,
		Position: events.Position{Offset: s.state.Next}, Time: s.clock, Deleted: content == nil, Posted: posted}, Supersedes: before[0].Sid, Revives: before[0].Deleted, MainDate: projections.MinTime}
	if content != nil {
		row.Hash = sha256.Sum256(content)
		document, err := documents.Parse(form.Terms(content))
		if err != nil {
			s.t.Fatal(err)
		}
		extracted, err := s.catalog.Extract(document)
		if err != nil {
			s.t.Fatal(err)
		}
		row.Terms, row.MainDate = extracted.Terms, extracted.MainDate
		if err := s.blobs.Put(ctx, []projections.Blob{{Hash: row.Hash, Content: content}}); err != nil {
			s.t.Fatal(err)
		}
	}
	commit := projections.Commit{Expect: s.state.Next, Next: s.state.Next + 1, Time: s.clock,
		Rows: []projections.Row{row}}
	if err := s.index.Commit(ctx, commit); err != nil {
		s.t.Fatal(err)
	}
	s.state.Next, s.state.NextSid = s.state.Next+1, s.state.NextSid+1
	return row.Version
}

// server makes a node's door over the store; change may change its configuration.
func (s *store) server(change ...func(*readapi.Config)) *readapi.Server {
	s.t.Helper()
	config := readapi.Config{
		Base: "/fhir", TrustedProxies: []string{"192.0.2.0/24"}, Tenant: tenant, Reader: s.index, Blobs: s.blobs, Memos: s.memos, Catalog: s.catalog,
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Version: "1.2.3",
	}
	for _, c := range change {
		c(&config)
	}
	server, err := readapi.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	return server
}

// request is one request of a test; headers are written "Name: value".
type request struct {
	method, target string
	headers        []string
	body           string
}

func (q request) do(handler http.Handler) *httptest.ResponseRecorder {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r := httptest.NewRequest(q.method, "http://example.org/", body)
	r.Host = "example.org"
	if path, query, found := strings.Cut(strings.TrimPrefix(q.target, "http://example.org"), "?"); found {
		r.URL.Path, r.URL.RawQuery = path, query
	} else {
		r.URL.Path = path
	}
	r.URL.Scheme, r.URL.Host = "", ""
	for _, line := range q.headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func get(handler http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return request{method: http.MethodGet, target: target, headers: headers}.do(handler)
}

// outcomeOf reads the diagnostics of an OperationOutcome; a body that is none fails the test.
func outcomeOf(t testing.TB, body []byte) (code, diagnostics string) {
	t.Helper()
	resource, err := documents.ParseResource(body)
	if err != nil || resource.Type != "OperationOutcome" {
		t.Fatalf("got %.200q (%v), want an OperationOutcome", body, err)
	}
	for issue := range resource.Node.Get("issue").Items() {
		return issue.Get("code").Text(), issue.Get("diagnostics").Text()
	}
	t.Fatalf("the OperationOutcome has no issue: %s", body)
	return "", ""
}

// bundle is what tests look at in a bundle.
type bundle struct {
	kind  string
	total string // "" when there is none
	links map[string]string
	ids   []string // of the entries with a resource that matched, as Type/id
	added []string // of the entries that are included, as Type/id
	extra []string // diagnostics of outcome entries
	node  documents.Node
}

func bundleOf(t testing.TB, w *httptest.ResponseRecorder) bundle {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d, want 200: %.300s", w.Code, w.Body)
	}
	resource, err := documents.ParseResource(w.Body.Bytes())
	if err != nil || resource.Type != "Bundle" {
		t.Fatalf("got %.200q (%v), want a Bundle", w.Body, err)
	}
	b := bundle{kind: resource.Node.Get("type").Text(), total: resource.Node.Get("total").Text(),
		links: map[string]string{}, node: resource.Node}
	for link := range resource.Node.Get("link").Items() {
		b.links[link.Get("relation").Text()] = link.Get("url").Text()
	}
	for entry := range resource.Node.Get("entry").Items() {
		inner := entry.Get("resource")
		if entry.Get("search").Get("mode").Text() == "outcome" {
			for issue := range inner.Get("issue").Items() {
				b.extra = append(b.extra, issue.Get("diagnostics").Text())
			}
			continue
		}
		if entry.Get("search").Get("mode").Text() == "include" {
			b.added = append(b.added, inner.Get("resourceType").Text()+"/"+inner.Get("id").Text())
			continue
		}
		b.ids = append(b.ids, inner.Get("resourceType").Text()+"/"+inner.Get("id").Text())
	}
	return b
}

type eventsHash = events.Hash

func withHeal(heal func(projections.Version) []byte) func(*readapi.Config) {
	return func(c *readapi.Config) {
		c.Heal = func(_ context.Context, v projections.Version) ([]byte, error) { return heal(v), nil }
	}
}
