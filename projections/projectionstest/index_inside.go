package projectionstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"binnacle/projections"
)

// insides asks chains of what versions contain and of other resources at once: few and many of either, now and at a
// snapshot of before.
func insides(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	code := func(param, code string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Token, System: "s", Code: code}
	}
	// inside are the terms of what is contained under a name: its id and its codes.
	inside := func(name, id string, codes ...string) []projections.Term {
		terms := []projections.Term{{Param: projections.InsideParam(name, projections.ParamID), Kind: projections.Token,
			Code: id}}
		for _, c := range codes {
			terms = append(terms, code(projections.InsideParam(name, "code"), c))
		}
		return terms
	}
	subject := func(id string) projections.Term {
		return projections.Term{Param: "subject", Kind: projections.Reference, System: "Patient", Code: id}
	}
	is := func(modifier projections.Modifier, codes ...string) projections.Clause {
		c := projections.Clause{Param: "code", Kind: projections.Token, Modifier: modifier,
			Missing: modifier == projections.Missing}
		for _, code := range codes {
			c.Values = append(c.Values, projections.Value{System: "s", Code: code})
		}
		return c
	}
	const name = "subject:Patient"
	chain := func(of projections.Clause) projections.Clause {
		target := projections.Target{Type: "Patient", Clauses: []projections.Clause{of}, Inside: name,
			Each: of.Modifier == projections.Not || of.Missing}
		return projections.Clause{Param: "subject", Kind: projections.Reference,
			Follow: &projections.Follow{Targets: []projections.Target{target}}}
	}
	w.put(key("Patient", "1"), projections.MinTime, code("code", "a"))
	w.put(key("Patient", "2"), projections.MinTime, code("code", "b"))
	w.observation("refers", subject("1"))
	w.observation("refers-b", subject("2"))
	w.observation("neither", code("code", "a"))
	w.commit()
	for _, c := range []struct {
		clause projections.Clause
		want   string
	}{{chain(is(0, "a")), "refers"}, {chain(is(projections.Not, "a")), "refers-b"},
		{chain(is(projections.Missing)), ""}} {
		w.expectIDs(c.clause, c.want)
	}
	before := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 1}).Snapshot

	w.observation("holds", inside(name, "p", "a")...)
	w.observation("both", append(inside(name, "p", "a", "b"), subject("2"))...)
	w.observation("nothing", inside(name, "p")...)
	w.observation("elsewhere", inside("performer:Patient", "p", "a")...)
	w.observation("another", inside("subject:Group", "p", "a")...)
	w.observation("two", slices.Concat(inside(name, "p", "a"), inside(name, "q", "b"),
		inside(projections.InsideOne(name, 1), "p", "a"), inside(projections.InsideOne(name, 2), "q", "b"))...)
	w.put(key("Observation", "beyond"), projections.MinTime,
		append(inside(name, "p"), projections.Term{Param: "subject:Patient.subject", Kind: projections.Reference,
			System: "Patient", Code: "1"})...)
	w.commit()
	beyond := chain(is(0, "a"))
	beyond.Follow.Targets[0].Inside = name + ".subject:Patient"
	for _, c := range []struct {
		clause projections.Clause
		want   string
	}{
		{chain(is(0, "a")), "both holds refers two"},
		{chain(is(0, "b")), "both refers-b two"},
		{chain(is(0, "a", "never")), "both holds refers two"},
		{chain(is(0, "never")), ""},
		{chain(is(projections.Not, "a")), "beyond both nothing refers-b two"},
		{chain(is(projections.Not, "a", "b")), "beyond nothing"},
		{chain(is(projections.Missing)), "beyond nothing"},
		{chain(projections.Clause{Param: "code", Kind: projections.Token, Modifier: projections.Missing}),
			"both holds refers refers-b two"},
		{chain(projections.Clause{Param: projections.ParamID, Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "q"}}}), ""},
		{chain(projections.Clause{Param: projections.ParamID, Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "1"}}}), "refers"},
		{chain(chain(is(0, "a"))), "beyond"},
		{projections.Clause{Any: []projections.Clause{chain(is(0, "a")), is(0, "a")}}, "both holds neither refers two"},
	} {
		w.expectIDs(c.clause, c.want)
	}
	if page := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 9, Snapshot: before,
		Clauses: []projections.Clause{chain(is(0, "a"))}}); len(page.Versions) != 1 {
		t.Errorf("at a snapshot of before it finds %v", names(page.Versions))
	}
	if page := w.search(projections.Query{Tenant: "main", Type: "Observation", Limit: 2,
		Clauses: []projections.Clause{chain(is(0, "a"))}}); !strings.Contains(page.Plan, "contained or not") {
		t.Errorf("the plan does not tell that it looks inside: %s", page.Plan)
	}

	w.observation("holds", inside(name, "p", "b")...) // an update and a deletion take their terms with them
	w.remove(key("Observation", "two"))
	for i := range 20 { // more of both than stand in a statement one by one
		w.put(key("Patient", fmt.Sprint("m", i)), projections.MinTime, code("code", "many"))
		w.put(key("Observation", fmt.Sprint("m", i)), int64(i)*aDay, subject(fmt.Sprint("m", i)))
		w.put(key("Observation", fmt.Sprint("n", i)), int64(i)*aDay,
			append(inside(name, "p", "many", fmt.Sprint("m", i)), code("code", fmt.Sprint(i%7)))...)
	}
	w.commit()
	w.expectIDs(chain(is(0, "a")), "both refers")
	var each []string
	for i := range 18 {
		each = append(each, fmt.Sprint("m", i))
	}
	for _, limit := range []int{9, 50} {
		for _, c := range [][]projections.Clause{{chain(is(0, "many"))}, {chain(is(0, each...))},
			{chain(is(0, append(each, "many")...)), is(0, "3")}, {is(0, "3"), chain(is(projections.Not, "many"))},
			{chain(is(projections.Not, "a")), is(projections.Not, "3")}} {
			w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: limit, Clauses: c,
				Total: projections.TotalAccurate})
			settle(t, g)
			w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: limit, Clauses: c,
				Sort: []projections.SortKey{{Param: "code", Kind: projections.Token}}})
		}
	}
}
