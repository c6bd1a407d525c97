package projectionstest

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/projections"
)

// contained asks for what strings contain, before and after an index has read which strings there are, while more come
// and go: what stands across two of them, what is longer than an index's entry, and what most have.
func contained(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 2)
	name := func(text string) projections.Term {
		return projections.Term{Param: "name", Kind: projections.String, Text: text}
	}
	put := func(i int, more ...projections.Term) {
		w.put(key("Patient", fmt.Sprint(i)), int64(i%7),
			append(more, name(fmt.Sprintf("Given%d Family%d", i, i%50)), name(fmt.Sprintf("ab%dc", i)))...)
	}
	ask := func() {
		t.Helper()
		for _, text := range []string{"family7", "FAMILY", "n1 f", "c", "7c", "cab", "cgiven", "49", "nobody", "", "ß",
			"hhhx", "\x00", "n1", "nora" + strings.Repeat("h", 126), "y\xff", "zz"} {
			for _, sort := range [][]projections.SortKey{nil, {{Param: "name", Kind: projections.String}}} {
				clause := projections.Clause{Param: "name", Kind: projections.String, Modifier: projections.Contains,
					Values: []projections.Value{{Text: text}}}
				w.check(projections.Query{Tenant: "main", Type: "Patient", Limit: 20, Sort: sort,
					Total: projections.TotalAccurate, Clauses: []projections.Clause{clause}})
				clause.Values = append(clause.Values, projections.Value{Text: "n13"})
				w.check(projections.Query{Tenant: "main", Type: "Patient", Limit: 60,
					Clauses: []projections.Clause{clause}})
			}
		}
	}
	for i := range 300 {
		put(i, name("Straße"), name("a\x00b"), name("z"), name("zzq"))
	}
	w.commit()
	ask()
	settle(t, g)
	ask()
	for i := range 60 {
		w.remove(key("Patient", fmt.Sprint(i*3)))
		put(400+i, name("nora"+strings.Repeat("h", 126)+pick3(i)), name("y\xff"+fmt.Sprint(i)))
	}
	w.commit()
	ask()
	chill(g)
	ask()
	settle(t, g)
	ask()
}

// pick3 are three endings, the same at every third number.
func pick3(i int) string { return [...]string{"x", "y", "hhhx"}[i%3] }
