package postgres

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

func opened(t testing.TB) projections.Generations { return open(t, config(t)) }

func BenchmarkCommit(b *testing.B) { projectionstest.BenchmarkCommit(b, opened) }

func BenchmarkSearch(b *testing.B) { projectionstest.BenchmarkSearch(b, opened) }

func BenchmarkVersions(b *testing.B) { projectionstest.BenchmarkVersions(b, opened, 1_000_000) }

// BenchmarkBuild measures a generation of 50,000 resources with 13 terms and an outcome each: bare tables first, then
// the indexes.
func BenchmarkBuild(b *testing.B) {
	const all, size = 50_000, 1_000
	f := newFeeder(0)
	var commits []projections.Commit
	for range all / size {
		commits = append(commits, f.commit(size))
	}
	for b.Loop() {
		b.StopTimer()
		building := mustBuild(b, open(b, config(b)), "bench")
		b.StartTimer()
		for _, c := range commits {
			mustCommit(b, building, c)
		}
		if err := building.Finish(b.Context(), func(int, int, string) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*all)/b.Elapsed().Seconds(), "resources/s")
}
