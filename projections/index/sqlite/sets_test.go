package sqlite_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
	"binnacle/projections/index/sqlite"
)

// gate holds back what the background reads.
type gate struct {
	sql.DB
	open chan struct{}
	held atomic.Int64
}

func (g *gate) Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error {
	select {
	case <-g.open:
	default:
		g.held.Add(1)
		select {
		case <-g.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.DB.Query(ctx, sql, args, row)
}

// gated is an index with 3,000 observations whose background is held back: half of them final, half vital signs, with
// values in one unit and doses in three.
func gated(t *testing.T) (*sqlite.Generations, *gate) {
	t.Helper()
	file, err := sqlitefile.OpenMemory(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	g, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Timeout: 10 * time.Minute, Exclusive: true,
		Bounds: sets.Bounds{Few: 5, Many: 50, Tried: 100}, Logger: slog.New(slog.DiscardHandler)}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	held := &gate{open: make(chan struct{})}
	g.ReadSetsOn(1, func(db sql.DB) sql.DB { held.DB = db; return held })
	token := func(param, code string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Token, System: "s", Code: code}
	}
	rows := make([]projections.Row, 3_000)
	for i := range rows {
		rows[i] = projections.Row{
			MainDate: int64(i) * 1_000_000,
			Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Observation", ID: fmt.Sprint(i)},
				Sid: int64(i) + 1, Number: 1, Time: time.UnixMilli(1e12)},
			Terms: []projections.Term{
				token("status", []string{"final", "draft"}[i%2]), token("category", []string{"vital", "other"}[i/2%2]),
				token("half", []string{"even", "odd"}[i%2]), token("rare", []string{"no", "yes"}[i/2_990]),
				{Param: "value", Kind: projections.Quantity, Low: float64(i % 1_000), High: float64(i % 1_000),
					Code: "mg"},
				{Param: "dose", Kind: projections.Quantity, Low: float64(i % 1_000), High: float64(i % 1_000),
					Code: doses()[i%3]},
			},
		}
	}
	if err := g.Live().Commit(t.Context(), projections.Commit{Next: 1, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	return g, held
}

// doses are the units of doses.
func doses() []string { return []string{"mg", "g", "kg"} }

func search(t *testing.T, g *sqlite.Generations, clauses ...projections.Clause) projections.Page {
	t.Helper()
	page, err := g.Live().Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 20,
		Clauses: clauses})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func above(value float64) projections.Clause {
	return projections.Clause{Param: "value", Kind: projections.Quantity,
		Values: []projections.Value{{Prefix: projections.Ge, Low: value, High: value, AnySystem: true, Code: "mg"}}}
}

func TestASearchForRangesGoesOnWhileTheirRowsAreRead(t *testing.T) {
	g, held := gated(t)
	ask := func(words string) {
		t.Helper()
		page, err := g.Live().Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 20,
			Clauses: []projections.Clause{above(995)}, Explain: true})
		if err != nil || len(page.Versions) != 15 || !strings.Contains(page.Plan, words) {
			t.Fatalf("found %d by %q, %v; want 15 by %q", len(page.Versions), page.Plan, err, words)
		}
	}
	for range 4 { // the second one has them read; none waits
		ask("15 rows, read for this search")
	}
	for held.held.Load() == 0 { // it has been asked for
		time.Sleep(time.Millisecond)
	}
	close(held.open)
	if err := g.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask("15 rows, in memory")
}

func TestTheDosesInAllUnitsAreReadWhenOneOfThemIsAskedForAgain(t *testing.T) {
	g, held := gated(t)
	close(held.open)
	ask := func(unit, words string) {
		t.Helper()
		want := 0
		for i := range 3_000 {
			if i%1_000 >= 900 && doses()[i%3] == unit {
				want++
			}
		}
		page, err := g.Live().Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 200,
			Explain: true, Clauses: []projections.Clause{
				{Param: "dose", Kind: projections.Quantity, Values: []projections.Value{{Prefix: projections.Ge, Low: 900,
					High: 900, AnySystem: true, Code: unit}}}}})
		if err != nil || len(page.Versions) != want || !strings.Contains(page.Plan, words) {
			t.Fatalf("found %d in %s by %q, %v; want %d by %q", len(page.Versions), unit, page.Plan, err, want, words)
		}
	}
	ask("mg", "rows, read for this search")
	ask("mg", "rows, read for this search")
	if err := g.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, unit := range doses() {
		ask(unit, "rows, in memory")
	}
}

func TestASearchThatWaitsForSetsHoldsUpNoOther(t *testing.T) {
	g, held := gated(t)
	is := func(param, code string) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Token,
			Values: []projections.Value{{System: "s", Code: code}}}
	}
	waiting := make(chan projections.Page, 2)
	for range 2 { // no version has both: to walk costs more than to read sets
		go func() {
			page, err := g.Live().Search(context.WithoutCancel(t.Context()),
				projections.Query{Tenant: "main", Type: "Observation", Limit: 20,
					Clauses: []projections.Clause{is("status", "final"), is("half", "odd")}})
			if err != nil {
				t.Error(err)
			}
			waiting <- page
		}()
	}
	for held.held.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if page := search(t, g, is("rare", "yes"), is("status", "final")); len(page.Versions) != 5 {
		t.Errorf("found %d, want 5 (%s)", len(page.Versions), page.Plan)
	}
	if page := search(t, g, is("status", "draft"), is("category", "vital")); len(page.Versions) != 20 {
		t.Errorf("found %d, want 20 (%s)", len(page.Versions), page.Plan)
	}
	select {
	case page := <-waiting:
		t.Errorf("a search was answered without its sets: %s", page.Plan)
	default:
	}
	close(held.open)
	for range 2 {
		if page := <-waiting; len(page.Versions) != 0 {
			t.Errorf("found %d, want none (%s)", len(page.Versions), page.Plan)
		}
	}
	page := search(t, g, is("status", "final"), is("category", "vital"))
	if len(page.Versions) != 20 {
		t.Errorf("found %d, want 20 (%s)", len(page.Versions), page.Plan)
	}
}

func TestAWalkGoesOnWhereTheOneThatWasTriedStopped(t *testing.T) {
	g, held := gated(t)
	close(held.open)
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 20, Explain: true,
		Clauses: []projections.Clause{{
			Param: "value", Kind: projections.Quantity, Values: []projections.Value{{Prefix: projections.Le, Low: 970,
				High: 970, AnySystem: true, Code: "mg"}},
		}}}
	for next := 2_970; next > 2_900; { // of the first 42 rows 13 match
		page, err := g.Live().Search(t.Context(), q)
		if err != nil || len(page.Versions) != q.Limit {
			t.Fatalf("found %d by %q, %v; want %d", len(page.Versions), page.Plan, err, q.Limit)
		}
		for _, v := range page.Versions {
			if v.Key.ID != fmt.Sprint(next) {
				t.Fatalf("found %s by %q, want %d", v.Key.ID, page.Plan, next)
			}
			next--
		}
		tried := strings.Contains(page.Plan, "the first 42 in the order of the main date do not fill the page; "+
			"Observation in the order") &&
			strings.Contains(page.Plan, "(chosen: the first 100 rows fill the page")
		if first := q.After == ""; tried != first {
			t.Errorf("the page was found by %q", page.Plan)
		}
		q.After, q.Snapshot = page.Next, page.Snapshot
	}
}
