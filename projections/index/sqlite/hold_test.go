package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"binnacle/events/sqlitefile"
	"binnacle/projections/index/sqlite"
	"binnacle/projections/index/writebehind"
)

func exclusive(t *testing.T, path string) *sqlite.Generations {
	t.Helper()
	c := config(file(t, path))
	c.Exclusive = true
	return mustOpen(t, c)
}

func TestWhoHoldsIsSeenThoughTheLockFilesWereDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	g := exclusive(t, path)
	hold := func() (release func()) {
		t.Helper()
		_, _, release, err := g.Live().(writebehind.Holder).Hold(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	held := func(want bool) {
		t.Helper()
		if got, err := sqlitefile.Held(path); err != nil || got != want {
			t.Fatalf("Held = %v, %v; want %v", got, err, want)
		}
	}
	held(false)
	release := hold()
	held(true)
	release()
	held(false)
	for _, suffix := range []string{"-held", "-still"} {
		if err := os.Remove(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	release = hold()
	held(true)
	release()
	held(false)
}
