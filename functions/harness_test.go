package functions_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
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

// theCatalog is compiled once: it takes longer than most tests.
var theCatalog = sync.OnceValue(func() *catalog.Catalog {
	c, err := catalog.Default()
	if err != nil {
		panic(err)
	}
	return c
})

// dialectsOf are FHIR with a catalog, and the tests' own.
func dialectsOf(c *catalog.Catalog) *projections.Dialects {
	dialects, err := projections.NewDialects(fhirdialect.New(c), projectionstest.Opaque{})
	if err != nil {
		panic(err)
	}
	return dialects
}

var theDialects = sync.OnceValue(func() *projections.Dialects { return dialectsOf(theCatalog()) })

var quiet = slog.New(slog.DiscardHandler)

// node is a whole server without its reading side: log, projector and writing door.
type node struct {
	t       testing.TB
	log     *memorylog.Log
	index   *index
	blobs   *memoryblobs.Blobs
	project *project.Projector
	write   *write.Writer
	heal    *functions.Heal
	front   door.Config
	door    http.Handler
	reads   rest.Reads // answers reading entries
	stop    func()     // ends the projecting; the log stays open
}

const base = "http://server.example/fhir"

func newNode(t testing.TB, change ...func(*node)) *node {
	t.Helper()
	n := &node{t: t, log: memorylog.Open(1, quiet), index: newIndex(), blobs: memoryblobs.New()}
	waiters := write.NewWaiters(n.index)
	n.heal = &functions.Heal{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects()}
	n.project = &project.Projector{Index: n.index, Blobs: n.blobs, Dialects: theDialects(), Told: waiters.Resolve, Heal: n.heal, Ahead: true, Logger: quiet}
	n.project.LogID, _ = functions.LogIdentity(t.Context(), n.log) // a log in memory always tells
	n.write = &write.Writer{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects(), Waiters: waiters, Partitions: 1, Now: time.Now}
	n.front = door.Config{Write: n.write, Blobs: n.blobs, Catalog: theCatalog(), Now: time.Now, NewID: newID, Base: "/fhir", Tenant: "main", Heal: n.heal, Logger: quiet}
	for _, c := range change {
		c(n)
	}
	n.door = n.handler(n.front)
	n.stop = follow(t, n.log, n.project)
	return n
}

// handler answers requests as the router in front of a door does.
func (n *node) handler(config door.Config) http.Handler {
	d := door.New(config)
	rows := d.Rows()
	if n.reads != nil {
		rows = append(rows, rest.Row{Name: "read", Method: http.MethodGet, Path: "/:type/:id", Check: func(ask *rest.Ask) error {
			if ask.Query == "wrong" {
				return events.Errorf(events.Invalid, "test", "this read is wrong by its form")
			}
			return nil
		}})
	}
	table := rest.NewTable(theCatalog().Known, rows...)
	d.Within(table, n.reads)
	return table.Handler("/fhir")
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// follow runs a projector on a log until stop is called, or the test ends.
func follow(t testing.TB, log *memorylog.Log, project *project.Projector) (stop func()) {
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

// reply is an answer of the door.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request to the door; headers are "Name: value".
func (n *node) send(method, path, body string, headers ...string) reply {
	n.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, base+path, reader)
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
	return n.do(r)
}

func (n *node) do(r *http.Request) reply {
	n.t.Helper()
	rw := httptest.NewRecorder()
	n.door.ServeHTTP(rw, r)
	return reply{rw.Code, rw.Header(), rw.Body.String()}
}

// must sends a request that has to be answered with a status.
func (n *node) must(status int, method, path, body string, headers ...string) reply {
	n.t.Helper()
	got := n.send(method, path, body, headers...)
	if got.status != status {
		n.t.Fatalf("%s %s: got %d, want %d: %s", method, path, got.status, status, got.body)
	}
	return got
}

// at reads a value of a reply's body by keys and indexes: at("entry", 0, "response", "status").
func (r reply) at(t *testing.T, path ...any) string {
	t.Helper()
	doc, err := fhir.Parse([]byte(r.body))
	if err != nil {
		t.Fatalf("the body is no JSON: %v: %q", err, r.body)
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

// caughtUp waits until everything in the log is projected.
func (n *node) caughtUp() {
	n.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		ends, err := n.log.Ends(context.Background())
		if err != nil {
			n.t.Fatal(err)
		}
		state, err := n.index.State(context.Background(), 0)
		if err == nil && state.Next >= ends[0].Next {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the projector is at %d of %d", state.Next, ends[0].Next)
		}
	}
}

// verified fails the test when log, index and blobs don't agree.
func (n *node) verified() verify.Report {
	n.t.Helper()
	n.caughtUp()
	storage := &verify.Storage{Log: n.log, Index: n.index, Blobs: n.blobs, Dialects: theDialects()}
	report, err := storage.Handle(context.Background(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil {
		n.t.Fatal(err)
	}
	if !report.OK {
		n.t.Fatalf("verify:\n%s", strings.Join(report.Lines(), "\n"))
	}
	return report
}

// batch makes the message of records.
func batch(records ...events.RawRecord) *message.Message { return events.NewMessage(records) }

// patient is a small resource with one identifier.
func patient(id, identifier string) string {
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":"Patient",%s"identifier":[{"system":"urn:s","value":%q}],"active":true}`, id, identifier)
}
