package sqlterms

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

// statement is a SQL text that grows together with its arguments.
type statement struct {
	Dialect
	args    []any
	aliases int
	rows    *int // counts the rows that are answered in lists; nil: nobody asks
	most    int  // rows of a clause that are asked for; 0: all
}

// Statement is what a dialect adds arguments to.
type Statement = statement

// alias is a name for a table that no other in the statement has.
func (s *statement) alias(table string) string {
	s.aliases++
	return table + strconv.Itoa(s.aliases)
}

// refer is [refer] in SQL.
func (s *statement) refer(param int64, resource string) string { return s.Xor(s.arg(param), resource) }

// Arg adds an argument (int64, int32, string, []byte; slices of them where the dialect has arrays) and returns its
// placeholder.
func (s *statement) Arg(v any) string {
	s.args = append(s.args, v)
	return s.Argument(len(s.args), v)
}

func (s *statement) arg(v any) string { return s.Arg(v) }

// table names a table of the generation.
func (s *statement) table(name string) string { return s.Table(name) }

// inline is how many alternatives stand in a statement one by one; more of them are one argument.
const inline = 16

// in is the condition, after its left side, of being one of the integers.
func (s *statement) in(list []int64) string {
	if len(list) > inline {
		return s.In(s, list)
	}
	places := make([]string, len(list))
	for i, v := range list {
		places[i] = s.arg(v)
	}
	return "in (" + strings.Join(places, ",") + ")"
}

// among is the condition that a number is one of the integers, for many rows.
func (s *statement) among(number string, list []int64) string {
	if len(list) > inline {
		return s.Among(s, number, list)
	}
	return number + " " + s.in(list)
}

// inTexts is the condition, after its left side, of being one of the texts.
func (s *statement) inTexts(list []string) string { return s.InTexts(s, list) }

// inBytes is the condition, after its left side, of being one of the values of bytes.
func (s *statement) inBytes(list [][]byte) string { return s.InBytes(s, list) }

// unnested is a table of integers for a FROM, and its column.
func (s *statement) unnested(list []int64, name string) (from, column string) {
	return s.Unnested(s, list, name)
}

// noBytes is an empty value of bytes.
func (s *statement) noBytes() string { return s.NoBytes() }

// contains is the condition that a column of bytes holds a text.
func (s *statement) contains(column string, text []byte) string { return s.Holds(column, s.arg(text)) }

// begins is the condition that a column of bytes begins with a text; the index of the column answers it.
func (s *statement) begins(column string, text []byte) string {
	if len(text) == 0 {
		return ""
	}
	condition := " and " + column + " >= " + s.arg(text)
	if after := afterAll(text); after != nil {
		condition += " and " + column + " < " + s.arg(after)
	}
	return condition
}

// afterAll is the first text after all that begin with one; nil: none.
func afterAll(text []byte) []byte {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] < 0xff {
			return append(slices.Clone(text[:i]), text[i]+1)
		}
	}
	return nil
}

// versions goes on to the version rows, as v, whose Sids are an expression over what stands before, one after the other;
// it ends in a condition.
func (s *statement) versions(sid string) string {
	return " cross join " + s.ForEach(s.table("version"), "v", "v.*", "v.sid = "+sid)
}

// once ends a SELECT inside EXISTS. PostgreSQL makes a join of one without it, and then reads the inner table as a whole
// and sorts the outer one, in place of walking an index and asking row by row until the page is full.
const once = " limit 1 offset 0"

// visibleOfAll is visible where all rows are read and none of them first: PostgreSQL may read the closed versions once
// and hash them.
func (s *statement) visibleOfAll(sid string, snapshot int64) string {
	return s.visibleWith(sid, snapshot, s.OnceOfMany())
}

// visible is the condition that a version was current at a snapshot. The upper bound on the Sid is for the caller to add.
func (s *statement) visible(sid string, snapshot int64) string {
	return s.visibleWith(sid, snapshot, once)
}

func (s *statement) visibleWith(sid string, snapshot int64, end string) string {
	return "not exists (select 1 from " + s.table("closed") + " c where c.sid = " + sid + " and c.by_sid <= " + s.arg(snapshot) + end + ")"
}

// unionParts is how many parts of a UNION one statement has at the most; SQLite takes 500.
const unionParts = 200
