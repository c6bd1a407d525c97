package sqlite

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"binnacle/projections/index/sql"
)

// dialect is the SQL of SQLite over the tables with a prefix. It has no arrays: lists are JSON in the statement's
// arguments, and text with commas in its answers. All keys have term rows, which their order by date is read from.
type dialect struct{ tables string }

var _ sql.Dialect = dialect{}

func (d dialect) Table(name string) string { return d.tables + name }

func (dialect) Argument(n int, _ any) string { return "$" + strconv.Itoa(n) }

// Xor does without an operator of its own, which SQLite lacks; the difference stays within 64 bits.
func (dialect) Xor(a, b string) string { return "((" + a + " | " + b + ") - (" + a + " & " + b + "))" }

func (dialect) NoBytes() string { return "x''" }

func (dialect) Holds(column, text string) string { return "instr(" + column + ", " + text + ") > 0" }

// ForEach is the table itself: SQLite keeps the order of a CROSS JOIN.
func (dialect) ForEach(table, as, _, condition string) string {
	return table + " " + as + " where " + condition
}

func (dialect) In(s *sql.Statement, list []int64) string {
	return "in (select value from json_each(" + s.Arg(jsonOf(list)) + "))"
}

func (d dialect) Among(s *sql.Statement, number string, list []int64) string {
	return number + " " + d.In(s, list)
}

func (dialect) InTexts(s *sql.Statement, list []string) string {
	return "in (select value from json_each(" + s.Arg(jsonOf(list)) + "))"
}

func (dialect) InBytes(s *sql.Statement, list [][]byte) string {
	written := make([]string, len(list))
	for i, b := range list {
		written[i] = hex.EncodeToString(b)
	}
	return "in (select unhex(value) from json_each(" + s.Arg(jsonOf(written)) + "))"
}

func (dialect) Unnested(s *sql.Statement, list []int64, as string) (table, column string) {
	return "json_each(" + s.Arg(jsonOf(list)) + ") " + as, as + ".value"
}

func (d dialect) Latest(s *sql.Statement, ledgers []int64, ids []string) (from, place string) {
	version := d.Table("version")
	return "json_each(" + s.Arg(jsonOf(ids)) + ") k cross join " + version + " v where v.sid = (select m.sid from " +
		version +
		" m where m.ledger = " + s.Arg(ledgers[0]) + " and m.id = k.value order by m.number desc limit 1)", "k.key"
}

func (dialect) List(column string) string { return "group_concat(" + column + ")" }

func (dialect) ListInto(l *sql.List) any { return &l.Text }

func (dialect) TypesAtOnce() bool { return false }

func (dialect) OnceOfMany() string { return " limit 1 offset 0" }

func (dialect) RefersOnRow(string) bool { return false }

func (dialect) URIsOnRow() bool { return false }

func (dialect) KeysOf(row, as string) (table, column string) {
	return "json_each(" + row + ".keys) " + as, as + ".value"
}

func (dialect) KeysColumn(row string) string { return row + ".keys" }

// jsonOf is a list as JSON.
func jsonOf[T int64 | string](list []T) string {
	text, _ := json.Marshal(list) // integers and strings always can be written
	return string(text)
}

// keysText is the written form of the keys on a version's row; nil when there are none.
func keysText(keys []int64) any {
	if len(keys) == 0 {
		return nil
	}
	text := append(make([]byte, 0, 20*len(keys)+2), '[')
	for i, key := range keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, key, 10)
	}
	return string(append(text, ']'))
}
