package sqlterms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Dialect tells of the tables of one generation: how they are named, in which SQL they are asked, and what is known of them.
type Dialect struct {
	Tables   string  // what stands before the name of a table: "g1_" or "binnacle_g1."
	Postgres bool    // else SQLite
	Counts   *Counts // shared by the searches of the generation; nil: each of them counts for itself
	Sets     *Sets   // shared by them, too; nil: every search reads rows
	Bounds   Bounds  // of the planner
}

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

// alias is a name for a table that no other in the statement has.
func (s *statement) alias(table string) string {
	s.aliases++
	return table + strconv.Itoa(s.aliases)
}

// refer is [refer] in SQL. SQLite has no exclusive or; the difference of or and and is the same, and stays within 64 bits.
func (s *statement) refer(param int64, resource string) string {
	p := s.arg(param)
	if s.Postgres {
		return "(" + p + " # " + resource + ")"
	}
	return "((" + p + " | " + resource + ") - (" + p + " & " + resource + "))"
}

// arg adds an argument (int64, int32, string, []byte; slices of them for Postgres) and returns its placeholder. Postgres is told the type:
// left alone it takes an integer that stands beside another for 32 bits wide.
func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	place := "$" + strconv.Itoa(len(s.args))
	if !s.Postgres {
		return place
	}
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

// table names a table of the generation.
func (s *statement) table(name string) string { return s.Tables + name }

// inline is how many alternatives stand in a statement one by one; more of them are one argument.
const inline = 16

// in is the condition, after its left side, of being one of the integers.
func (s *statement) in(list []int64) string {
	if len(list) > inline {
		if s.Postgres {
			return "= any(" + s.arg(list) + "::bigint[])"
		}
		return "in (select value from json_each(" + s.arg(jsonOf(list)) + "))"
	}
	places := make([]string, len(list))
	for i, v := range list {
		places[i] = s.arg(v)
	}
	return "in (" + strings.Join(places, ",") + ")"
}

// among is the condition that a number is one of the integers, for many rows. PostgreSQL looks through an array from its beginning for each of them. It makes a hash of a SELECT,
// but not where it may make a join of it: therefore the words at the end.
func (s *statement) among(number string, list []int64) string {
	if !s.Postgres || len(list) <= inline {
		return number + " " + s.in(list)
	}
	return "(" + number + " in (select unnest(" + s.arg(list) + "::bigint[]))) is true"
}

func jsonOf(list []int64) string {
	text, _ := json.Marshal(list) // integers always can be written
	return string(text)
}

// inTexts is the condition, after its left side, of being one of the texts.
func (s *statement) inTexts(list []string) string {
	if s.Postgres {
		return "= any(" + s.arg(list) + "::text[])"
	}
	text, _ := json.Marshal(list) // strings always can be written
	return "in (select value from json_each(" + s.arg(string(text)) + "))"
}

// inBytes is the condition, after its left side, of being one of the values of bytes.
func (s *statement) inBytes(list [][]byte) string {
	if s.Postgres {
		return "= any(" + s.arg(list) + "::bytea[])"
	}
	written := make([]string, len(list))
	for i, b := range list {
		written[i] = hex.EncodeToString(b)
	}
	text, _ := json.Marshal(written) // strings always can be written
	return "in (select unhex(value) from json_each(" + s.arg(string(text)) + "))"
}

// noBytes is an empty value of bytes.
func (s *statement) noBytes() string {
	if s.Postgres {
		return "''::bytea"
	}
	return "x''"
}

// contains is the condition that a column of bytes holds a text.
func (s *statement) contains(column string, text []byte) string {
	if s.Postgres {
		return "position(" + s.arg(text) + " in " + column + ") > 0"
	}
	return "instr(" + column + ", " + s.arg(text) + ") > 0"
}

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

// versions goes on to the version rows, as v, whose Sids are an expression over what stands before, one after the other; it ends in a condition. PostgreSQL keeps the plan that it makes
// while a table is small, and may begin with all versions then: it can't where they stand in a lateral SELECT with OFFSET.
func (s *statement) versions(sid string) string {
	if s.Postgres {
		return " cross join lateral (select n.* from " + s.table("version") + " n where n.sid = " + sid + " offset 0) v where true"
	}
	return " cross join " + s.table("version") + " v where v.sid = " + sid
}

// once ends a SELECT inside EXISTS. PostgreSQL makes a join of one without it, and then reads the inner table as a whole and sorts
// the outer one, in place of walking an index and asking row by row until the page is full.
const once = " limit 1 offset 0"

// visibleOfAll is visible where all rows are read and none of them first: PostgreSQL may read the closed versions once and hash them.
func (s *statement) visibleOfAll(sid string, snapshot int64) string {
	if !s.Postgres {
		return s.visible(sid, snapshot)
	}
	return "not exists (select 1 from " + s.table("closed") + " c where c.sid = " + sid + " and c.by_sid <= " + s.arg(snapshot) + ")"
}

// visible is the condition that a version was current at a snapshot. The upper bound on the Sid is for the caller to add.
func (s *statement) visible(sid string, snapshot int64) string {
	return "not exists (select 1 from " + s.table("closed") + " c where c.sid = " + sid + " and c.by_sid <= " + s.arg(snapshot) + once + ")"
}
