package sql

import "binnacle/projections/index/keys"

// Dialect is how the SQL of a driver says what shared statements ask, over the tables of one generation. Its methods
// return words of SQL; they know nothing of searches. The SQL that both drivers have in common stands in the shared
// statements.
type Dialect interface {
	Words
	Lists
	Answers
	keys.Places
	PlacedKeys
}

// Words are names, expressions and joins.
type Words interface {
	// Table is the name of a table of the generation.
	Table(name string) string
	// Argument is the placeholder of the n-th argument of a statement, counted from 1, which has the type of v.
	Argument(n int, v any) string
	// Xor is the exclusive or of two integers.
	Xor(a, b string) string
	// NoBytes is an empty value of bytes.
	NoBytes() string
	// Holds is the condition that a column of bytes holds a text.
	Holds(column, text string) string
	// ForEach is a table, as named, for the right side of a CROSS JOIN, whose rows that meet the condition are looked
	// up for each row of the left side, in that order whatever a planner thinks. It ends in a condition.
	ForEach(table, as, columns, condition string) string
}

// Lists are arguments of many values.
type Lists interface {
	// In is the condition, after its left side, of being one of the integers.
	In(s *Statement, list []int64) string
	// Among is the condition that a number is one of the integers, where many rows are asked.
	Among(s *Statement, number string, list []int64) string
	// InTexts is the condition, after its left side, of being one of the texts.
	InTexts(s *Statement, list []string) string
	// InBytes is the condition, after its left side, of being one of the values of bytes.
	InBytes(s *Statement, list [][]byte) string
	// Unnested is a table of the integers, as named, and its column.
	Unnested(s *Statement, list []int64, as string) (table, column string)
	// Latest is a FROM of the latest versions, as v, of resources by ledger and id, and the place in these lists,
	// counted from 0, that a version answers. A dialect that has no TypesAtOnce is asked for one ledger at a time.
	Latest(s *Statement, ledgers []int64, ids []string) (from, place string)
}

// Answers are the forms in which rows are read.
type Answers interface {
	// List is the aggregate of an integer column that ListInto reads.
	List(column string) string
	// ListInto is what a List is scanned into.
	ListInto(l *List) any
	// TypesAtOnce tells whether Latest finds resources of several ledgers.
	TypesAtOnce() bool
	// OnceOfMany ends a SELECT inside EXISTS where all rows of the outer SELECT are read, and none of them first.
	OnceOfMany() string
}

// PlacedKeys are the words for the keys on the rows of versions.
type PlacedKeys interface {
	// KeysOf are the keys on a row, as a table, and its column.
	KeysOf(row, as string) (table, column string)
	// KeysColumn are the keys on a row, as a JSON array in bytes.
	KeysColumn(row string) string
}
