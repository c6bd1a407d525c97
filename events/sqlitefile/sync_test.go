package sqlitefile

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"binnacle/events"
)

func TestADiskThatFailsToSyncIsNotTrustedAgain(t *testing.T) {
	file, err := Open(filepath.Join(t.TempDir(), "x.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	write := func(*sql.Tx) error { return nil }
	if err := file.Durable(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	path := file.path
	file.path = filepath.Join(t.TempDir(), "gone.db")
	if err := file.Durable(t.Context(), write); events.KindOf(err) != events.Unknown {
		t.Errorf("the first time: got %v, want kind unknown", err)
	}
	file.path = path
	if err := file.Durable(t.Context(), write); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "start the program again") {
		t.Errorf("the second time: got %v, want kind transient, and to be told to start the program again", err)
	}
	if err := file.Relaxed(t.Context(), write); err != nil {
		t.Errorf("what need not be durable: %v", err)
	}
}
