package sqlite_test

import (
	"log/slog"
	"testing"
	"time"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sqlite"
	"binnacle/projections/projectionstest"
)

func open(t testing.TB) projections.Generations { return openWith(t, sets.Bounds{}) }

func openWith(t testing.TB, bounds sets.Bounds) projections.Generations {
	t.Helper()
	file, err := sqlitefile.OpenMemory(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	generations, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1", Timeout: time.Minute,
		Exclusive: true, Bounds: bounds, Logger: slog.New(slog.DiscardHandler)}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = generations.Close() })
	return generations
}

func TestTheIndexKeepsItsContract(t *testing.T) { projectionstest.Index(t, open, false) }

// ways are indexes that plan differently.
func ways() map[string]func(t testing.TB) projections.Generations {
	ways := map[string]func(t testing.TB) projections.Generations{"as it comes": open}
	for name, bounds := range sets.SmallBounds() {
		ways[name] = func(t testing.TB) projections.Generations { return openWith(t, bounds) }
	}
	return ways
}
