package sqlitefile

import (
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"binnacle/events"
)

func TestADiskThatFailsToSyncIsNotTrustedAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	file, err := Open(filepath.Join(folder, "x.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	write := func(*sql.Tx) error { return nil }
	if err := file.Durable(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	moving := func(*sql.Tx) error { return os.Rename(folder, folder+"-away") }
	if err := file.Durable(t.Context(), moving); events.KindOf(err) != events.Unknown {
		t.Errorf("the first time: got %v, want kind unknown", err)
	}
	if err := os.Rename(folder+"-away", folder); err != nil {
		t.Fatal(err)
	}
	if err := file.Durable(t.Context(), write); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "start the program again") {
		t.Errorf("the second time: got %v, want kind transient, and to be told to start the program again", err)
	}
	if err := file.Relaxed(t.Context(), write); err != nil {
		t.Errorf("what need not be durable: %v", err)
	}
	for name, told := range map[string]error{"Lost": file.Lost(), "Usable": file.Usable()} {
		if events.KindOf(told) != events.Transient || !strings.Contains(told.Error(), "start the program again") {
			t.Errorf("%s: got %v, want kind transient, and to be told to start the program again", name, told)
		}
	}
}

func TestAFolderThatIsMovedAwayIsTold(t *testing.T) {
	write := func(*sql.Tx) error { return nil }
	opened := func(t *testing.T) (*File, string, string) {
		t.Helper()
		folder := filepath.Join(t.TempDir(), "data")
		file, err := Open(filepath.Join(folder, "x.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		if err := errors.Join(file.Durable(t.Context(), write), file.Lost(), file.Usable()); err != nil {
			t.Fatal(err)
		}
		away := folder + "-away"
		if err := os.Rename(folder, away); err != nil {
			t.Fatal(err)
		}
		return file, folder, away
	}
	t.Run("and brought back", func(t *testing.T) {
		file, folder, away := opened(t)
		for name, told := range map[string]error{"Usable": file.Usable(), "Durable": file.Durable(t.Context(), write)} {
			if events.KindOf(told) != events.Transient || !strings.Contains(told.Error(), "bring it back") {
				t.Errorf("%s while it is away: got %v, want kind transient and what to do", name, told)
			}
		}
		if err := file.Lost(); err != nil {
			t.Errorf("while it is away: it counts as lost for good: %v", err)
		}
		if err := os.Rename(away, folder); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Usable(), file.Durable(t.Context(), write)); err != nil {
			t.Errorf("when it is back: %v", err)
		}
	})
	t.Run("and another one put in its place", func(t *testing.T) {
		file, folder, away := opened(t)
		if err := os.CopyFS(folder, os.DirFS(away)); err != nil {
			t.Fatal(err)
		}
		if err := file.Lost(); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "start the program again") {
			t.Errorf("got %v, want kind transient, and to be told to start the program again", err)
		}
		if err := file.Durable(t.Context(), write); events.KindOf(err) != events.Transient {
			t.Errorf("a write: got %v, want kind transient", err)
		}
	})
}
