package sqlite_test

import (
	"path/filepath"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/sqlite"
	"binnacle/events/sqlitefile"
)

func feedAt(t testing.TB, path string) *sqlite.Feed {
	t.Helper()
	file, err := sqlitefile.Open(path, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("sqlitefile.Open: %v", err)
	}
	feed, err := sqlite.OpenFeed(t.Context(), file)
	if err != nil {
		t.Fatalf("sqlite.OpenFeed: %v", err)
	}
	t.Cleanup(func() {
		_ = feed.Close()
		if err := file.Close(); err != nil {
			t.Errorf("Close of the file: %v", err)
		}
	})
	return feed
}

func TestSQLiteIsAFeed(t *testing.T) {
	var path string
	eventstest.RunFeed(t, eventstest.FeedDriver{
		Open: func(t testing.TB) events.Feed {
			path = filepath.Join(t.TempDir(), "binnacle.db")
			return feedAt(t, path)
		},
		Beside: func(t testing.TB) events.Feed { return feedAt(t, path) }, // as another process has it
	})
}
