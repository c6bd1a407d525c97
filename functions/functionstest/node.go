package functionstest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	memorylog "binnacle/events/memory"
	"binnacle/functions"
	"binnacle/functions/door"
	"binnacle/functions/project"
	"binnacle/functions/verify"
	"binnacle/functions/write"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/catalog"
	fhirdialect "binnacle/projections/fhir"
	"binnacle/projections/projectionstest"
)

// Catalog is compiled once: it takes longer than most tests.
var Catalog = sync.OnceValue(func() *catalog.Catalog {
	c, err := catalog.Default()
	if err != nil {
		panic(err)
	}
	return c
})

// DialectsOf are FHIR with a catalog, and the tests' own.
func DialectsOf(c *catalog.Catalog) *projections.Dialects {
	dialects, err := projections.NewDialects(fhirdialect.New(c), projectionstest.Opaque{})
	if err != nil {
		panic(err)
	}
	return dialects
}

// Dialects are made once, with [Catalog].
var Dialects = sync.OnceValue(func() *projections.Dialects { return DialectsOf(Catalog()) })

var Quiet = slog.New(slog.DiscardHandler)

// Node is a whole server without its reading side: log, projector and writing door.
type Node struct {
	T       testing.TB
	Log     *memorylog.Log
	Index   *Index
	Blobs   *memoryblobs.Blobs
	Project *project.Projector
	Write   *write.Writer
	Heal    *functions.Heal
	Front   door.Config
	Door    http.Handler
	Reads   rest.Reads // answers reading entries
	Stop    func()     // ends the projecting; the log stays open
}

const Base = "http://server.example/fhir"

func NewNode(t testing.TB, change ...func(*Node)) *Node {
	t.Helper()
	n := &Node{T: t, Log: memorylog.Open(1, Quiet), Index: NewIndex(), Blobs: memoryblobs.New()}
	waiters, fresh := write.NewWaiters(n.Index), new(functions.Fresh)
	n.Heal = &functions.Heal{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: Dialects()}
	n.Project = &project.Projector{Index: n.Index, Blobs: n.Blobs, Dialects: Dialects(), Told: waiters.Resolve,
		Heal: n.Heal, Fresh: fresh, Ahead: true, Logger: Quiet}
	n.Project.LogID, _ = functions.LogIdentity(t.Context(), n.Log) // a log in memory always tells
	n.Write = &write.Writer{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: Dialects(), Waiters: waiters,
		Partitions: 1, Now: time.Now}
	n.Front = door.Config{Write: n.Write, Blobs: n.Blobs, Catalog: Catalog(), Now: time.Now, NewID: fresh.New,
		Base: "/fhir", Tenant: "main", Heal: n.Heal, Logger: Quiet}
	for _, c := range change {
		c(n)
	}
	n.Door = n.Handler(n.Front)
	n.Stop = Follow(t, n.Log, n.Project)
	return n
}

// Handler answers requests as the router in front of a door does.
func (n *Node) Handler(config door.Config) http.Handler {
	d := door.New(config)
	rows := d.Rows()
	if n.Reads != nil {
		rows = append(rows, rest.Row{Name: "read", Method: http.MethodGet, Path: "/:type/:id",
			Read: func(context.Context, *rest.Ask, *rest.Answer) error {
				return events.Errorf(events.Internal, "test", "the node's Reads answer")
			},
			Check: func(ask *rest.Ask) error {
				if ask.Query == "wrong" {
					return events.Errorf(events.Invalid, "test", "this read is wrong by its form")
				}
				return nil
			}})
	}
	table := rest.NewTable(Catalog().Known, rows...)
	d.Within(table, n.Reads)
	return table.Handler("/fhir")
}

func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Follow runs a projector on a log until stop is called, or the test ends.
func Follow(t testing.TB, log *memorylog.Log, project *project.Projector) (stop func()) {
	t.Helper()
	follower, err := log.Follow(project.Seek)
	if err != nil {
		t.Fatal(err)
	}
	project.Reseek = follower.Reseek
	ctx, cancel := context.WithCancel(context.Background())
	messages, err := follower.Subscribe(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for msg := range messages {
			if err := project.Handle(msg); err != nil {
				msg.Nack()
			} else {
				msg.Ack()
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		_ = follower.Close()
		<-done
	})
	t.Cleanup(func() {
		stop()
		_ = log.Close()
	})
	return stop
}

// Reply is an answer of the door.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Send sends a request to the door; headers are "Name: value".
func (n *Node) Send(method, path, body string, headers ...string) Reply {
	n.T.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, Base+path, reader)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		switch {
		case value == "":
			r.Header.Del(name)
		case name == "Content-Type":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}
	return n.Do(r)
}

func (n *Node) Do(r *http.Request) Reply {
	n.T.Helper()
	rw := httptest.NewRecorder()
	n.Door.ServeHTTP(rw, r)
	return Reply{rw.Code, rw.Header(), rw.Body.String()}
}

// Must sends a request that has to be answered with a status.
func (n *Node) Must(status int, method, path, body string, headers ...string) Reply {
	n.T.Helper()
	got := n.Send(method, path, body, headers...)
	if got.Status != status {
		n.T.Fatalf("%s %s: got %d, want %d: %s", method, path, got.Status, status, got.Body)
	}
	return got
}

// At reads a value of a reply's body by keys and indexes: at("entry", 0, "response", "status").
func (r Reply) At(t *testing.T, path ...any) string {
	t.Helper()
	doc, err := fhir.Parse([]byte(r.Body))
	if err != nil {
		t.Fatalf("the body is no JSON: %v: %q", err, r.Body)
	}
	at := doc.Root()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			at = at.Get(step)
		case int:
			i := 0
			found := fhir.Node{}
			for item := range at.Items() {
				if i == step {
					found = item
				}
				i++
			}
			at = found
		}
	}
	if at.Kind() == fhir.Object || at.Kind() == fhir.Array {
		return string(at.Raw())
	}
	return at.Text()
}

// CaughtUp waits until everything in the log is projected.
func (n *Node) CaughtUp() {
	n.T.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		ends, err := n.Log.Ends(context.Background())
		if err != nil {
			n.T.Fatal(err)
		}
		state, err := n.Index.State(context.Background(), 0)
		if err == nil && state.Next >= ends[0].Next {
			return
		}
		if time.Now().After(deadline) {
			n.T.Fatalf("the projector is at %d of %d", state.Next, ends[0].Next)
		}
	}
}

// Verified fails the test when log, index and blobs don't agree.
func (n *Node) Verified() verify.Report {
	n.T.Helper()
	n.CaughtUp()
	storage := &verify.Storage{Log: n.Log, Index: n.Index, Blobs: n.Blobs, Dialects: Dialects()}
	report, err := storage.Handle(context.Background(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil {
		n.T.Fatal(err)
	}
	if !report.OK {
		n.T.Fatalf("verify:\n%s", strings.Join(report.Lines(), "\n"))
	}
	return report
}

func NewProject(x projections.Index, blobs projections.Blobs) *project.Projector {
	return &project.Projector{Index: x, Blobs: blobs, Dialects: Dialects(), Logger: Quiet, Reseek: func() {}}
}

func MustSeek(t *testing.T, p *project.Projector) {
	t.Helper()
	if _, err := p.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

// Stored reads the content of the current version of a resource as the blob store has it.
func (n *Node) Stored(name string) string {
	n.T.Helper()
	kind, id, _ := strings.Cut(name, "/")
	n.Index.Mu.Lock()
	defer n.Index.Mu.Unlock()
	for key, place := range n.Index.Places {
		if key.Type == kind && key.ID == id && !n.Index.Rows[place].Deleted {
			contents, err := n.Blobs.Get(n.T.Context(), []events.Hash{n.Index.Rows[place].Hash})
			if err != nil {
				n.T.Fatal(err)
			}
			return string(contents[0])
		}
	}
	return ""
}
