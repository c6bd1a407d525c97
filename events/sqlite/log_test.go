package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/sqlite"
	"binnacle/events/sqlitefile"
)

func openAt(t testing.TB, path string) *sqlite.Log {
	t.Helper()
	file, err := sqlitefile.Open(path, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("sqlitefile.Open: %v", err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Errorf("Close of the file: %v", err)
		}
	})
	log, err := sqlite.Open(context.Background(), file, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("sqlite.Open: %v", err)
	}
	return log
}

func driver() eventstest.Driver {
	var path string
	return eventstest.Driver{
		Open: func(t testing.TB) events.Log {
			path = filepath.Join(t.TempDir(), "binnacle.db")
			return openAt(t, path)
		},
		Reopen: func(t testing.TB) events.Log { return openAt(t, path) },
		AppendRaw: func(t testing.TB, log events.Log, record events.RawRecord) {
			if err := log.(*sqlite.Log).AppendRaw(context.Background(), record); err != nil {
				t.Fatalf("AppendRaw: %v", err)
			}
		},
	}
}

func TestSQLiteIsALog(t *testing.T) { eventstest.Run(t, driver()) }

func BenchmarkSQLite(b *testing.B) { eventstest.Bench(b, driver()) }
