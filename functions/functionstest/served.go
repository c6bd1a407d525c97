package functionstest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	memorylog "binnacle/events/memory"
	"binnacle/events/sqlitefile"
	"binnacle/functions"
	"binnacle/functions/door"
	"binnacle/functions/project"
	"binnacle/functions/verify"
	"binnacle/functions/write"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/index/sqlite"
)

// OpenIndex makes an empty index in memory.
func OpenIndex(t testing.TB) *sqlite.Generations {
	t.Helper()
	generations, _ := openIndexFile(t)
	return generations
}

// openIndexFile is OpenIndex with the file that the index is in.
func openIndexFile(t testing.TB) (*sqlite.Generations, *sqlitefile.File) {
	t.Helper()
	file, err := sqlitefile.OpenMemory(Quiet)
	if err != nil {
		t.Fatal(err)
	}
	generations, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: Catalog().Digest(), Logger: Quiet},
		true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = generations.Close()
		_ = file.Close()
	})
	return generations, file
}

// Served is a node on the sqlite index.
type Served struct {
	Log         *memorylog.Log
	File        *sqlitefile.File // of the index
	Blobs       *memoryblobs.Blobs
	Generations *sqlite.Generations
	Live        projections.Index
	Heal        *functions.Heal
	Door        http.Handler
}

// NewServed starts one whose projector follows the log until the test ends.
func NewServed(t testing.TB) *Served {
	s := &Served{Log: memorylog.Open(1, Quiet), Blobs: memoryblobs.New()}
	s.Generations, s.File = openIndexFile(t)
	s.Live = s.Generations.Live()
	waiters := write.NewWaiters(s.Live)
	s.Heal = &functions.Heal{Log: s.Log, Index: s.Live, Blobs: s.Blobs, Dialects: Dialects()}
	project := &project.Projector{Index: s.Live, Blobs: s.Blobs, Dialects: Dialects(), Told: waiters.Resolve,
		Heal: s.Heal, Logger: Quiet}
	writer := &write.Writer{Log: s.Log, Index: s.Live, Blobs: s.Blobs, Dialects: Dialects(), Waiters: waiters,
		Partitions: 1, Now: time.Now, Limits: write.Limits{OutcomeWait: 2 * time.Minute}}
	s.Door = new(Node).Handler(door.Config{Write: writer, Blobs: s.Blobs, Catalog: Catalog(), Now: time.Now,
		NewID: NewID, Base: "/fhir", Tenant: "main", Heal: s.Heal, Logger: Quiet})
	Follow(t, s.Log, project)
	return s
}

// Post sends a bundle to the door.
func (s *Served) Post(bundle string) *httptest.ResponseRecorder {
	rw := httptest.NewRecorder()
	s.Door.ServeHTTP(rw, httptest.NewRequest("POST", Base, strings.NewReader(bundle)))
	return rw
}

// Send sends a request with a body to the door.
func (s *Served) Send(t testing.TB, status int, method, path, body string) {
	t.Helper()
	r := httptest.NewRequest(method, Base+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/fhir+json")
	rw := httptest.NewRecorder()
	if s.Door.ServeHTTP(rw, r); rw.Code != status {
		t.Fatalf("%s %s: got %d, want %d: %s", method, path, rw.Code, status, rw.Body)
	}
}

// Verify compares everything.
func (s *Served) Verify(t testing.TB, options verify.Options) verify.Report {
	t.Helper()
	storage := &verify.Storage{Log: s.Log, Index: s.Live, Blobs: s.Blobs, Dialects: Dialects()}
	report, err := storage.Handle(t.Context(), options, func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
