package projectionstest

import (
	"fmt"
	"strings"
	"testing"

	"binnacle/projections"
)

// begunInOrder asks for what strings begin with in the order of the same strings, of which versions have several: the
// one that a version is found by is not the one that it is sorted by.
func begunInOrder(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 1)
	long := strings.Repeat("m", projections.OrderBytes+2)
	texts := []string{"Ada", "Adam", "ad", "Bea", "Béa", "bea b", "Zoe", "zo", "m", long, long + "n", "ÿ", "\xff",
		"\xff\xff"}
	put := func(i int) {
		var terms []projections.Term
		for n := range i * 7 % 4 {
			terms = append(terms, projections.Term{Param: "name", Kind: projections.String,
				Text: texts[(i*5+n*(1+i%3))%len(texts)]})
		}
		born := day(1950+i%3, 1, 1)
		w.put(key("Patient", fmt.Sprint(i%70)), int64(i%5), append(terms,
			projections.Term{Param: "birthdate", Kind: projections.Date, Start: born, End: born + aDay})...)
	}
	ask := func(each func()) {
		t.Helper()
		for _, text := range []string{"a", "ada", "b", "bea", "zo", "m", long, "n", "ÿ", "\xff", ""} {
			for _, modifier := range []projections.Modifier{projections.NoModifier, projections.Exact} {
				for _, descending := range []bool{false, true} {
					name := projections.SortKey{Param: "name", Kind: projections.String, Descending: descending}
					for _, sort := range [][]projections.SortKey{{name},
						{name, {Param: "birthdate", Kind: projections.Date, Descending: true}}} {
						value := projections.Value{Text: text}
						if modifier == projections.Exact {
							value.Text = texts[len(text)%len(texts)]
						}
						q := projections.Query{Tenant: "main", Type: "Patient", Limit: 3, Sort: sort,
							Clauses: []projections.Clause{{Param: "name", Kind: projections.String, Modifier: modifier,
								Values: []projections.Value{value}}}}
						found, first := w.all(q, each)
						w.compare(q, found, first)
					}
				}
			}
		}
	}
	for i := range 120 {
		put(i)
	}
	w.commit()
	ask(nil)
	n := 0
	ask(func() {
		if n++; n%9 == 0 {
			put(200 + n)
			w.commit()
		}
	})
}
