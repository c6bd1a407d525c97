package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
)

// observed is a commit of observations with terms of every kind; every fifth supersedes one of the commit before.
func observed(n, size int) projections.Commit {
	c := projections.Commit{Expect: int64(n), Next: int64(n) + 1, Time: time.UnixMilli(1e12 + int64(n)).UTC()}
	for i := range size {
		at := n*size + i
		id, number, supersedes := fmt.Sprint("o", at), int64(1), int64(0)
		if i%5 == 0 && n > 0 {
			id, number, supersedes = fmt.Sprint("o", at-size+1), 2, int64(at-size+2)
		}
		main := int64(at*7919%1000) * 86_400_000_000
		c.Rows = append(c.Rows, projections.Row{
			Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Observation", ID: id},
				Sid: int64(at + 1), Number: number, Time: c.Time, Hash: sha256.Sum256([]byte(id)),
				Position: events.Position{Offset: int64(n)}, Change: i},
			Supersedes: supersedes, MainDate: main,
			Terms: []projections.Term{
				{Param: "code", Kind: projections.Token, System: "http://loinc.org", Code: fmt.Sprint(at % 7)},
				{Param: "identifier", Kind: projections.Token, System: "urn:x", Code: id},
				{Param: "subject", Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(at / 3)},
				{Param: "date", Kind: projections.Date, Start: main, End: main + 1_000},
				{Param: "value-quantity", Kind: projections.Quantity, Low: float64(at % 9), High: float64(at % 9),
					Code: "mg"},
				{Param: "name", Kind: projections.String, Text: fmt.Sprint("Name ", at%11)},
			},
		})
	}
	return c
}

func digests(t *testing.T, index projections.Index) (list []string) {
	t.Helper()
	if err := index.Scan(t.Context(), 0, func(v projections.Version, terms events.Hash) error {
		list = append(list, fmt.Sprintf("%s %d %x", v.ID, v.Number, terms))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

func mustBuild(t *testing.T, g *sqlite.Generations) projections.Building {
	t.Helper()
	building, err := g.Build(t.Context(), "catalog-2")
	if err != nil {
		t.Fatal(err)
	}
	return building
}

func tables(t *testing.T, path, like string) (n int) {
	t.Helper()
	if err := file(t, path).Read.QueryRowContext(t.Context(), "select count(*) from sqlite_schema where name like ?",
		like).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAGenerationBuiltInBulkHasTheRowsOfOneThatWasLive(t *testing.T) {
	const commits, size = 30, 40
	path := filepath.Join(t.TempDir(), "index.db")
	g := mustOpen(t, config(file(t, path)))
	live := g.Live()
	for n := range commits {
		if err := live.Commit(t.Context(), observed(n, size)); err != nil {
			t.Fatal(err)
		}
	}
	want := digests(t, live)

	building := mustBuild(t, g)
	code := projections.Query{Tenant: "main", Type: "Observation", Limit: 10, Total: projections.TotalAccurate,
		Clauses: []projections.Clause{{Param: "code", Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "3"}}}}}
	other := code
	other.Type = "Patient"
	for n := range commits {
		if err := building.Commit(t.Context(), observed(n, size)); err != nil {
			t.Fatal(err)
		}
		switch n {
		case 4: // what was put aside is found
			page, err := building.Search(t.Context(), code)
			if err != nil || len(page.Versions) != 10 {
				t.Fatalf("found %d versions, %v, want 10", len(page.Versions), err)
			}
			if _, err := building.Search(t.Context(), other); err != nil {
				t.Fatal(err)
			}
		case 11: // what was put aside by a process that is gone is found, too
			if err := building.Release(); err != nil {
				t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			g = mustOpen(t, config(file(t, path)))
			building = mustBuild(t, g)
			page, err := building.Search(t.Context(), code)
			if err != nil || page.Total < 50 {
				t.Fatalf("after a restart %d versions are found, %v", page.Total, err)
			}
		}
	}
	if tables(t, path, "g2_load") != 1 || tables(t, path, "g2_version_id") != 0 {
		t.Error("nothing is put aside any more, or the index by id is there: the test tests nothing")
	}
	if err := building.Finish(t.Context(), func(int, int, string) {}); err != nil {
		t.Fatal(err)
	}
	if tables(t, path, "g2_load") != 0 || tables(t, path, "g2_text_key") != 1 ||
		tables(t, path, "g2_span_key") != 1 || tables(t, path, "g2_version_id") != 1 {
		t.Error("a finished generation has not the tables and indexes of a live one")
	}
	if err := building.Commit(t.Context(), observed(commits, size)); err != nil {
		t.Fatal(err)
	}
	got := digests(t, building)
	if len(got) != len(want)+size {
		t.Fatalf("%d versions, want %d", len(got), len(want)+size)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("version %d has the rows %s, want %s", i, got[i], want[i])
		}
	}
	if err := building.Switch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSearchesWhileBuildingEndThePuttingAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	g := mustOpen(t, config(file(t, path)))
	building := mustBuild(t, g)
	named := projections.Query{Tenant: "main", Type: "Observation", Limit: 50,
		Clauses: []projections.Clause{{Param: "name", Kind: projections.String,
			Values: []projections.Value{{Text: "name 5"}}}}}
	if err := building.Commit(t.Context(), observed(0, 44)); err != nil {
		t.Fatal(err)
	}
	page, err := building.Search(t.Context(), named)
	if err != nil || len(page.Versions) != 4 {
		t.Fatalf("%d versions, %v, want 4", len(page.Versions), err)
	}
	if !strings.Contains(page.Plan, "name") || tables(t, path, "g2_load") != 0 {
		t.Errorf("a search by name was answered without its index: %s", page.Plan)
	}
	coded := projections.Query{Tenant: "main", Type: "Observation", Limit: 50,
		Clauses: []projections.Clause{{Param: "identifier", Kind: projections.Token,
			Values: []projections.Value{{System: "urn:x", Code: "o3"}}}}}
	for n := 1; n < 15; n++ { // a search after every commit
		if err := building.Commit(t.Context(), observed(n, 44)); err != nil {
			t.Fatal(err)
		}
		if page, err := building.Search(t.Context(), coded); err != nil || len(page.Versions) != 1 {
			t.Fatalf("%d versions, %v, want 1", len(page.Versions), err)
		}
	}
}
