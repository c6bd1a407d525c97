package sqlterms

import "strconv"

// plain has the words that the tests of this package ask for. Their DB takes any.
type plain struct{ Dialect }

func (plain) Table(name string) string { return name }

func (plain) Argument(n int, _ any) string { return "$" + strconv.Itoa(n) }

func (plain) List(column string) string { return "list(" + column + ")" }

func (plain) ListInto(l *List) any { return &l.Text }

func (plain) Unnested(s *Statement, list []int64, as string) (table, column string) {
	return "list(" + s.Arg(list) + ") " + as, as + ".value"
}
