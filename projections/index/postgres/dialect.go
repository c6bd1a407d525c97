package postgres

import (
	"strconv"

	"binnacle/projections/index/sql"
)

// dialect is the SQL of PostgreSQL over the tables of a schema. Lists are arrays. Keys that no order is asked of stand
// on the rows of versions alone, where an index (GIN) finds them in a seventh of the bytes.
type dialect struct{ tables string }

var _ sql.Dialect = dialect{}

func (d dialect) Table(name string) string { return d.tables + name }

// Argument tells the type: left alone PostgreSQL takes an integer that stands beside another for 32 bits wide.
func (dialect) Argument(n int, v any) string {
	place := "$" + strconv.Itoa(n)
	switch v.(type) {
	case int64:
		return place + "::bigint"
	case int32:
		return place + "::int"
	case string:
		return place + "::text"
	case []byte:
		return place + "::bytea"
	}
	return place
}

func (dialect) Xor(a, b string) string { return "(" + a + " # " + b + ")" }

func (dialect) NoBytes() string { return "''::bytea" }

func (dialect) Holds(column, text string) string {
	return "position(" + text + " in " + column + ") > 0"
}

// ForEach is a lateral SELECT with OFFSET. PostgreSQL keeps the plan that it makes while a table is small, and may
// begin with all rows of the table then; it can't where they stand in such a SELECT.
func (dialect) ForEach(table, as, columns, condition string) string {
	return "lateral (select " + columns + " from " + table + " " + as + " where " + condition + " offset 0) " + as +
		" where true"
}

func (dialect) In(s *sql.Statement, list []int64) string {
	return "= any(" + s.Arg(list) + "::bigint[])"
}

// Among is a SELECT, of which PostgreSQL makes a hash; it looks through an array from its beginning for each row. It
// makes no hash where it may make a join: therefore the words at the end.
func (dialect) Among(s *sql.Statement, number string, list []int64) string {
	return "(" + number + " in (select unnest(" + s.Arg(list) + "::bigint[]))) is true"
}

func (dialect) InTexts(s *sql.Statement, list []string) string {
	return "= any(" + s.Arg(list) + "::text[])"
}

func (dialect) InBytes(s *sql.Statement, list [][]byte) string {
	return "= any(" + s.Arg(list) + "::bytea[])"
}

func (dialect) Unnested(s *sql.Statement, list []int64, as string) (table, column string) {
	return "unnest(" + s.Arg(list) + "::bigint[]) " + as + "(value)", as + ".value"
}

func (d dialect) Latest(s *sql.Statement, ledgers []int64, ids []string) (from, place string) {
	return "unnest(" + s.Arg(ledgers) + "::bigint[], " + s.Arg(ids) +
		"::text[]) with ordinality k(ledger, id, n) cross join lateral (select * from " +
		d.Table("version") + " m where m.ledger = k.ledger and m.id = k.id order by m.number desc limit 1) v", "k.n - 1"
}

func (dialect) List(column string) string { return "array_agg(" + column + ")" }

func (dialect) ListInto(l *sql.List) any { return &l.Numbers }

func (dialect) TypesAtOnce() bool { return true }

// OnceOfMany says nothing, so that PostgreSQL may make a join.
func (dialect) OnceOfMany() string { return "" }

// RefersOnRow holds for references to all but patients: what concerns a patient is read by date.
func (dialect) RefersOnRow(target string) bool { return target != "Patient" }

func (dialect) URIsOnRow() bool { return true }

func (dialect) KeysOf(row, as string) (table, column string) {
	return "unnest(" + row + ".keys) " + as + "(key)", as + ".key"
}

func (dialect) KeysColumn(row string) string { return "to_json(" + row + ".keys)::text::bytea" }
