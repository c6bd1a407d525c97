package postgres

import (
	"context"
	"strings"
	"testing"

	"binnacle/projections"
)

// explainer notes the plan of each statement before it is asked.
type explainer struct {
	reader
	t     *testing.T
	plans []string
}

func (e *explainer) Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error {
	plan, line := []string{sql}, ""
	if err := e.reader.Query(ctx, "explain (costs off) "+sql, args, func(scan func(...any) error) error {
		err := scan(&line)
		plan = append(plan, line)
		return err
	}); err != nil {
		e.t.Fatal(err)
	}
	e.plans = append(e.plans, strings.Join(plan, "\n"))
	return e.reader.Query(ctx, sql, args, row)
}

func TestVersionsAreFoundByTheirNumbersWhateverTheStatistics(t *testing.T) {
	g := open(t, config(t))
	feed := newFeeder(0)
	mustCommit(t, g.Live(), feed.commit(2_000))
	number, _, err := g.pointer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := func(param, code string) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Token,
			Values: []projections.Value{{Code: code, AnySystem: true}}}
	}
	note := projections.Clause{Param: "note", Kind: projections.String,
		Values: []projections.Value{{Text: "remark number 1"}}}
	asked := &explainer{reader: reader{g.searches, "postgres.Search", 0}, t: t}
	opened := g.open(number)
	for range 3 { // what is held in memory is read when it is asked for again
		for _, q := range []projections.Query{
			{Clauses: []projections.Clause{token("category", "survey"), token("code", "8001")}},
			{Clauses: []projections.Clause{token("status", "final"), note}},
			{Clauses: []projections.Clause{note}, Sort: []projections.SortKey{{Param: "note", Kind: projections.String},
				{Param: "date", Kind: projections.Date}}},
			{Clauses: []projections.Clause{token("status", "final")}},
		} {
			q.Tenant, q.Type, q.Limit = "main", "Observation", 50
			if _, err := opened.engine.Search(t.Context(), asked, opened.reads.Dialect, q); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, plan := range asked.plans {
		if strings.Contains(plan, "version_updated") && !strings.Contains(plan, "next_sid") { // which reads one of them
			t.Errorf("a search that is not by _lastUpdated reads all versions of the type:\n%s", plan)
		}
	}
	if len(asked.plans) < 24 {
		t.Errorf("%d statements were explained: the searches are not those that are meant", len(asked.plans))
	}
}
