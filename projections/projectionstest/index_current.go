package projectionstest

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/projections"
)

// mostlySuperseded asks a type of which few versions are current and most rows are those of others: in every order, as
// of before that was so, while it becomes so, and when all that is swept. Where planned is true, the planner has to see
// it.
func mostlySuperseded(planned bool) func(t *testing.T, g projections.Generations) {
	return func(t *testing.T, g projections.Generations) {
		w := newWorld(t, g.Live(), 2)
		put := func(id string, i int) {
			born := day(1950+i%60, 1+i%12, 1)
			w.put(key("Patient", id), []int64{projections.MinTime, day(2020, 1, 1+i%28)}[i%2],
				projections.Term{Param: "name", Kind: projections.String, Text: fmt.Sprintf("Anna%d", i%9)},
				projections.Term{Param: "birthdate", Kind: projections.Date, Start: born, End: born + aDay},
				projections.Term{Param: "gender", Kind: projections.Token, Code: []string{"male", "female"}[i/2%2]})
		}
		clauses := map[string][]projections.Clause{
			"none": nil,
			"name": {{Param: "name", Kind: projections.String, Values: []projections.Value{{Text: "anna"}}}},
			"holds": {{Param: "name", Kind: projections.String, Modifier: projections.Contains,
				Values: []projections.Value{{Text: "nna1"}}}},
			"born": {{Param: "birthdate", Kind: projections.Date,
				Values: []projections.Value{{Prefix: projections.Ne, Start: day(1957, 8, 1), End: day(1957, 8, 2)}}}},
			"male": {{Param: "gender", Kind: projections.Token,
				Values: []projections.Value{{AnySystem: true, Code: "male"}}}},
			"others": {{Param: "gender", Kind: projections.Token, Modifier: projections.Not,
				Values: []projections.Value{{AnySystem: true, Code: "male"}}}},
		}
		by := func(param string, kind projections.Kind) projections.SortKey {
			return projections.SortKey{Param: param, Kind: kind}
		}
		sorts := [][]projections.SortKey{nil, {by("name", projections.String)}, {by("birthdate", projections.Date)},
			{by("gender", projections.Token)}, {by("_id", projections.Token)},
			{by("_lastUpdated", projections.Date)}, {by("name", projections.String), by("birthdate", projections.Date)}}
		ask := func(each func()) {
			t.Helper()
			for _, list := range clauses {
				for _, sort := range sorts {
					q := projections.Query{Tenant: "main", Type: "Patient", Limit: 10, Sort: sort, Clauses: list,
						Total: projections.TotalAccurate}
					found, first := w.all(q, each)
					w.compare(q, found, first)
				}
			}
		}
		for i := range 24 {
			put(fmt.Sprint(i), i)
		}
		w.commit()
		before := w.sid
		ask(nil)
		gone := 100
		if planned { // by the bounds that are the default
			gone = 1_100
		}
		for i := range gone {
			id := fmt.Sprintf("gone%d", i)
			put(id, i)
			w.remove(key("Patient", id))
		}
		w.commit()
		ask(nil)
		if plan := w.search(projections.Query{Tenant: "main", Type: "Patient", Limit: 7}).Plan; planned &&
			!strings.Contains(plan, "what is current of Patient") {
			t.Errorf("the planner does not see that most rows are superseded: %s", plan)
		}
		settle(t, g)
		then := projections.Query{Tenant: "main", Type: "Patient", Limit: 50, Partition: w.partition, Snapshot: before}
		w.compare(then, w.search(then).Versions, projections.Page{Snapshot: before, Total: -1})
		n := 0
		ask(func() {
			put(fmt.Sprint(n%20), n)
			put(fmt.Sprintf("more%d", n%5), n)
			w.remove(key("Patient", fmt.Sprintf("more%d", n%5)))
			n++
			w.commit()
		})
		chill(g)
		w.horizon(g)
		sweep := portions(t, g)
		sweep(2)
		ask(nil)
		for !sweep(100) {
			w.search(projections.Query{Tenant: "main", Type: "Patient", Limit: 7})
		}
		ask(nil)
	}
}

// newestSuperseded asks a type of many current versions after which more were written and superseded at once, by the
// default bounds.
func newestSuperseded(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 2)
	put := func(id string, i int) {
		w.put(key("Patient", id), []int64{projections.MinTime, day(2020, 1, 1+i%28)}[i%2],
			projections.Term{Param: "gender", Kind: projections.Token, Code: []string{"male", "female"}[i/2%2]},
			projections.Term{Param: "nick", Kind: projections.Reference, System: "Person",
				Code: fmt.Sprintf("n%d", i%600)})
	}
	// more keys than a version is to be asked for
	many := projections.Clause{Param: "nick", Kind: projections.Reference}
	for i := range 590 {
		many.Values = append(many.Values, projections.Value{AnySystem: true, Code: fmt.Sprintf("n%d", i)})
	}
	ask := func(each func()) {
		t.Helper()
		male := projections.Clause{Param: "gender", Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "male"}}}
		not := male
		not.Modifier = projections.Not
		for _, clauses := range [][]projections.Clause{nil, {male}, {not}, {many}, {many, not}} {
			q := projections.Query{Tenant: "main", Type: "Patient", Limit: 130, Clauses: clauses}
			found, first := w.all(q, each)
			w.compare(q, found, first)
		}
	}
	for i := range 700 {
		put(fmt.Sprint(i), i)
	}
	w.commit()
	ask(nil)
	for i := range 1_100 {
		put(fmt.Sprintf("gone%d", i), 2*i)
		w.remove(key("Patient", fmt.Sprintf("gone%d", i)))
		put(fmt.Sprintf("dated%d", i), 55)
		w.remove(key("Patient", fmt.Sprintf("dated%d", i)))
	}
	for i := range 1_200 { // so that not most of all are superseded
		put(fmt.Sprint(1_000+i), 0)
	}
	for i := range 3_400 {
		put(fmt.Sprintf("again%d", i), 55)
	}
	w.commit()
	for i := range 3_400 {
		w.remove(key("Patient", fmt.Sprintf("again%d", i)))
	}
	w.commit()
	for range 2 {
		ask(nil)
		settle(t, g)
	}
	q := projections.Query{Tenant: "main", Type: "Patient", Limit: 10}
	if plan := w.search(q).Plan; !strings.Contains(plan, "what is current of Patient") {
		t.Errorf("the planner does not see that the newest versions are superseded: %s", plan)
	}
	many.Values = many.Values[1:] // nobody has counted these
	q.Clauses = []projections.Clause{many}
	if plan := w.search(q).Plan; strings.Contains(plan, "checked for nick") {
		t.Errorf("each version is asked for many keys: %s", plan)
	}
	n := 0
	ask(func() {
		put(fmt.Sprintf("more%d", n), n)
		w.remove(key("Patient", fmt.Sprint(n)))
		n++
		w.commit()
	})
}
