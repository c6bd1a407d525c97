package postgres

import (
	"testing"

	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

func TestMemosKeepTheirContract(t *testing.T) {
	projectionstest.Memos(t, func(t testing.TB) projectionstest.MemoStore {
		g := open(t, config(t))
		rows := func() (count int64) {
			if err := g.work.QueryRow(t.Context(), "select count(*) from "+g.control+"memo").Scan(&count); err != nil {
				t.Fatal(err)
			}
			return count
		}
		return projectionstest.MemoStore{Memos: g.Memos(), Generations: g, Rows: rows}
	})
}

func TestAnInstallationOfBeforeGetsItsTableOfMemos(t *testing.T) {
	c := config(t)
	g := open(t, c)
	if _, err := g.work.Exec(t.Context(),
		"drop table "+g.control+"memo; drop sequence "+g.control+"memo_revision"); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	if _, err := again.Memos().Keep(t.Context(), projections.Memo{MemoName: projections.MemoName{Kind: "test",
		Name: "a"}}, 0); err != nil {
		t.Error(err)
	}
}
