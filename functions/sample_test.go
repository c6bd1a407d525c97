package functions_test

import (
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
	memorylog "binnacle/events/memory"
	"binnacle/events/sqlitefile"
	"binnacle/functions"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
	"binnacle/projections/index/sqlite"
)

// openIndex makes an empty index in memory.
func openIndex(t *testing.T) *sqlite.Generations {
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
	return generations
}

// sample returns the bundles of the project's sample in the order in which they must be loaded.
func sample(t *testing.T) []string {
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

func TestTheSampleGoesInAndTheSameComesOutOfEveryReplay(t *testing.T) {
	log, blobs, generations := memorylog.Open(1, quiet), memoryblobs.New(), openIndex(t)
	live := generations.Live()
	waiters := functions.NewWaiters(live)
	heal := &functions.Heal{Log: log, Index: live, Blobs: blobs, Catalog: theCatalog()}
	project := &functions.Project{Index: live, Blobs: blobs, Catalog: theCatalog(), Waiters: waiters, Heal: heal, Logger: quiet}
	write := &functions.Write{Log: log, Index: live, Blobs: blobs, Catalog: theCatalog(), Waiters: waiters, Tenant: "main", Partitions: 1, Now: time.Now,
		NewID: newID, Logger: quiet, Heal: heal, Limits: functions.Limits{OutcomeWait: 2 * time.Minute}}
	door := write.Door("/fhir", nil)
	follow(t, log, project)

	resources, started := 0, time.Now()
	for i, bundle := range sample(t) {
		r := httptest.NewRequest("POST", base, strings.NewReader(bundle))
		rw := httptest.NewRecorder()
		door.ServeHTTP(rw, r)
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
	t.Logf("%d resources in %v", resources, time.Since(started))
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
		p := &functions.Project{Index: again, Blobs: memoryblobs.New(), Catalog: theCatalog(), Logger: quiet, Reseek: func() { t.Error("reseek") }}
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
		run := &functions.Rebuild{Log: log, Generations: generations, Blobs: blobs, Catalog: theCatalog(), Logger: quiet}
		summary, err := run.Handle(context.Background(), func(functions.RebuildProgress) {})
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
	verify := &functions.Verify{Log: log, Index: live, Blobs: blobs, Catalog: theCatalog()}
	report, err := verify.Handle(t.Context(), functions.VerifyOptions{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK || report.Resources != int64(resources) || report.Missing+report.Wrong+report.Orphans != 0 {
		t.Errorf("verify: %v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}
