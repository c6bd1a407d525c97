package catalog

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func TestResultParameters(t *testing.T) {
	c := defaultCatalog(t)
	parse := func(query string) Parsed {
		t.Helper()
		p, err := c.ParseQuery(query, Options{Type: "Observation", DefaultCount: 20, MaxCount: 30,
			Own: []string{"_page"}})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return p
	}
	for query, want := range map[string]int{"": 20, "_count=5": 5, "_count=30": 30, "_count=31": 30,
		"_count=99999999999999999999": 30, "_count=0": 0, "_summary=count": 0, "_summary=count&_count=5": 0,
		"_summary=false": 20} {
		if got := parse(query).Query.Limit; got != want {
			t.Errorf("%q gives the limit %d; want %d", query, got, want)
		}
	}
	for query, want := range map[string]projections.Total{"": projections.TotalCheap,
		"_total=none": projections.TotalNone, "_total=estimate": projections.TotalEstimate,
		"_total=accurate": projections.TotalAccurate,
		"_count=0":        projections.TotalAccurate, "_count=0&_total=none": projections.TotalAccurate,
		"_summary=count&_total=estimate": projections.TotalEstimate} {
		if got := parse(query).Query.Total; got != want {
			t.Errorf("%q gives the total %d; want %d", query, got, want)
		}
	}
	p := parse("_sort=-date,code,_id&_format=json&code=a%20b&_page=x&_explain=true&_sort=-_lastUpdated&_pretty=true&")
	if got, want := fmt.Sprint(p.Query.Sort), "[{date date true [] true} {code token false [] false} {_id token "+
		"false [] false} {_lastUpdated date true [] false}]"; got != want {
		t.Errorf("the order is %s; want %s", got, want)
	}
	if got, want := fmt.Sprint(p.Used), "[{_sort -date,code,_id} {_format json} {code a b} {_explain true} {_sort "+
		"-_lastUpdated} {_pretty true}]"; got != want {
		t.Errorf("used are %s; want %s", got, want)
	}
	if !p.Query.Explain || p.Summary != "" || parse("_summary=count").Summary != "count" ||
		parse("_explain=false").Query.Explain {
		t.Errorf("%+v", p)
	}
	if _, err := c.ParseQuery("code=a,b,c", Options{Type: "Observation", MaxValues: 2}); events.KindOf(
		err) != events.TooCostly {
		t.Errorf("three alternatives where two are the most: %v", err)
	}
	if p, err := c.ParseQuery("code="+strings.Repeat("a,", 2*MaxValues), Options{Type: "Observation",
		MaxValues: 3 * MaxValues}); err != nil || len(p.Query.Clauses[0].Values) != 2*MaxValues {
		t.Errorf("more alternatives than by default: %v", err)
	}
	if zero := (Options{Type: "Observation"}); true {
		if p, err := c.ParseQuery("", zero); err != nil || p.Query.Limit != DefaultCount {
			t.Errorf("without options the limit is %d, %v", p.Query.Limit, err)
		}
		if p, err := c.ParseQuery("_count=5000", zero); err != nil || p.Query.Limit != MaxCount {
			t.Errorf("without options the largest limit is %d, %v", p.Query.Limit, err)
		}
	}
}
