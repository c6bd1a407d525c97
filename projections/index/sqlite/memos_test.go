package sqlite_test

import (
	"log/slog"
	"testing"

	"binnacle/events/sqlitefile"
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
