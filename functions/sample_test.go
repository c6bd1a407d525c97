package functions_test

import (
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	memorylog "binnacle/events/memory"
	"binnacle/events/sqlitefile"
	"binnacle/functions"
	"binnacle/functions/door"
	"binnacle/functions/project"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/functions/write"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/index/sqlite"
)

// openIndex makes an empty index in memory.
func openIndex(t testing.TB) *sqlite.Generations {
	t.Helper()
	generations, _ := openIndexFile(t)
	return generations
}

// openIndexFile is openIndex with the file that the index is in.
func openIndexFile(t testing.TB) (*sqlite.Generations, *sqlitefile.File) {
	t.Helper()
	file, err := sqlitefile.OpenMemory(quiet)
	if err != nil {
		t.Fatal(err)
	}
	generations, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: theCatalog().Digest(), Logger: quiet}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = generations.Close()
		_ = file.Close()
	})
	return generations, file
}

// sample returns the bundles of the project's sample in the order in which they must be loaded.
func sample(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../infra/sample/*.json.bz2")
	if err != nil || len(files) < 5 {
		t.Fatalf("the sample has %d files, %v; want 5", len(files), err)
	}
	slices.Sort(files)
	var bundles []string
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(bzip2.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		bundles = append(bundles, string(data))
	}
	return bundles
}

// scanned is what an index holds of partition 0, the digests of the terms included.
func scanned(t *testing.T, x projections.Auditor) []string {
	t.Helper()
	var lines []string
	if err := x.Scan(t.Context(), 0, func(v projections.Version, terms events.Hash) error {
		lines = append(lines, fmt.Sprintf("%+v %x", v, terms))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

// served is a node on the sqlite index.
type served struct {
	log         *memorylog.Log
	file        *sqlitefile.File // of the index
	blobs       *memoryblobs.Blobs
	generations *sqlite.Generations
	live        projections.Index
	heal        *functions.Heal
	door        http.Handler
}

func newServed(t testing.TB) *served {
	s := &served{log: memorylog.Open(1, quiet), blobs: memoryblobs.New()}
	s.generations, s.file = openIndexFile(t)
	s.live = s.generations.Live()
	waiters := write.NewWaiters(s.live)
	s.heal = &functions.Heal{Log: s.log, Index: s.live, Blobs: s.blobs, Dialects: theDialects()}
	project := &project.Projector{Index: s.live, Blobs: s.blobs, Dialects: theDialects(), Told: waiters.Resolve, Heal: s.heal, Logger: quiet}
	writer := &write.Writer{Log: s.log, Index: s.live, Blobs: s.blobs, Dialects: theDialects(), Waiters: waiters, Partitions: 1, Now: time.Now, Limits: write.Limits{OutcomeWait: 2 * time.Minute}}
	s.door = new(node).handler(door.Config{Write: writer, Blobs: s.blobs, Catalog: theCatalog(), Now: time.Now, NewID: newID, Base: "/fhir", Tenant: "main", Heal: s.heal, Logger: quiet})
	follow(t, s.log, project)
	return s
}

func (s *served) post(bundle string) *httptest.ResponseRecorder {
	rw := httptest.NewRecorder()
	s.door.ServeHTTP(rw, httptest.NewRequest("POST", base, strings.NewReader(bundle)))
	return rw
}

func TestTheSampleGoesInAndTheSameComesOutOfEveryReplay(t *testing.T) {
	n := newServed(t)
	log, blobs, generations, live, heal := n.log, n.blobs, n.generations, n.live, n.heal
	resources := 0
	for i, bundle := range sample(t) {
		rw := n.post(bundle)
		if rw.Code != 200 {
			t.Fatalf("bundle %d: %d %.500s", i, rw.Code, rw.Body)
		}
		doc, err := fhir.Parse(rw.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for entry := range doc.Root().Get("entry").Items() {
			if status := entry.Get("response").Get("status").Text(); status != "201" {
				t.Fatalf("bundle %d: %s", i, entry.Raw())
			}
			resources++
		}
	}
	want := scanned(t, live)
	if len(want) != resources {
		t.Errorf("got %d versions, want %d", len(want), resources)
	}

	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same := func(t *testing.T, x projections.Auditor) {
		t.Helper()
		if got := scanned(t, x); !slices.Equal(got, want) {
			t.Errorf("the rows differ: %s", firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n")))
		}
	}
	t.Run("in other batches", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		again := openIndex(t).Live()
		p := &project.Projector{Index: again, Blobs: memoryblobs.New(), Dialects: theDialects(), Logger: quiet, Reseek: func() { t.Error("reseek") }}
		mustSeek(t, p)
		if err := log.Replay(t.Context(), events.Position{}, ends[0].Next, func(records []events.RawRecord) error {
			for len(records) > 0 {
				size := min(1+random.IntN(200), len(records))
				if err := p.Handle(batch(records[:size]...)); err != nil {
					return err
				}
				records = records[size:]
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		same(t, again)
	})
	t.Run("in a rebuild", func(t *testing.T) {
		run := &rebuild.Index{Log: log, Generations: generations, Blobs: blobs, Dialects: theDialects(), Logger: quiet}
		summary, err := run.Handle(context.Background(), func(rebuild.Progress) {})
		if err != nil || summary.Generation != 2 {
			t.Fatalf("got %+v, %v", summary, err)
		}
		same(t, live)
	})
	t.Run("every content comes back from the log", func(t *testing.T) {
		var versions []projections.Version
		if err := live.Scan(t.Context(), 0, func(v projections.Version, _ events.Hash) error {
			versions = append(versions, v)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i, v := range versions {
			if i%97 != 0 {
				continue
			}
			if _, err := heal.Handle(t.Context(), v); err != nil {
				t.Errorf("%s/%s: %v", v.Type, v.ID, err)
			}
		}
	})
	storage := &verify.Storage{Log: log, Index: live, Blobs: blobs, Dialects: theDialects()}
	report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK || report.Resources != int64(resources) || report.Missing+report.Wrong+report.Orphans != 0 {
		t.Errorf("verify: %v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}

// BenchmarkTransactions measures the writing half without HTTP and disks: eight clients send patients' bundles.
func BenchmarkTransactions(b *testing.B) {
	n := newServed(b)
	bundles := sample(b)
	for _, bundle := range bundles[:2] {
		if rw := n.post(bundle); rw.Code != 200 {
			b.Fatal(rw.Body)
		}
	}
	bundles = bundles[2:]
	var bytes, next atomic.Int64
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			bundle := bundles[next.Add(1)%int64(len(bundles))]
			if rw := n.post(bundle); rw.Code != 200 {
				b.Errorf("%d %.300s", rw.Code, rw.Body)
			}
			bytes.Add(int64(len(bundle)))
		}
	})
	b.StopTimer()
	b.SetBytes(bytes.Load() / int64(b.N))
	sizes, err := n.live.Sizes(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(sizes.Versions-1721)/b.Elapsed().Seconds(), "resources/s")
}
