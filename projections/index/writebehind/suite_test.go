package writebehind_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
	"binnacle/projections/index/writebehind"
	"binnacle/projections/projectionstest"
)

// projecting has the projector's fronts in place of the others, so that all commits of a suite wait.
type projecting struct {
	*writebehind.Generations
}

func (p *projecting) Live() projections.Index { return p.Projecting("") }

func (p *projecting) Bound(catalog string) projections.Index { return p.Projecting(catalog) }

func open(t testing.TB, path string, config writebehind.Config) *projecting {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.Open(path, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	inner, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1", Logger: logger,
		Exclusive: true}, true)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = logger
	g := writebehind.New(inner, config)
	t.Cleanup(func() { _ = g.Close() })
	return &projecting{g}
}

// waiting opens indexes in which a commit waits until somebody looks.
func waiting(within time.Duration) func(t testing.TB) projections.Generations {
	return func(t testing.TB) projections.Generations {
		return open(t, filepath.Join(t.TempDir(), "index.db"), writebehind.Config{Within: within})
	}
}

func TestNobodySeesThatCommitsWaitUntilSomebodyLooks(t *testing.T) {
	projectionstest.Index(t, waiting(time.Hour), true)
}
