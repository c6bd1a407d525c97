package projectionstest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"binnacle/projections"
)

// patients makes n patients, those that the observations have as their subjects, each with an organization.
func patients(sid int64, n int) []projections.Row {
	rows := make([]projections.Row, n)
	for i := range rows {
		born := day(1940+i%80, 1+i%12, 1+i%28)
		id := fmt.Sprintf("%08x-1111-4000-8000-%012x", i*7, i)
		rows[i] = projections.Row{
			MainDate: born,
			Version: projections.Version{Key: projections.Key{Tenant: "main", Type: "Patient", ID: id},
				Sid: sid + int64(i), Number: 1, Time: time.UnixMilli(1e12), Hash: sha256.Sum256([]byte(id))},
			Terms: []projections.Term{
				{Param: "name", Kind: projections.String, Text: fmt.Sprint("Peter", i%300)},
				{Param: "gender", Kind: projections.Token, Code: []string{"male", "female"}[i%2]},
				{Param: "birthdate", Kind: projections.Date, Start: born, End: born + aDay}, {Param: "organization",
					Kind: projections.Reference, System: "Organization", Code: fmt.Sprint(i % 20)},
			},
		}
	}
	return rows
}

// withComposites adds code-value-quantity to observations.
func withComposites(rows []projections.Row) []projections.Row {
	for i := range rows {
		code, value := rows[i].Terms[2], rows[i].Terms[9]
		code.Param, value.Param = "", ""
		rows[i].Terms = append(rows[i].Terms, projections.Term{Param: "code-value-quantity",
			Kind: projections.Composite, Parts: []projections.Term{code, value}})
	}
	return rows
}

// BenchmarkSearch measures searches over 100,000 observations of 834 patients.
func BenchmarkSearch(b *testing.B, open func(t testing.TB) projections.Generations) {
	index := open(b).Live()
	const all = 100_000
	for at := 0; at < all; at += 1_000 {
		c := projections.Commit{Expect: int64(at), Next: int64(at) + 1_000,
			Rows: withComposites(observations(at, 1_000))}
		if err := index.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	people := projections.Commit{Expect: all, Next: all + 1, Rows: patients(all+1, all/120+1)}
	if err := index.Commit(b.Context(), people); err != nil {
		b.Fatal(err)
	}
	sample := observations(54_321, 1)[0]
	clause := func(param string, kind projections.Kind, v projections.Value) projections.Clause {
		return projections.Clause{Param: param, Kind: kind, Values: []projections.Value{v}}
	}
	code := clause("code", projections.Token, projections.Value{System: "http://loinc.org", Code: sample.Terms[2].Code})
	codeOnly := clause("code", projections.Token, projections.Value{AnySystem: true, Code: sample.Terms[2].Code})
	status := clause("status", projections.Token, projections.Value{AnySystem: true, Code: "final"})
	category := clause("category", projections.Token, projections.Value{AnySystem: true, Code: "survey"})
	subject := clause("subject", projections.Reference,
		projections.Value{System: "Patient", Code: sample.Terms[5].Code})
	recent := clause("date", projections.Date, projections.Value{Prefix: projections.Ge, Start: day(2010, 1, 1),
		End: day(2010, 1, 2)})
	aDayOnly := clause("date", projections.Date, projections.Value{Start: day(2010, 1, 1), End: day(2010, 1, 2)})
	name := clause("name", projections.String, projections.Value{Text: "name12"})
	value := clause("value-quantity", projections.Quantity,
		projections.Value{Prefix: projections.Gt, Low: 190, High: 190, AnySystem: true, Code: "mg/dL"})
	identifier := clause("identifier", projections.Token, projections.Value{System: "urn:x", Code: sample.ID})
	codes := projections.Clause{Param: "code", Kind: projections.Token}
	for i := range 100 {
		codes.Values = append(codes.Values, projections.Value{System: "http://loinc.org",
			Code: observations(i*31, 1)[0].Terms[2].Code})
	}
	three := codes
	three.Values = codes.Values[:3]
	system := clause("code", projections.Token, projections.Value{System: "http://loinc.org", AnyCode: true})
	notCode := code
	notCode.Modifier = projections.Not
	composite := clause("code-value-quantity", projections.Composite,
		projections.Value{Parts: []projections.Value{code.Values[0],
			{Prefix: projections.Gt, Low: 150, High: 150, AnySystem: true, Code: "mg/dL"}}})
	composite.Components = []projections.Kind{projections.Token, projections.Quantity}
	follow := func(param string, reverse bool, resourceType string, clauses ...projections.Clause) projections.Clause {
		return projections.Clause{Param: param, Kind: projections.Reference,
			Follow: &projections.Follow{Reverse: reverse,
				Targets: []projections.Target{{Type: resourceType, Clauses: clauses}}}}
	}
	person := clause("name", projections.String, projections.Value{Text: "peter12"})
	male := clause("gender", projections.Token, projections.Value{Code: "male"})
	birth := clause("birthdate", projections.Date, projections.Value{Prefix: projections.Ge, Start: day(1990, 1, 1),
		End: day(1990, 1, 2)})
	organization := clause("organization", projections.Reference, projections.Value{System: "Organization", Code: "3"})
	compartment := projections.Clause{Any: []projections.Clause{subject,
		clause("encounter", projections.Reference, projections.Value{System: "Encounter", Code: "none"})}}
	missing := projections.Clause{Param: "name", Kind: projections.String, Modifier: projections.Missing, Missing: true}
	by := func(param string, kind projections.Kind, descending bool) []projections.SortKey {
		return []projections.SortKey{{Param: param, Kind: kind, Descending: descending}}
	}
	for _, c := range []struct {
		name    string
		sort    []projections.SortKey
		total   projections.Total
		clauses []projections.Clause
		of      string // Observation when empty
	}{
		{"all", nil, projections.TotalCheap, nil, ""},
		{"identifier", nil, projections.TotalCheap, []projections.Clause{identifier}, ""},
		{"code", nil, projections.TotalCheap, []projections.Clause{code}, ""},
		{"code without system", nil, projections.TotalCheap, []projections.Clause{codeOnly}, ""},
		{"code and date, sorted by date", by("date", projections.Date, true), projections.TotalCheap,
			[]projections.Clause{code, recent}, ""},
		{"code and date", nil, projections.TotalCheap, []projections.Clause{code, recent}, ""},
		{"category and date", nil, projections.TotalCheap, []projections.Clause{category, recent}, ""},
		{"subject", nil, projections.TotalCheap, []projections.Clause{subject}, ""},
		{"subject, code, date", nil, projections.TotalCheap, []projections.Clause{subject, code, recent}, ""},
		{"two common tokens", nil, projections.TotalCheap, []projections.Clause{status, category}, ""},
		{"a day", nil, projections.TotalCheap, []projections.Clause{aDayOnly}, ""},
		{"name", nil, projections.TotalCheap, []projections.Clause{name}, ""},
		{"value and category", nil, projections.TotalCheap, []projections.Clause{value, category}, ""},
		{"missing", nil, projections.TotalCheap, []projections.Clause{missing}, ""},
		{"sorted by date", by("date", projections.Date, false), projections.TotalCheap, nil, ""},
		{"sorted by name", by("name", projections.String, false), projections.TotalCheap, []projections.Clause{status},
			""},
		{"sorted by code", by("code", projections.Token, false), projections.TotalCheap, nil, ""},
		{"sorted by _lastUpdated", by("_lastUpdated", projections.Date, true), projections.TotalCheap,
			[]projections.Clause{category}, ""},
		{"100 codes", nil, projections.TotalCheap, []projections.Clause{codes}, ""},
		{"status, category and 3 codes", nil, projections.TotalCheap, []projections.Clause{status, category, three},
			""},
		{"a system", nil, projections.TotalCheap, []projections.Clause{system}, ""},
		{"not a code", nil, projections.TotalCheap, []projections.Clause{notCode}, ""},
		{"value", nil, projections.TotalCheap, []projections.Clause{value}, ""},
		{"composite", nil, projections.TotalCheap, []projections.Clause{composite}, ""},
		{"chain to few", nil, projections.TotalCheap, []projections.Clause{follow("subject", false, "Patient", person)},
			""},
		{"chain to many", nil, projections.TotalCheap, []projections.Clause{follow("subject", false, "Patient", male)},
			""},
		{"chain to many, and a code", nil, projections.TotalCheap,
			[]projections.Clause{follow("subject", false, "Patient", male), code}, ""},
		{"chain of two", nil, projections.TotalCheap, []projections.Clause{follow("subject", false, "Patient", person,
			organization)}, ""},
		{"has a code", nil, projections.TotalCheap, []projections.Clause{follow("subject", true, "Observation", code)},
			"Patient"},
		{"has a common category", nil, projections.TotalCheap,
			[]projections.Clause{follow("subject", true, "Observation", category)}, "Patient"},
		{"compartment", nil, projections.TotalCheap, []projections.Clause{compartment}, ""},
		{"birthdate", by("birthdate", projections.Date, false), projections.TotalCheap, []projections.Clause{birth},
			"Patient"},
		{"sorted by date and id", append(by("date", projections.Date, true), by("_id", projections.Token, false)...),
			projections.TotalCheap, []projections.Clause{code}, ""},
		{"accurate total of a common token", nil, projections.TotalAccurate, []projections.Clause{category}, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := projections.Query{Tenant: "main", Type: cmp.Or(c.of, "Observation"), Limit: 50, Clauses: c.clauses,
				Sort: c.sort, Total: c.total}
			plan := ""
			for b.Loop() {
				page, err := index.Search(b.Context(), q)
				if err != nil {
					b.Fatal(err)
				}
				plan = page.Plan
			}
			b.Log(plan)
		})
	}
}
