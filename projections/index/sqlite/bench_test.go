package sqlite_test

import (
	"testing"

	"binnacle/projections/projectionstest"
)

func BenchmarkCommit(b *testing.B) { projectionstest.BenchmarkCommit(b, open) }

func BenchmarkSearch(b *testing.B) { projectionstest.BenchmarkSearch(b, open) }

func BenchmarkVersions(b *testing.B) { projectionstest.BenchmarkVersions(b, open, 1_000_000) }

func BenchmarkCurrent(b *testing.B) { projectionstest.BenchmarkCurrent(b, open) }
