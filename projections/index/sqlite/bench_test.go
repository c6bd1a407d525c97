package sqlite_test

import (
	"testing"

	"binnacle/projections/projectionstest"
)

func BenchmarkCommit(b *testing.B) { projectionstest.BenchmarkCommit(b, open) }

func BenchmarkSearch(b *testing.B) { projectionstest.BenchmarkSearch(b, open) }

func BenchmarkCurrent(b *testing.B) { projectionstest.BenchmarkCurrent(b, open) }
