package sql

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// DB runs statements of one generation. Errors are *events.Error; TooCostly when a statement ran over its time.
type DB interface {
	// Query calls row once for every row of the answer; scan works as that of database/sql.
	Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error
}

// Statement is a SQL text that grows together with its arguments.
type Statement struct {
	Dialect Dialect
	Args    []any
	Most    int // rows of a clause that are asked for; 0: all
	aliases int
	rows    *int // counts the rows that are answered in lists; nil: nobody asks
}

// NewStatement returns a statement without arguments.
func NewStatement(d Dialect) *Statement { return &Statement{Dialect: d} }

// Alias is a name for a table that no other in the statement has.
func (s *Statement) Alias(table string) string {
	s.aliases++
	return table + strconv.Itoa(s.aliases)
}

// Refer is [keys.Refer] in SQL.
func (s *Statement) Refer(param int64, resource string) string {
	return s.Dialect.Xor(s.Arg(param), resource)
}

// Arg adds an argument (int64, int32, string, []byte; slices of them where the dialect has arrays) and returns its
// placeholder.
func (s *Statement) Arg(v any) string {
	s.Args = append(s.Args, v)
	return s.Dialect.Argument(len(s.Args), v)
}

// Table names a table of the generation.
func (s *Statement) Table(name string) string { return s.Dialect.Table(name) }

// Inline is how many alternatives stand in a statement one by one; more of them are one argument.
const Inline = 16

// In is the condition, after its left side, of being one of the integers.
func (s *Statement) In(list []int64) string {
	if len(list) > Inline {
		return s.Dialect.In(s, list)
	}
	places := make([]string, len(list))
	for i, v := range list {
		places[i] = s.Arg(v)
	}
	return "in (" + strings.Join(places, ",") + ")"
}

// Among is the condition that a number is one of the integers, for many rows.
func (s *Statement) Among(number string, list []int64) string {
	if len(list) > Inline {
		return s.Dialect.Among(s, number, list)
	}
	return number + " " + s.In(list)
}

// InTexts is the condition, after its left side, of being one of the texts.
func (s *Statement) InTexts(list []string) string { return s.Dialect.InTexts(s, list) }

// InBytes is the condition, after its left side, of being one of the values of bytes.
func (s *Statement) InBytes(list [][]byte) string { return s.Dialect.InBytes(s, list) }

// Unnested is a table of integers for a FROM, and its column.
func (s *Statement) Unnested(list []int64, name string) (from, column string) {
	return s.Dialect.Unnested(s, list, name)
}

// NoBytes is an empty value of bytes.
func (s *Statement) NoBytes() string { return s.Dialect.NoBytes() }

// Contains is the condition that a column of bytes holds a text.
func (s *Statement) Contains(column string, text []byte) string {
	return s.Dialect.Holds(column, s.Arg(text))
}

// Begins is the condition that a column of bytes begins with a text; the index of the column answers it.
func (s *Statement) Begins(column string, text []byte) string {
	if len(text) == 0 {
		return ""
	}
	condition := " and " + column + " >= " + s.Arg(text)
	if after := AfterAll(text); after != nil {
		condition += " and " + column + " < " + s.Arg(after)
	}
	return condition
}

// AfterAll is the first text after all that begin with one; nil: none.
func AfterAll(text []byte) []byte {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] < 0xff {
			return append(slices.Clone(text[:i]), text[i]+1)
		}
	}
	return nil
}

// Versions goes on to the version rows, as v, whose Sids are an expression over what stands before, one after the
// other; it ends in a condition.
func (s *Statement) Versions(sid string) string {
	return " cross join " + s.Dialect.ForEach(s.Table("version"), "v", "v.*", "v.sid = "+sid)
}

// Once ends a SELECT inside EXISTS. PostgreSQL makes a join of one without it, and then reads the inner table as a
// whole and sorts the outer one, in place of walking an index and asking row by row until the page is full.
const Once = " limit 1 offset 0"

// VisibleOfAll is Visible where all rows are read and none of them first: PostgreSQL may read the closed versions once
// and hash them.
func (s *Statement) VisibleOfAll(sid string, snapshot int64) string {
	return s.visibleWith(sid, snapshot, s.Dialect.OnceOfMany())
}

// Visible is the condition that a version was current at a snapshot. The upper bound on the Sid is for the caller to
// add.
func (s *Statement) Visible(sid string, snapshot int64) string {
	return s.visibleWith(sid, snapshot, Once)
}

func (s *Statement) visibleWith(sid string, snapshot int64, end string) string {
	return "not exists (select 1 from " + s.Table("closed") + " c where c.sid = " + sid + " and c.by_sid <= " +
		s.Arg(snapshot) + end + ")"
}

// UnionParts is how many parts of a UNION one statement has at the most; SQLite takes 500.
const UnionParts = 200

// ForEach is a table, as named, for the right side of a CROSS JOIN; it ends in a condition. See [Dialect].
func (s *Statement) ForEach(table, as, columns, condition string) string {
	return s.Dialect.ForEach(table, as, columns, condition)
}

// Latest is a FROM of the latest versions, as v, of resources; see [Dialect].
func (s *Statement) Latest(ledgers []int64, ids []string) (from, place string) {
	return s.Dialect.Latest(s, ledgers, ids)
}
