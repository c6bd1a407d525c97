package catalog

import (
	"slices"
	"strings"

	"binnacle/projections/catalog/extract"
)

// hint names parameters of a type that are spelled like an unknown one.
func hint(t *extract.Type, code string) string {
	type candidate struct {
		code     string
		distance int
	}
	var near []candidate
	for other, param := range t.Params {
		if len(code) > 64 || !param.Searchable() {
			continue
		}
		if d := distance(strings.ToLower(code), other); d <= max(1, len(other)/3) {
			near = append(near, candidate{other, d})
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.SortFunc(near, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.code, b.code)
	})
	var names []string
	for _, n := range near[:min(3, len(near))] {
		names = append(names, n.code)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// distance counts the bytes to insert, delete or replace that make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
