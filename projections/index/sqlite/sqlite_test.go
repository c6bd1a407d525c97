package sqlite_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
)

func file(t *testing.T, path string) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func config(f *sqlitefile.File) sqlite.Config {
	return sqlite.Config{File: f, Catalog: "catalog-1", Logger: slog.New(slog.DiscardHandler)}
}

func mustOpen(t *testing.T, c sqlite.Config) *sqlite.Generations {
	t.Helper()
	g, err := sqlite.Open(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func patient(n int64) projections.Commit {
	v := projections.Version{Key: projections.Key{Tenant: "main", Type: "Patient", ID: fmt.Sprint(n)}, Sid: n,
		Number: 1, Time: time.UnixMilli(1e12 + n).UTC()}
	return projections.Commit{Expect: n - 1, Next: n, Time: v.Time, Rows: []projections.Row{{Version: v, MainDate: n}}}
}

func commit(t *testing.T, index projections.Index, n int64) {
	t.Helper()
	if err := index.Commit(t.Context(), patient(n)); err != nil {
		t.Fatal(err)
	}
}

func total(t *testing.T, index projections.Index) int64 {
	t.Helper()
	page, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Patient"})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

func TestAFileWithoutAnIndexSaysWhatToDo(t *testing.T) {
	f := file(t, filepath.Join(t.TempDir(), "binnacle.db"))
	_, err := sqlite.Open(t.Context(), config(f), false)
	if events.KindOf(err) != events.NotFound || !strings.Contains(err.Error(), "run binnacle init") {
		t.Fatalf("Open = %v", err)
	}
	mustOpen(t, config(f))
	if _, err := sqlite.Open(t.Context(), config(f), false); err != nil {
		t.Fatalf("Open of an index that is there: %v", err)
	}
}

func TestAnotherSchemaVersionIsRefused(t *testing.T) {
	f := file(t, filepath.Join(t.TempDir(), "binnacle.db"))
	mustOpen(t, config(f))
	if _, err := f.Write.Exec("update index_schema set version = 99"); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), config(f), true)
	if events.KindOf(err) != events.Invalid || !strings.Contains(err.Error(), "schema version 99") {
		t.Fatalf("Open = %v", err)
	}
}

func TestAnIndexIsThereAfterItsFileWasClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binnacle.db")
	f, err := sqlitefile.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g := mustOpen(t, config(f))
	commit(t, g.Live(), 1)
	_ = g.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, config(file(t, path)))
	commit(t, again.Live(), 2)
	if n := total(t, again.Live()); n != 2 {
		t.Fatalf("%d patients are there, want 2", n)
	}
}

// Two handles of one file stand for two processes.
func TestAnotherProcessSeesCommitsAndSwitches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binnacle.db")
	here, there := mustOpen(t, config(file(t, path))), mustOpen(t, config(file(t, path)))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	heard := make(chan struct{}, 1)
	go func() {
		_ = there.Watch(ctx, func() {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
	}()
	wait := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			select {
			case <-heard:
			case <-ctx.Done():
				t.Fatalf("the other process did not see %s", what)
			}
		}
	}
	live := there.Live()
	total(t, live)
	for n := range int64(3) {
		commit(t, here.Live(), n+1)
	}
	wait("the commits", func() bool { return total(t, live) == 3 })

	state, err := live.State(ctx, 0)
	if err != nil || state.Next != 3 {
		t.Fatalf("State = %+v, %v", state, err)
	}
	b, err := here.Build(ctx, "catalog-2")
	if err != nil {
		t.Fatal(err)
	}
	_, err = there.Build(ctx, "catalog-2")
	if events.KindOf(err) != events.Conflict || !strings.Contains(err.Error(), "process ") {
		t.Fatalf("a second Build = %v; it has to name the holder", err)
	}
	for n := range int64(5) {
		commit(t, b, n+1)
	}
	if err := b.Switch(ctx); err != nil {
		t.Fatal(err)
	}
	if err := live.Commit(ctx, patient(4)); events.KindOf(err) != events.Conflict {
		t.Fatalf("the other process commits to the old generation: %v", err)
	}
	wait("the switch", func() bool { return total(t, live) == 5 })
	if err := here.Drop(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if b, err = there.Build(ctx, "catalog-3"); err != nil {
		t.Fatalf("Build after the other process is done: %v", err)
	}
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestASearchOverItsTimeIsTooCostly(t *testing.T) {
	c := config(file(t, filepath.Join(t.TempDir(), "binnacle.db")))
	c.Timeout = time.Nanosecond
	g := mustOpen(t, c)
	_, err := g.Live().Search(t.Context(), projections.Query{Tenant: "main", Type: "Patient", Limit: 1})
	if events.KindOf(err) != events.TooCostly {
		t.Fatalf("Search = %v", err)
	}
	if _, err := g.Live().Search(t.Context(), projections.Query{Tenant: "main", Type: "Patient", Limit: 1,
		NoTimeLimit: true}); err != nil {
		t.Fatalf("Search without a limit of time = %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Live().Search(ended, projections.Query{Tenant: "main", Type: "Patient", Limit: 1}); events.KindOf(
		err) != events.Transient {
		t.Fatalf("Search with a call that has ended = %v", err)
	}
}

func TestAClosedFileIsTransient(t *testing.T) {
	f := file(t, filepath.Join(t.TempDir(), "binnacle.db"))
	g := mustOpen(t, config(f))
	commit(t, g.Live(), 1)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Ready(t.Context()); events.KindOf(err) != events.Transient {
		t.Errorf("Ready = %v", err)
	}
	if err := g.Live().Commit(t.Context(), patient(2)); events.KindOf(err) != events.Transient {
		t.Errorf("Commit = %v", err)
	}
}

// Ten generations: the tables of one must not be taken for those of another.
func TestGenerationsOneAndTenAreToldApart(t *testing.T) {
	g := mustOpen(t, config(file(t, filepath.Join(t.TempDir(), "binnacle.db"))))
	for n := 2; n <= 11; n++ {
		b, err := g.Build(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		if n == 10 {
			for i := range int64(50) {
				commit(t, b, i+1)
			}
		}
		if err := b.Switch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n > 2 && n < 10 {
			if err := g.Drop(t.Context(), n-1); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := g.List(t.Context())
	if err != nil || len(list) != 4 {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if n := total(t, g.Live()); n != 0 {
		t.Fatalf("generation 11 shows %d patients of generation 10", n)
	}
}
