package node

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/functions/write"
	"binnacle/infra/parts"
	"binnacle/projections"
	"binnacle/projections/fhir"
)

// served is a node that runs on the parts of a variant, with real servers where the variant has some.
type served struct {
	*testing.T
	*Node
	writer *write.Writer
	log    events.Log
	heal   *functions.Heal
	stop   func()
}

// variants are all that the program has.
var variants = []string{"memory", "standalone", "replica", "distributed"}

// openVariant opens the parts of a variant, empty, and drops what they store when the test ends.
func openVariant(t *testing.T, variant string) (*parts.Parts, parts.Limits) {
	t.Helper()
	if withServers := variant == "replica" || variant == "distributed"; withServers &&
		(os.Getenv("BINNACLE_KAFKA_BROKERS") == "" || os.Getenv("BINNACLE_CASSANDRA_HOSTS") == "" ||
			os.Getenv("BINNACLE_POSTGRES_URL") == "") {
		t.Fatal("the servers' addresses are not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	var flags struct {
		parts.Config `embed:""`
		Limits       parts.Limits `embed:"" prefix:"limit-"`
	}
	parser, err := kong.New(&flags)
	if err != nil {
		t.Fatal(err)
	}
	name := "node_test_" + strings.ReplaceAll(NewID(), "-", "")
	if _, err := parser.Parse([]string{"--variant", variant, "--data", t.TempDir(), "--kafka-topic", name,
		"--cassandra-keyspace", name, "--postgres-schema", name}); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := parts.Open(ctx, &flags.Config, logger, parts.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if err := parts.Drop(context.Background(), &flags.Config, logger); err != nil {
			t.Errorf("drop: %v", err)
		}
	})
	return p, flags.Limits
}

// serve runs a node that knows FHIR and more dialects, until stop is called or the test ends.
func serve(t *testing.T, p *parts.Parts, limits parts.Limits, more ...projections.Registered) *served {
	t.Helper()
	var err error
	if p.Dialects, err = projections.NewDialects(append(more, fhir.New(fhir.CatalogOf(p.Dialects)))...); err != nil {
		t.Fatal(err)
	}
	n, err := New(t.Context(), p, Settings{Base: "/fhir", Roles: []string{roleWrite, roleProject, roleRead},
		Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	s := &served{T: t, Node: n, log: p.Log, heal: p.Heal()}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		n.BeginStop()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}
	t.Cleanup(s.stop)
	s.writer = &write.Writer{Log: p.Log, Index: p.Generations.Live(), IndexReady: p.Generations.Ready, Blobs: p.Blobs,
		Dialects: p.Dialects, Waiters: n.waiters,
		Partitions: p.Partitions, Now: time.Now, Fit: n.fit, Limits: write.Limits{OutcomeWait: time.Minute}}
	return s
}

// ask sends a request of FHIR, which must be answered with a status, and returns the body.
func (s *served) ask(status int, method, path, body string, headers ...string) string {
	s.Helper()
	r := httptest.NewRequest(method, "http://server.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	if w.Code != status {
		s.Fatalf("%s %s: got %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// append puts events into the log past the door, and waits until they are decided.
func (s *served) append(list ...events.Event) []*events.Outcome {
	s.Helper()
	if _, err := s.log.Append(s.Context(), list); err != nil {
		s.Fatal(err)
	}
	s.settle()
	ids := make([]string, len(list))
	for n := range list {
		ids[n] = list[n].ID
	}
	outcomes, err := s.Generations.Live().Outcomes(s.Context(), ids)
	if err != nil {
		s.Fatal(err)
	}
	return outcomes
}

// settle waits until all of the log is projected.
func (s *served) settle() {
	s.Helper()
	ends, err := s.log.Ends(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, end := range ends {
		s.reaches(end.Next, func() (int64, error) {
			state, err := s.Generations.Live().State(s.Context(), end.Partition)
			return state.Next, err
		})
	}
}

// fed waits until the decision on the record at a position is in the feed.
func (s *served) fed(position events.Position) {
	s.Helper()
	s.reaches(position.Offset+1, func() (int64, error) { return s.Feed.End(s.Context(), position.Partition) })
}

// reaches waits until an offset is reached.
func (s *served) reaches(offset int64, at func() (int64, error)) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		now, err := at()
		if err != nil {
			s.Fatal(err)
		}
		if now >= offset {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("offset %d is reached, want %d", now, offset)
		}
	}
}

// verified compares log, index and blobs deeply; the storage must agree or not.
func (s *served) verified(agrees, repair bool) verify.Report {
	s.Helper()
	s.settle()
	storage := &verify.Storage{Log: s.log, Index: s.Generations.Live(), Blobs: s.Blobs, Dialects: s.Dialects}
	report, err := storage.Handle(s.Context(), verify.Options{Deep: true, Repair: repair}, func(int64, int64) {})
	if err != nil {
		s.Fatal(err)
	}
	if report.OK != agrees {
		s.Fatalf("verify, want agreement %v:\n%s", agrees, strings.Join(report.Lines(), "\n"))
	}
	return report
}

// rebuilt makes the next generation beside the node and switches to it.
func (s *served) rebuilt(feed events.Feed) rebuild.Summary {
	s.Helper()
	run := &rebuild.Index{Log: s.log, Feed: feed, Generations: s.Generations, Blobs: s.Blobs, Dialects: s.Dialects,
		Heal: s.heal, Logger: s.Logger}
	summary, err := run.Handle(s.Context(), func(rebuild.Progress) {})
	if err != nil || !summary.Switched {
		s.Fatalf("rebuild: %+v, %v", summary, err)
	}
	deadline := time.Now().Add(time.Minute)
	for ; s.meaning.Load().generation != summary.Generation; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("the node doesn't follow the new generation")
		}
	}
	return summary
}

// patient is a small resource.
func patient(id, identifier string) string {
	return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"urn:s","value":"` + identifier + `"}]}`
}

// put writes a resource of FHIR.
func (s *served) put(status int, id, identifier string) {
	s.ask(status, http.MethodPut, "/fhir/Patient/"+id, patient(id, identifier))
}
