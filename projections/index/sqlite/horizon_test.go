package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func TestASnapshotBeforeTheHorizonIsRefused(t *testing.T) {
	f := file(t, filepath.Join(t.TempDir(), "index.db"))
	index := mustOpen(t, config(f)).Live()
	write := func(n int64) {
		t.Helper()
		c := patient(n)
		c.Rows[0].Position.Offset = n - 1
		if err := index.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for n := range int64(6) {
		write(n + 1)
	}
	q := projections.Query{Tenant: "main", Type: "Patient", Limit: 2}
	page, err := index.Search(t.Context(), q)
	if err != nil || page.Next == "" {
		t.Fatalf("Search = %+v, %v", page, err)
	}
	horizon := func(sid int64) {
		t.Helper()
		err := f.Relaxed(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(context.WithoutCancel(t.Context()), "update g1_position set horizon = ?", sid)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	horizon(6)
	next := q
	next.After, next.Snapshot = page.Next, page.Snapshot
	if _, err := index.Search(t.Context(), next); err != nil {
		t.Errorf("a page at the horizon: %v", err)
	}
	if _, err := index.SnapshotAt(t.Context(), events.Position{Offset: 3}); events.KindOf(err) != events.Gone ||
		!strings.Contains(err.Error(), "0:5") {
		t.Errorf("a position before the horizon: %v; want one that is gone, and the oldest that is served", err)
	}
	write(7)
	horizon(7)
	if _, err := index.Search(t.Context(), next); events.KindOf(err) != events.Gone {
		t.Errorf("a page whose snapshot has been swept: %v, want kind gone", err)
	}
	first := q
	first.Snapshot = 3
	if _, err := index.Search(t.Context(), first); events.KindOf(err) != events.Gone {
		t.Errorf("a search at a snapshot that has been swept: %v, want kind gone", err)
	}
	if _, err := index.Search(t.Context(), q); err != nil {
		t.Errorf("a search of what is current: %v", err)
	}
}
