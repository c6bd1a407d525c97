package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"binnacle/events"
	"binnacle/projections"
)

// admin is a pool apart from those of the driver.
func admin(t testing.TB, c Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), c.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func mustCommit(t testing.TB, index projections.Index, c projections.Commit) {
	t.Helper()
	if err := index.Commit(t.Context(), c); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func mustBuild(t testing.TB, g *Generations, catalog string) projections.Building {
	t.Helper()
	b, err := g.Build(t.Context(), catalog)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	t.Cleanup(func() { _ = b.Release() })
	return b
}

func states(t testing.TB, g *Generations) string {
	t.Helper()
	list, err := g.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, n := range list {
		words = append(words, fmt.Sprintf("%d %s %s", n.Number, n.State, n.Catalog))
	}
	return strings.Join(words, ", ")
}

func total(t testing.TB, index projections.Index, partition int32) int64 {
	t.Helper()
	page, err := index.Search(t.Context(), projections.Query{Tenant: "main", Partition: partition, Type: "Observation",
		Total: projections.TotalAccurate})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

func TestAMissingIndexIsToldWithWhatToDo(t *testing.T) {
	c := config(t)
	if _, err := Open(t.Context(), c, false); events.KindOf(err) != events.Invalid ||
		!strings.Contains(err.Error(), "binnacle init") || !strings.Contains(err.Error(), c.Schema) {
		t.Fatalf("got %v, want a refusal of kind invalid that names the schema and `binnacle init`", err)
	}
	open(t, c)
	again, err := Open(t.Context(), c, false)
	if err != nil {
		t.Fatalf("after it was made: %v", err)
	}
	_ = again.Close()
}

func TestNodesThatCreateAtOnceGetOneIndex(t *testing.T) {
	c := config(t)
	var group sync.WaitGroup
	failures := make([]error, 6)
	for i := range failures {
		group.Go(func() {
			g, err := Open(t.Context(), c, true)
			if err == nil {
				err = g.Close()
			}
			failures[i] = err
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	if got, want := states(t, open(t, c)), "1 live catalog-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASchemaOfAnotherVersionIsRefused(t *testing.T) {
	c := config(t)
	g := open(t, c)
	if _, err := g.work.Exec(t.Context(), "update "+g.control+"installation set version = 99"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c, true); events.KindOf(err) != events.Invalid ||
		!strings.Contains(err.Error(), "version 99") {
		t.Errorf("got %v, want a refusal of kind invalid that names version 99", err)
	}
}

func TestASchemaThatCannotBeUsedIsRefusedBeforeAnythingIsDone(t *testing.T) {
	for _, schema := range []string{"Binnacle", "a-b", "pg_mine", "mine_g1", "1st", strings.Repeat("x", 49),
		`x"; drop`} {
		if _, err := Open(t.Context(), Config{URL: "postgres://127.0.0.1:1/x", Schema: schema},
			true); events.KindOf(err) != events.Invalid {
			t.Errorf("%q: got %v, want kind invalid", schema, err)
		}
	}
}

func TestDropTakesTheSchemasOfTheInstallationAndNoOthers(t *testing.T) {
	c := config(t)
	g := open(t, c)
	mustBuild(t, g, "second")
	db := admin(t, c)
	neighbor := c.Schema + "_g1_other"
	if _, err := db.Exec(t.Context(), "create schema "+neighbor); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(context.Background(), "drop schema "+neighbor); err != nil {
			t.Errorf("the neighbor's schema: %v", err)
		}
	})
	for range 2 {
		if err := Drop(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	left := 0
	if err := db.QueryRow(t.Context(), "select count(*) from pg_namespace where starts_with(nspname, $1)",
		c.Schema).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 1 {
		t.Errorf("%d schemas are left, want the neighbor's alone", left)
	}
}

func TestOneProcessBuildsAndTheOthersAreToldWho(t *testing.T) {
	c := config(t)
	one, other := open(t, c), open(t, c)
	b := mustBuild(t, one, "second")
	_, err := other.Build(t.Context(), "second")
	if events.KindOf(err) != events.Conflict || !strings.Contains(err.Error(), "process") {
		t.Fatalf("got %v, want kind conflict that names the holder", err)
	}
	if err := other.Drop(t.Context(), b.Number()); events.KindOf(err) != events.Conflict {
		t.Errorf("dropping what is being built: got %v, want kind conflict", err)
	}
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	again := mustBuild(t, other, "second")
	if again.Number() != b.Number() {
		t.Errorf("it resumed generation %d, want %d", again.Number(), b.Number())
	}
	_ = again.Release()
	if third := mustBuild(t, other, "third"); third.Number() == b.Number() {
		t.Errorf("a build with another catalog resumed generation %d", b.Number())
	}
	if got, want := states(t, one), "1 live catalog-1, 3 building third"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestABuilderThatLostItsConnectionNeitherSwitchesNorKeepsOthersOut(t *testing.T) {
	c := config(t)
	one, other := open(t, c), open(t, c)
	b := mustBuild(t, one, "second")
	pid := b.(*building).lock.PgConn().PID()
	if _, err := admin(t, c).Exec(t.Context(), "select pg_terminate_backend($1, 5000)", pid); err != nil {
		t.Fatal(err)
	}
	if err := b.Switch(t.Context()); events.KindOf(err) != events.Conflict {
		t.Errorf("Switch: got %v, want kind conflict", err)
	}
	mustBuild(t, other, "second")
}

func TestASweepTakesTheKeysOffTheRowsOfSupersededVersions(t *testing.T) {
	g := open(t, config(t))
	f := newFeeder(0)
	first := f.commit(3)
	mustCommit(t, g.Live(), first)
	second := f.commit(3)
	for i := range second.Rows {
		second.Rows[i].ID, second.Rows[i].Number, second.Rows[i].Supersedes = first.Rows[i].ID, 2, first.Rows[i].Sid
	}
	mustCommit(t, g.Live(), second)
	if err := g.Sweeper().Horizon(t.Context(), 0, f.sid); err != nil {
		t.Fatal(err)
	}
	sweep, err := g.Sweeper().Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sweep.Release() }()
	for done := false; !done; {
		portion, err := sweep.Portion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done = portion.Done
	}
	var with []int64
	if err := queryOn(t.Context(), g.work, "test", "select sid from "+g.tables(
		1)+"version where keys is not null order by sid", nil, func(scan func(...any) error) error {
		sid := int64(0)
		err := scan(&sid)
		with = append(with, sid)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := []int64{4, 5, 6}; !slices.Equal(with, want) {
		t.Errorf("the versions %v have keys on their rows, want %v", with, want)
	}
}

func TestABuiltGenerationHasTheIndexesOfTheFirst(t *testing.T) {
	c := config(t)
	g := open(t, c)
	b := mustBuild(t, g, "second")
	f := newFeeder(0)
	mustCommit(t, b, f.commit(50))
	steps, last := 0, 0
	if err := b.Finish(t.Context(), func(done, all int, _ string) { steps, last = all, done }); err != nil {
		t.Fatal(err)
	}
	if last != steps || steps == 0 {
		t.Errorf("progress ended at %d of %d", last, steps)
	}
	if err := b.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	definitions := func(number int) []string {
		schema := generationSchema(c.Schema, number)
		var found []string
		if err := queryOn(t.Context(), g.work, "test", "select replace(indexdef, schemaname || '.', '') from "+
			"pg_indexes where schemaname = $1 "+
			"union all select relname || coalesce(array_to_string(reloptions, ','), '') from pg_class where "+
			"relnamespace = to_regnamespace($1) and relkind = 'r' order by 1", []any{schema},
			func(scan func(...any) error) error {
				text := ""
				err := scan(&text)
				found = append(found, text)
				return err
			}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	first, second := definitions(1), definitions(b.Number())
	if !slices.Equal(first, second) || len(first) < 20 {
		t.Errorf("got  %q\nwant %q", second, first)
	}
	mustCommit(t, g.Live(), f.commit(10))
	if got := total(t, g.Live(), 0); got != 60 {
		t.Errorf("%d resources, want 60", got)
	}
}

func TestManySearchesOfABareGenerationBuildItsIndexesEarly(t *testing.T) {
	g := open(t, config(t))
	b := mustBuild(t, g, "second").(*building)
	f := newFeeder(0)
	mustCommit(t, b, f.commit(20))
	if got := total(t, b, 0); got != 20 || b.indexed {
		t.Fatalf("%d resources, want 20; indexed: %v, want false", got, b.indexed)
	}
	b.searched = 2 * searchPatience
	if got := total(t, b, 0); got != 20 || !b.indexed {
		t.Fatalf("%d resources, want 20; indexed: %v, want true", got, b.indexed)
	}
	mustCommit(t, b, f.commit(20))
	if err := b.Finish(t.Context(), func(int, int, string) {}); err != nil {
		t.Fatal(err)
	}
	if got := total(t, b, 0); got != 40 {
		t.Errorf("%d resources, want 40", got)
	}
}

func TestACommitBasedOnTheOldGenerationIsRefusedAfterASwitch(t *testing.T) {
	c := config(t)
	one, other := open(t, c), open(t, c)
	f := newFeeder(0)
	projector := other.Live()
	if _, err := projector.State(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	first, second := f.commit(3), f.commit(4)
	mustCommit(t, projector, first)
	b := mustBuild(t, one, "second")
	mustCommit(t, b, first)
	if err := b.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := projector.Commit(t.Context(), second); events.KindOf(err) != events.Conflict {
		t.Fatalf("got %v, want kind conflict", err)
	}
	state, err := projector.State(t.Context(), 0)
	if err != nil || state.Next != second.Expect {
		t.Fatalf("state %+v, %v, want next %d", state, err, second.Expect)
	}
	mustCommit(t, projector, second)
	if got := total(t, one.Live(), 0); got != 7 {
		t.Errorf("%d resources, want 7", got)
	}
	if err := b.Commit(t.Context(), f.commit(1)); events.KindOf(err) != events.Conflict {
		t.Errorf("a commit by the builder after its switch: got %v, want kind conflict", err)
	}
	// And when the old one has been dropped before anybody has noticed.
	third := mustBuild(t, one, "third")
	mustCommit(t, third, first)
	mustCommit(t, third, second)
	if err := third.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := one.Drop(t.Context(), b.Number()); err != nil {
		t.Fatal(err)
	}
	other.point(b.Number(), "catalog-1", time.Now().Add(time.Minute))
	if _, err := other.Live().Current(t.Context(), []projections.Key{first.Rows[0].Key}); err != nil {
		t.Errorf("a reader that had not noticed: %v", err)
	}
	if err := projector.Commit(t.Context(), projections.Commit{Expect: 7, Next: 8}); events.KindOf(
		err) != events.Conflict {
		t.Errorf("a projector that had not noticed: got %v, want kind conflict", err)
	}
}

func TestCommitsUnderWayDuringASwitchAreInOneGenerationOrRefused(t *testing.T) {
	c := config(t)
	one, other := open(t, c), open(t, c)
	f := newFeeder(0)
	projector := other.Live()
	if _, err := projector.State(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	b := mustBuild(t, one, "second")
	if err := b.Finish(t.Context(), func(int, int, string) {}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var next projections.Commit
	var refused error
	started := make(chan struct{})
	group.Go(func() {
		for i := 0; refused == nil && t.Context().Err() == nil; i++ {
			next = f.commit(2)
			refused = projector.Commit(t.Context(), next)
			if i == 5 {
				close(started)
			}
		}
	})
	<-started
	if err := b.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if events.KindOf(refused) != events.Conflict || next.Expect == 0 {
		t.Fatalf("at %d: got %v, want kind conflict after some commits", next.Expect, refused)
	}
	if got := total(t, one.Live(), 0); got != 0 {
		t.Errorf("the new generation got %d resources of the old one's projector", got)
	}
	if state, err := one.open(1).reads.State(t.Context(), 0); err != nil || state.Next != next.Expect {
		t.Errorf("the old generation stands at %+v, %v, want %d", state, err, next.Expect)
	}
}
