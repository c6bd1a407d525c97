package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/events/sqlitefile"
	"binnacle/functions/jobs"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
)

// memosOf opens memos that are gone with the test. Another test sets another store.
var memosOf = inSQLite

func inSQLite(t *testing.T) projections.Memos {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.OpenMemory(logger)
	if err != nil {
		t.Fatal(err)
	}
	generations, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "c", Logger: logger}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = generations.Close()
		_ = file.Close()
	})
	return generations.Memos()
}

// cut is a store that a node can be cut off from.
type cut struct {
	projections.Memos
	off atomic.Bool
}

func (c *cut) away() error {
	if c.off.Load() {
		return events.Errorf(events.Transient, "test", "the store is away")
	}
	return nil
}

func (c *cut) Memo(ctx context.Context, name projections.MemoName) (projections.Memo, error) {
	if err := c.away(); err != nil {
		return projections.Memo{}, err
	}
	return c.Memos.Memo(ctx, name)
}

func (c *cut) Keep(ctx context.Context, memo projections.Memo, life time.Duration) (int64, error) {
	if err := c.away(); err != nil {
		return 0, err
	}
	return c.Memos.Keep(ctx, memo, life)
}

func (c *cut) Forget(ctx context.Context, name projections.MemoName, revision int64) error {
	if err := c.away(); err != nil {
		return err
	}
	return c.Memos.Forget(ctx, name, revision)
}

func (c *cut) List(ctx context.Context, kind, after string, limit int) ([]projections.Memo, error) {
	if err := c.away(); err != nil {
		return nil, err
	}
	return c.Memos.List(ctx, kind, after, limit)
}

// node is one of several that share a store. Its two rows are played by the test.
type node struct {
	*jobs.Jobs
	t      *testing.T
	store  *cut
	table  *rest.Table
	search func(r *http.Request, w http.ResponseWriter) error
	update func(r *http.Request, body string, w http.ResponseWriter) error
	clock  atomic.Int64 // seconds that its clock is ahead
	stop   func()
}

// newNode starts one.
func newNode(t *testing.T, memos projections.Memos, change ...func(*jobs.Config)) *node {
	t.Helper()
	n := &node{t: t, store: &cut{Memos: memos}}
	n.search = func(_ *http.Request, w http.ResponseWriter) error {
		return rest.Write(w, http.StatusOK, []byte(`{"resourceType":"Bundle"}`))
	}
	n.update = func(_ *http.Request, body string, w http.ResponseWriter) error {
		return rest.Write(w, http.StatusCreated, []byte(body))
	}
	config := jobs.Config{Memos: n.store, Table: func() *rest.Table { return n.table }, Base: "/fhir", Tenant: "main",
		Node: t.Name(), KeyWindow: 24 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return time.Now().Add(time.Duration(n.clock.Load()) * time.Second) },
		Limits: jobs.Limits{Lease: 200 * time.Millisecond}}
	for _, c := range change {
		c(&config)
	}
	n.Jobs = jobs.New(config)
	n.table = rest.NewTable(func(name string) bool { return name == "Patient" }, append(n.Rows(),
		rest.Row{Name: "search-type", Method: "GET", Path: "/:type", Long: true, Check: func(ask *rest.Ask) error {
			if ask.Query == "wrong" {
				return events.Errorf(events.Invalid, "test", "wrong")
			}
			return nil
		}, Serve: func(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
			if ask.Tenant == "" || !ask.Later || ask.Prefer.Async {
				t.Errorf("a search is asked as %+v", ask)
			}
			return n.search(r, w)
		}},
		rest.Row{Name: "update", Method: "PUT", Path: "/:type/:id", Long: true,
			Serve: func(w http.ResponseWriter, r *http.Request, ask *rest.Ask) error {
				body, err := rest.Body(r, 1<<30, nil)
				if err != nil || ask.FormOnly {
					return err
				}
				return n.update(r, string(body), w)
			}})...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	n.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(n.stop)
	return n
}

// send makes a request of a tenant below the root.
func (n *node) send(tenant, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	n.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	r := httptest.NewRequest(method, "http://server.example/fhir"+path, strings.NewReader(body))
	r.URL.RawQuery = query
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	row, at, err := n.table.Find(method, path)
	if err == nil {
		ask := &rest.Ask{Place: at, Query: query, Tenant: tenant, Root: "http://server.example/t/" + tenant + "/fhir",
			ContentType: rest.ContentType, Prefer: rest.Preferences{Async: true}}
		if row.Long {
			err = n.Begin(w, r, ask, row)
		} else {
			err = row.Serve(w, r, ask)
		}
	}
	if err != nil {
		rest.Refuse(w, err)
	}
	return w
}

// begin makes a request that is taken, and returns where its answer will be.
func (n *node) begin(tenant, method, path, body string, headers ...string) string {
	n.t.Helper()
	w := n.send(tenant, method, path, body, headers...)
	at, found := strings.CutPrefix(w.Header().Get("Content-Location"), "http://server.example/t/"+tenant+"/fhir")
	if w.Code != http.StatusAccepted || !found {
		n.t.Fatalf("%s %s: got %d %v %s", method, path, w.Code, w.Header(), w.Body)
	}
	return at
}

// answer is what the tests look at.
type answer struct {
	Entry []struct {
		Resource json.RawMessage
		Response struct {
			Status  string
			Outcome json.RawMessage
		}
	}
}

// fetch waits for an answer: its status, and its body.
func (n *node) fetch(tenant, at string) (status, body string) {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		w := n.send(tenant, "GET", at, "")
		if w.Code == http.StatusAccepted && time.Now().Before(deadline) {
			continue
		}
		var got answer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || len(got.Entry) != 1 {
			n.t.Fatalf("%s: got %d %.300s (%v)", at, w.Code, w.Body, err)
		}
		return got.Entry[0].Response.Status, string(got.Entry[0].Resource) + string(got.Entry[0].Response.Outcome)
	}
}

// until waits for something.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come that %s", what)
		}
	}
}

// left are the names of the memos that there are.
func left(t *testing.T, memos projections.Memos) (names []string) {
	t.Helper()
	for _, kind := range []string{"job", "job-open", "job-lease", "job-kept", "job-body", "job-answer"} {
		list, err := memos.List(t.Context(), kind, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, memo := range list {
			names = append(names, kind+" "+memo.Name)
		}
	}
	return names
}

func TestBodiesAndAnswersOfManyChunksComeBackAsTheyWere(t *testing.T) {
	n := newNode(t, memosOf(t), func(c *jobs.Config) { c.Limits.AnswerBytes = 3 << 20 })
	large := func(size int) string { return `{"resourceType":"Basic","x":"` + strings.Repeat("é", size/2) + `"}` }
	for _, size := range []int{0, 1 << 20, 2<<20 + 12345} {
		at := n.begin("main", "PUT", "/Patient/1", large(size))
		if status, body := n.fetch("main", at); status != "201" || body != large(size) {
			t.Errorf("%d bytes: got %s with %d bytes", size, status, len(body))
		}
	}
	at := n.begin("main", "PUT", "/Patient/1", large(4<<20))
	if status, body := n.fetch("main", at); status != "422" || !strings.Contains(body, `"too-costly"`) {
		t.Errorf("an answer that is too large: got %s %.300s", status, body)
	}
	n.send("main", "DELETE", at, "")
	if got := strings.Join(left(t, n.store), ", "); strings.Contains(got, strings.TrimPrefix(at, "/_async/")) ||
		strings.Contains(got, "job-body") {
		t.Errorf("left are %s", got)
	}
}

func TestWhatCannotBeAnsweredNowIsTriedAgainUnderOneKey(t *testing.T) {
	n := newNode(t, memosOf(t))
	keys, tries := map[string]int{}, 0
	n.update = func(r *http.Request, body string, w http.ResponseWriter) error {
		keys[r.Header.Get("Idempotency-Key")]++
		switch tries++; tries {
		case 1:
			return events.Errorf(events.Transient, "test", "away")
		case 2:
			return events.Errorf(events.Unknown, "test", "nobody knows")
		case 3:
			return &rest.Refusal{Err: events.Errorf(events.Conflict, "test", "under way"), Retry: true}
		}
		return rest.Write(w, http.StatusCreated, []byte(body))
	}
	if status, body := n.fetch("main", n.begin("main", "PUT", "/Patient/1", `{"a":1}`)); status != "201" ||
		body != `{"a":1}` || len(keys) != 1 || keys[""] != 0 || tries != 4 {
		t.Errorf("got %s %s after %d tries under %v", status, body, tries, keys)
	}
	tries = 10
	n.fetch("main", n.begin("main", "PUT", "/Patient/1", `{}`, `Idempotency-Key: "mine"`, "Authorization: secret"))
	if keys[`"mine"`] != 1 || len(keys) != 2 {
		t.Errorf("the client's own key is not used: %v", keys)
	}
	list, err := n.store.List(t.Context(), "job", "", 10)
	if err != nil || len(list) != 2 || strings.Contains(string(list[0].Value)+string(list[1].Value), "secret") {
		t.Errorf("what is kept of a request holds who sent it: %v", err)
	}
}

func TestAnAnswerThatIsBrokenOffIsAFailure(t *testing.T) {
	n := newNode(t, memosOf(t))
	for name, search := range map[string]func(w http.ResponseWriter) error{
		"a panic":      func(http.ResponseWriter) error { panic("a defect with a secret") },
		"after a part": func(w http.ResponseWriter) error { fmt.Fprint(w, `{"resourceType":`); panic(http.ErrAbortHandler) },
		"an error":     func(http.ResponseWriter) error { return io.ErrUnexpectedEOF },
	} {
		n.search = func(_ *http.Request, w http.ResponseWriter) error { return search(w) }
		if status, body := n.fetch("main", n.begin("main", "GET", "/Patient", "")); status != "500" ||
			!strings.Contains(body, `"exception"`) || strings.Contains(body, "secret") {
			t.Errorf("%s: got %s %s", name, status, body)
		}
	}
	until(t, "all failures are counted", func() bool { return n.Counts().Ended[jobs.Failed] == 3 })
}

func TestNoRequestIsTakenThatIsNotKept(t *testing.T) {
	n := newNode(t, memosOf(t))
	if got := n.send("main", "GET", "/Patient?wrong", ""); got.Code != http.StatusBadRequest {
		t.Errorf("a wrong form: got %d %s", got.Code, got.Body)
	}
	n.store.off.Store(true)
	if got := n.send("main", "PUT", "/Patient/1", "{}"); got.Code != http.StatusServiceUnavailable ||
		got.Header().Get("Content-Location") != "" {
		t.Errorf("a store that is away: got %d %s", got.Code, got.Body)
	}
	n.store.off.Store(false)
	if got := left(t, n.store); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

func TestATenantHasSoManyOpenJobsAndNoTenantAllPlaces(t *testing.T) {
	n := newNode(t, memosOf(t), func(c *jobs.Config) { c.Limits.Open, c.Limits.Running = 3, 2 })
	order, goOn := make(chan string, 10), make(chan struct{})
	n.search = func(r *http.Request, w http.ResponseWriter) error {
		order <- r.URL.RawQuery
		<-goOn
		return rest.Write(w, http.StatusOK, []byte("{}"))
	}
	places := map[string]string{}
	for _, name := range []string{"a1", "a2", "a3", "b1"} {
		places[name] = n.begin(name[:1], "GET", "/Patient?"+name, "")
		if name == "a1" || name == "a2" {
			<-order // it runs; the others wait
		}
	}
	full := n.send("a", "GET", "/Patient?a4", "")
	if full.Code != http.StatusTooManyRequests || full.Header().Get("Retry-After") == "" {
		t.Errorf("a fourth one: got %d %v %s", full.Code, full.Header(), full.Body)
	}
	if w := n.send("b", "GET", places["b1"], ""); w.Header().Get("X-Progress") != "waiting" {
		t.Errorf("a job without a place: got %d %v", w.Code, w.Header())
	}
	until(t, "all are counted", func() bool { c := n.Counts(); return c.Running == 2 && c.Open == 4 })
	goOn <- struct{}{}
	if next := <-order; next != "b1" {
		t.Errorf("%s is the next; the tenant of b1 has nothing that runs", next)
	}
	close(goOn)
	for name, at := range places {
		if status, _ := n.fetch(name[:1], at); status != "200" {
			t.Errorf("%s: got %s", name, status)
		}
	}
	n.begin("a", "GET", "/Patient?a5", "")
}
