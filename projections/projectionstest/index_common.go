package projectionstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"binnacle/projections"
)

// commonValues searches for what thousands of versions have: the index must not read all of them, and find the same.
// commonValues compares with the model and, when plans is true, holds the planner to its ways.
func commonValues(plans bool) func(t *testing.T, g projections.Generations) {
	return func(t *testing.T, g projections.Generations) { commonValuesBy(t, g, plans) }
}

func commonValuesBy(t *testing.T, g projections.Generations, plans bool) {
	w := newWorld(t, g.Live(), 0)
	token := func(param, code string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Token, System: "s", Code: code}
	}
	reference := func(param, target, id string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Reference, System: target, Code: id}
	}
	const patients, observations = 60, 1_600
	for i := range patients {
		w.put(key("Patient", fmt.Sprint(i)), int64(i), token("gender", []string{"male", "female"}[i%2]),
			projections.Term{Param: "name", Kind: projections.String, Text: fmt.Sprint("Name", i%30)},
			reference("organization", "Organization", fmt.Sprint(i%3)))
	}
	for i := range 3 {
		w.put(key("Organization", fmt.Sprint(i)), projections.MinTime, token("type", fmt.Sprint(i)))
	}
	write := func(i int) {
		value := projections.Term{Kind: projections.Quantity, Low: float64(i % 200), High: float64(i % 200), Code: "mg"}
		code := token("code", fmt.Sprint("c", i%80))
		both := projections.Term{Param: "code-value", Kind: projections.Composite,
			Parts: []projections.Term{{Kind: projections.Token, System: "s", Code: code.Code}, value}}
		value.Param = "value"
		start := day(2020, 1, 1) + int64(i*7919%500)*aDay
		issued := day(2019, 1, 1) + int64(i*31%400)*aDay
		terms := []projections.Term{code, value, both, token("status", "final"), token("category", fmt.Sprint(i%3)),
			reference("subject", "Patient", fmt.Sprint(i%(patients+10))),
			{Param: "date", Kind: projections.Date, Start: start, End: start + aDay},
			{Param: "issued", Kind: projections.Date, Start: issued, End: issued + int64(1+i%9/8)*aDay}}
		if i%17 > 0 {
			terms = append(terms, projections.Term{Param: "note", Kind: projections.String,
				Text: fmt.Sprint("Note", i%25)})
		}
		w.put(key("Observation", fmt.Sprint(i)), start, terms...)
	}
	for i := range observations {
		write(i)
	}
	w.commit()
	for i := 0; i < observations; i += 13 {
		write(i + 1)
	}
	for i := 0; i < observations; i += 29 {
		w.remove(key("Observation", fmt.Sprint(i)))
	}
	w.commit()
	codes := projections.Clause{Param: "code", Kind: projections.Token}
	for i := range 40 {
		codes.Values = append(codes.Values, projections.Value{System: "s", Code: fmt.Sprint("c", 2*i)})
	}
	is := func(param, code string) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Token,
			Values: []projections.Value{{System: "s", Code: code}}}
	}
	above := func(limit float64) projections.Clause {
		return projections.Clause{Param: "value", Kind: projections.Quantity,
			Values: []projections.Value{{Prefix: projections.Ge, Low: limit, High: limit, AnySystem: true}}}
	}
	follow := func(param string, reverse bool, resourceType string, clauses ...projections.Clause) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Reference,
			Follow: &projections.Follow{Reverse: reverse,
				Targets: []projections.Target{{Type: resourceType, Clauses: clauses}}}}
	}
	name := projections.Clause{Param: "name", Kind: projections.String, Values: []projections.Value{{Text: "name1"}}}
	rarely := projections.Clause{Param: "code-value", Kind: projections.Composite,
		Components: []projections.Kind{projections.Token, projections.Quantity},
		Values: []projections.Value{{Parts: []projections.Value{{AnySystem: true, Code: "c4"},
			{Prefix: projections.Gt, Low: 100, High: 100, AnySystem: true, Code: "mg"}}}}}
	by := func(param string, descending bool) []projections.SortKey {
		return []projections.SortKey{{Param: param, Kind: projections.Date, Descending: descending}}
	}
	issued := func(prefix projections.Prefix, month int) projections.Clause {
		start := day(2019, month, 1)
		return projections.Clause{Param: "issued", Kind: projections.Date,
			Values: []projections.Value{{Prefix: prefix, Start: start, End: start + aDay}}}
	}
	note := projections.SortKey{Param: "note", Kind: projections.String}
	for _, c := range []struct {
		words   string // of the plan
		of      string
		sort    []projections.SortKey
		clauses []projections.Clause
	}{
		{"versions by code", "Observation", nil, []projections.Clause{codes}},
		{"versions by code", "Observation", by("date", false), []projections.Clause{codes}},
		{"versions by code, category", "Observation", nil, []projections.Clause{codes, is("category", "1")}},
		// fills the page before its rows are read
		{"Observation in the order of the main date, each checked for value", "Observation", nil,
			[]projections.Clause{above(40)}},
		{"category", "Observation", by("date", true), []projections.Clause{above(80), is("category", "2")}},
		{"subject of Patient(name)", "Observation", nil,
			[]projections.Clause{follow("subject", false, "Patient", name)}},
		{"subject of Patient(gender)", "Observation", by("date", false),
			[]projections.Clause{follow("subject", false, "Patient", is("gender", "male")), is("code", "c6")}},
		{"organization of Organization(type)", "Observation", nil, []projections.Clause{follow("subject", false,
			"Patient", follow("organization", false, "Organization", is("type", "2")))}},
		{"refers to as subject", "Patient", nil, []projections.Clause{follow("subject", true, "Observation",
			is("code", "c7"))}},
		{"refers to as subject", "Patient", nil, []projections.Clause{follow("subject", true, "Observation",
			is("status", "final"), above(199))}},
		{"code-value", "Observation", nil, []projections.Clause{rarely}},
		{"in the order of date, and where it is equal of 1 more", "Observation",
			[]projections.SortKey{{Param: "date", Kind: projections.Date, Descending: true},
				{Param: "_id", Kind: projections.Token}}, []projections.Clause{is("status", "final")}},
		{"in the order of date, and where it is equal of 1 more", "Observation", []projections.SortKey{{Param: "date",
			Kind: projections.Date}, {Param: "code", Kind: projections.Token, Descending: true}}, nil},
		{"in the order of issued within the bounds of the search", "Observation", by("issued", true),
			[]projections.Clause{issued(projections.Ge, 3)}},
		{"in the order of issued within the bounds of the search, each checked for status", "Observation", by("issued",
			false), []projections.Clause{issued(projections.Gt, 2), is("status", "final"), issued(projections.Le, 9)}},
		{"in the order of issued within the bounds of the search, and where it is equal of 1 more", "Observation",
			append(by("issued", false), note), []projections.Clause{issued(projections.Lt, 9)}},
		{"in the order of note, and where it is equal of 1 more", "Observation",
			append([]projections.SortKey{note}, by("issued", true)...), nil},
		{"in the order of note, and where it is equal of 2 more", "Observation",
			append([]projections.SortKey{note}, append(by("issued", false), projections.SortKey{Param: "_id",
				Kind: projections.Token})...), []projections.Clause{is("status", "final")}},
		{"", "Observation", []projections.SortKey{{Param: "status", Kind: projections.Token},
			{Param: "date", Kind: projections.Date, Descending: true}}, []projections.Clause{is("category", "0")}},
	} {
		q := projections.Query{Tenant: "main", Type: c.of, Limit: 50, Sort: c.sort, Clauses: c.clauses,
			Total: projections.TotalAccurate}
		want := w.expect(q, w.sid)
		var got []projections.Version
		chill(g)
		for pages := 0; pages < 4; pages++ {
			if pages == 2 {
				settle(t, g)
			}
			page := w.search(q)
			if plans && !strings.Contains(page.Plan, c.words) {
				t.Errorf("a search was answered by %q, which does not say %q", page.Plan, c.words)
			}
			if pages == 0 && page.Total != int64(len(want)) {
				t.Errorf("%+v (%s): total %d, want %d", c.clauses, page.Plan, page.Total, len(want))
			}
			if got = append(got, page.Versions...); page.Next == "" {
				break
			}
			q.After, q.Snapshot = page.Next, page.Snapshot
		}
		if len(got) < min(len(want), 200) || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("%+v sorted by %+v\nfound %v\nwant  %v", c.clauses, c.sort, names(got),
				names(want[:min(len(want), 200)]))
		}
	}
}

// explained asks why a search is answered as it is.
func explained(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	token := func(param, code string) projections.Term {
		return projections.Term{Param: param, Kind: projections.Token, System: "s", Code: code}
	}
	for i := range 700 {
		terms := []projections.Term{token("status", []string{"final", "draft"}[i%2]),
			{Param: "name", Kind: projections.String, Text: fmt.Sprint("Name", i)}}
		if i%100 == 0 {
			terms = append(terms, token("code", "rare"))
		}
		w.put(key("Observation", fmt.Sprint(i)), day(2020, 1, 1)+int64(i)*aDay, terms...)
	}
	w.commit()
	is := func(param, code string) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Token,
			Values: []projections.Value{{System: "s", Code: code}}}
	}
	not := is("status", "final")
	not.Modifier = projections.Not
	for _, c := range []struct {
		sort    []projections.SortKey
		clauses []projections.Clause
		words   []string
	}{
		{nil, []projections.Clause{is("status", "final")}, []string{"status: 350 rows", "walk the order, about 51 rows",
			"(chosen: an index has the versions in the order"}},
		{nil, []projections.Clause{is("status", "final"), is("code", "rare")},
			[]string{"status: 350 rows", "code: 7 rows", "read and sort, 7 versions of code", "(chosen:"}},
		{nil, []projections.Clause{not, is("code", "rare")}, []string{"status: excludes", "code: 7 rows"}},
		{[]projections.SortKey{{Param: "name", Kind: projections.String}}, []projections.Clause{is("code", "rare")},
			[]string{"code: 7 rows", "read and sort, 7 versions of code, about 40µs (chosen: the versions are few"}},
		{nil, nil, []string{"statements, 52 rows read. Ways: walk the order, about 51 rows"}},
	} {
		q := projections.Query{Tenant: "main", Type: "Observation", Limit: 50, Sort: c.sort, Clauses: c.clauses,
			Explain: true}
		plan := w.search(q).Plan
		for _, words := range c.words {
			if !strings.Contains(plan, words) {
				t.Errorf("the plan of %+v is %q, which does not say %q", c.clauses, plan, words)
			}
		}
		q.Explain = false
		if plan := w.search(q).Plan; strings.Contains(plan, "Ways:") {
			t.Errorf("%q was told to nobody who asked", plan)
		}
	}
}
