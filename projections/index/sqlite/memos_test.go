package sqlite_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
	"binnacle/projections/projectionstest"
)

func TestMemosKeepTheirContract(t *testing.T) {
	projectionstest.Memos(t, func(t testing.TB) projectionstest.MemoStore {
		file, err := sqlitefile.OpenMemory(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		g, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1",
			Logger: slog.New(slog.DiscardHandler)}, true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		rows := func() (count int64) {
			if err := file.Read.QueryRowContext(t.Context(),
				"select count(*) from index_memo").Scan(&count); err != nil {
				t.Fatal(err)
			}
			return count
		}
		return projectionstest.MemoStore{Memos: g.Memos(), Generations: g, Rows: rows}
	})
}

func TestADurableMemoIsRefusedWhereTheDiskIsAway(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.Open(filepath.Join(folder, "x.db"), logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	g, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1", Logger: logger}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	keep := func(name string, durable bool) error {
		_, err := g.Memos().Keep(t.Context(), projections.Memo{MemoName: projections.MemoName{Kind: "test", Name: name},
			Durable: durable}, 0)
		return err
	}
	if err := errors.Join(keep("a", true), os.Rename(folder, folder+"-away"), keep("b", false)); err != nil {
		t.Fatal(err)
	}
	if err := keep("c", true); events.KindOf(err) != events.Transient {
		t.Errorf("got %v, want kind transient: what can't be synced is not durable", err)
	}
	if err := os.Rename(folder+"-away", folder); err != nil {
		t.Fatal(err)
	}
}
