package sqlterms

import (
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// rowKind are the rows of a table that keys lead to, and that sets are made of.
type rowKind struct {
	table  string
	high   int64 // with isHigh: the rows with this upper end alone, which in those of quantities is the unit
	isHigh bool
	any    bool // a key stands for several, and its set has what one of them has
}

// The rows that sets are made of. What is held of clauses that follow references, and of what is current, is made of several kinds of rows and has a name of its own.
const (
	termTable    = "term"
	spanTable    = "span"
	textTable    = "text"
	versionTable = "version" // the keys on version rows, which have no order
	followTable  = "follow"  // the keys stand for clauses that follow references
	currentTable = "current" // the keys stand for types
)

// setName is what a set is kept under: what rows its versions have.
type setName struct {
	rowKind
	key int64
}

// name is what the set of a key in these rows is kept under.
func (k rowKind) name(key int64) setName { return setName{k, key} }

// names are what the sets of keys in these rows are kept under.
func (k rowKind) names(keys []int64) []setName {
	names := make([]setName, len(keys))
	for i, key := range keys {
		names[i] = k.name(key)
	}
	return names
}

// order is the column that the rows of a key stand in the order of; empty where they have none.
func (k rowKind) order() string {
	switch k.table {
	case termTable:
		return "sort"
	case spanTable:
		return "low"
	}
	return ""
}

// union is what the versions with any of some keys are kept under.
func (k rowKind) union(list []int64) setName {
	var h keys.Hasher
	h.Begin()
	for _, key := range list {
		h.Key(key)
	}
	k.any = true
	return k.name(h.Sum())
}

// allUnits stands for the rows of all units of quantities where the name is of one; else it is the name itself.
func (n setName) allUnits() setName {
	if !n.isHigh {
		return n
	}
	return rowKind{table: n.table, any: true}.name(n.key)
}

// only is the condition on the rows beside the key.
func (k rowKind) only(s *sql.Statement, row string) string {
	if !k.isHigh {
		return ""
	}
	return " and " + row + ".high = " + s.Arg(k.high)
}

// has is the condition that a version has a row with a key.
func (k rowKind) has(s *sql.Statement, key string) string {
	if k.table == versionTable {
		return "v.keys @> array[" + key + "]"
	}
	condition := "p.key = " + key + " and p.sort = v.main"
	if k.table == spanTable {
		condition = "+p.key = " + key + k.only(s, "p")
	}
	return "exists (select 1 from " + s.Table(k.table) + " p where " + condition + " and p.ref >= (v.sid << 2) and p.ref <= (v.sid << 2) + 3" + sql.Once + ")"
}

// rows is a SELECT of the Sids of the versions with a key.
func (k rowKind) rows(s *sql.Statement, key string, before int64) string {
	if k.table == versionTable {
		return "select t.sid as sid from " + s.WithKeys("array["+key+"]", before) + " t"
	}
	return "select (t.ref >> 2) as sid from " + s.Table(k.table) + " t where t.key = " + key + k.only(s, "t") + " and t.ref < " + s.Arg(before)
}
