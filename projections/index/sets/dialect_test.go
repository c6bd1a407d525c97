package sets

import (
	"strconv"

	"binnacle/projections/index/sql"
)

// plain has the words that the tests of this package ask for. Their DB takes any.
type plain struct{ sql.Dialect }

func (plain) Table(name string) string { return name }

func (plain) Argument(n int, _ any) string { return "$" + strconv.Itoa(n) }

func (plain) List(column string) string { return "list(" + column + ")" }

func (plain) ListInto(l *sql.List) any { return &l.Text }

func (plain) Unnested(s *sql.Statement, list []int64, as string) (table, column string) {
	return "list(" + s.Arg(list) + ") " + as, as + ".value"
}
