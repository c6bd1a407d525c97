package step

import (
	"cmp"
	"fmt"
	"slices"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/keys"
)

// walkMerged reads the term rows of many keys in the order of the main date: from each key the first few rows, and
// again more of them from those keys whose next row may still be on the page. So an OR of a hundred codes reads few
// rows of each, however common they are.
func (x Ask) walkMerged(
	walked []int64, driver *clause.Access, o Order, phase Phase, resume bool, limit int,
) ([]Match, error) {
	var found []dated
	seen := map[int64]bool{}
	for rows := 2 + 2*limit/len(walked); len(walked) > 0; rows *= 8 {
		edges, err := x.firstOfEach(walked, rows, driver, o, resume, func(p dated) {
			if !seen[p.ref] {
				seen[p.ref] = true
				found = append(found, p)
			}
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b dated) int {
			c := cmp.Or(cmp.Compare(a.main, b.main), cmp.Compare(a.ref, b.ref))
			if o.Descending {
				c = -c
			}
			return c
		})
		open := walked[:0:0]
		for key, edge := range edges {
			full := len(found) >= limit
			if full && o.Descending && edge <= found[limit-1].main ||
				full && !o.Descending && edge >= found[limit-1].main {
				continue // what lies beyond its edge lies beyond the page
			}
			open = append(open, key)
		}
		slices.Sort(open)
		walked = open
	}
	found = found[:min(len(found), limit)]
	candidates := make([]Candidate, len(found))
	for i := range found {
		candidates[i].Sid = found[i].ref >> keys.RefBits
	}
	matches, err := x.Load(candidates)
	for i := range matches {
		matches[i].Phase = phase
	}
	return matches, err
}

// dated is the place of a version in the order of the main date.
type dated struct{ main, ref int64 }

// firstOfEach reads, of each key, the matches among its first rows. A key that has more rows gets an edge: the main
// date up to which its rows have been read, all those that share it included.
func (x Ask) firstOfEach(
	keys []int64, rows int, driver *clause.Access, o Order, resume bool, take func(dated),
) (edges map[int64]int64, err error) {
	s := x.Statement()
	edge := "select y.sort from " + s.Table("term") + " y where y.key = k.key" + x.Stretch(s, "y", driver, o, resume) +
		fmt.Sprintf(" order by y.sort %s, y.ref %s limit 1 offset ", o.Direction(), o.Direction()) +
		s.Arg(int64(rows-1))
	within, outermost := " and t.sort >= e.edge", int64(-1<<63)
	if !o.Descending {
		within, outermost = " and t.sort <= e.edge", 1<<63-1
	}
	rowsOf := s.ForEach(s.Table("term"), "t", "t.sort, t.ref",
		"t.key = e.key"+within+x.Stretch(s, "t", driver, o, resume)+" and "+x.visible(s, "(t.ref >> 2)")+
			x.Probes(s, driver, "(t.ref >> 2)", "(t.ref - (t.ref & 3))", "t.sort"))
	list, key := s.Unnested(keys, "j")
	sql := "with e as materialized (select k.key as key, coalesce((" + edge + "), " + s.Arg(outermost) +
		") as edge from (select " + key + " as key from " + list + ") k) " +
		"select 0, e.key, e.edge from e where e.edge <> " + s.Arg(outermost) +
		" union all select 1, t.sort, (t.ref - (t.ref & 3)) from e cross join " + rowsOf
	edges = map[int64]int64{}
	var row, first, second int64
	err = x.Query(s, sql, func(scan func(...any) error) error {
		if err := scan(&row, &first, &second); err != nil {
			return err
		}
		if row == 0 {
			edges[first] = second
		} else {
			take(dated{first, second})
		}
		return nil
	})
	return edges, err
}
