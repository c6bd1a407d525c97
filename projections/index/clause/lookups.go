package clause

import (
	"fmt"
	"strings"

	"binnacle/events"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// A lookup asks the dictionaries for what a clause's values stand for. All lookups of a query are one statement.
type lookup struct {
	sql  func(s *sql.Statement) string // SELECT of three columns: integer, bytes, integer
	take func(first int64, text string, second int64)
}

func (x *Resolver) runLookups() error {
	for len(x.lookups) > 0 {
		batch := x.lookups[:min(len(x.lookups), sql.UnionParts)]
		x.lookups = x.lookups[len(batch):]
		s := x.Statement()
		parts := make([]string, len(batch))
		for i, l := range batch {
			parts[i] = fmt.Sprintf("select %d as n, y.* from (%s) y", i, l.sql(s))
		}
		var n, first, second int64
		var text []byte
		err := x.Query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error {
			if err := scan(&n, &first, &text, &second); err != nil {
				return err
			}
			batch[n].take(first, string(text), second)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if x.tooMany != "" {
		return events.Errorf(events.TooCostly, searching,
			"the value of %s stands for too many codings; name the system", x.tooMany)
	}
	return nil
}

// shapesWith finds the versions that have values of a parameter, or that lack them.
func (x scope) shapesWith(code string, has bool, a *Access) {
	x.shapes(func(params string) bool { return rows.HasParam(params, code) == has }, a)
}

// shapes finds the versions whose sets of parameters are wanted.
func (x scope) shapes(wanted func(params string) bool, a *Access) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select h.key, h.params, 0 from " + s.Table("shape") + " h where h.ledger = " + s.Arg(x.ledger)
		},
		take: func(key int64, params string, _ int64) {
			if wanted(params) {
				a.shapes = append(a.shapes, key)
			}
		},
	})
}

// marked looks for a mark in the dictionary of codings.
func (x *Resolver) marked(mark int64, found func()) {
	x.lookups = append(x.lookups, lookup{
		sql: func(s *sql.Statement) string {
			return "select d.key, " + s.NoBytes() + ", 0 from " + s.Table("coding") + " d where d.param = " +
				s.Arg(mark)
		},
		take: func(int64, string, int64) { found() },
	})
}
