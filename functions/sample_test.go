package functions_test

import (
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/functions/functionstest"
	"binnacle/functions/project"
	"binnacle/functions/rebuild"
	"binnacle/functions/verify"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

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

func TestTheSampleGoesInAndTheSameComesOutOfEveryReplay(t *testing.T) {
	n := functionstest.NewServed(t)
	log, blobs, generations, live, heal := n.Log, n.Blobs, n.Generations, n.Live, n.Heal
	resources := 0
	for i, bundle := range sample(t) {
		rw := n.Post(bundle)
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
			t.Errorf("the rows differ: %s", functionstest.FirstDifference(strings.Join(got, "\n"),
				strings.Join(want, "\n")))
		}
	}
	t.Run("in other batches", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		again := functionstest.OpenIndex(t).Live()
		p := &project.Projector{Index: again, Blobs: memoryblobs.New(), Dialects: functionstest.Dialects(),
			Logger: functionstest.Quiet, Reseek: func() { t.Error("reseek") }}
		functionstest.MustSeek(t, p)
		if err := log.Replay(t.Context(), events.Position{}, ends[0].Next, func(records []events.RawRecord) error {
			for len(records) > 0 {
				size := min(1+random.IntN(200), len(records))
				if err := p.Handle(functionstest.Batch(records[:size]...)); err != nil {
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
		run := &rebuild.Index{Log: log, Generations: generations, Blobs: blobs, Dialects: functionstest.Dialects(),
			Logger: functionstest.Quiet}
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
	storage := &verify.Storage{Log: log, Index: live, Blobs: blobs, Dialects: functionstest.Dialects()}
	report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
	if err != nil || !report.OK || report.Resources != int64(resources) ||
		report.Missing+report.Wrong+report.Orphans != 0 {
		t.Errorf("verify: %v\n%s", err, strings.Join(report.Lines(), "\n"))
	}
}

// BenchmarkTransactions measures the writing half without HTTP and disks: eight clients send patients' bundles.
func BenchmarkTransactions(b *testing.B) {
	n := functionstest.NewServed(b)
	bundles := sample(b)
	for _, bundle := range bundles[:2] {
		if rw := n.Post(bundle); rw.Code != 200 {
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
			if rw := n.Post(bundle); rw.Code != 200 {
				b.Errorf("%d %.300s", rw.Code, rw.Body)
			}
			bytes.Add(int64(len(bundle)))
		}
	})
	b.StopTimer()
	b.SetBytes(bytes.Load() / int64(b.N))
	sizes, err := n.Live.Sizes(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(sizes.Versions-1721)/b.Elapsed().Seconds(), "resources/s")
}
