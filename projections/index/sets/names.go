package sets

import (
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sql"
)

// Kind are the rows of a table that keys lead to, and that sets are made of.
type Kind struct {
	Table  string
	High   int64 // with IsHigh: the rows with this upper end alone, which in those of quantities is the unit
	IsHigh bool
	any    bool // a key stands for several, and its set has what one of them has
}

// The rows that sets are made of. What is held of clauses that follow references, and of what is current, is made of
// several kinds of rows and has a name of its own.
const (
	TermTable    = "term"
	SpanTable    = "span"
	textTable    = "text"
	VersionTable = "version" // the keys on version rows, which have no order
	FollowTable  = "follow"  // the keys stand for clauses that follow references
	currentTable = "current" // the keys stand for types
)

// Name is what a set is kept under: what rows its versions have.
type Name struct {
	Kind
	key int64
}

// Name is what the set of a key in these rows is kept under.
func (k Kind) Name(key int64) Name { return Name{k, key} }

// Names are what the sets of keys in these rows are kept under.
func (k Kind) Names(keys []int64) []Name {
	names := make([]Name, len(keys))
	for i, key := range keys {
		names[i] = k.Name(key)
	}
	return names
}

// order is the column that the rows of a key stand in the order of; empty where they have none.
func (k Kind) order() string {
	switch k.Table {
	case TermTable:
		return "sort"
	case SpanTable:
		return "low"
	}
	return ""
}

// union is what the versions with any of some keys are kept under.
func (k Kind) union(list []int64) Name {
	var h keys.Hasher
	h.Begin()
	for _, key := range list {
		h.Key(key)
	}
	k.any = true
	return k.Name(h.Sum())
}

// allUnits stands for the rows of all units of quantities where the name is of one; else it is the name itself.
func (n Name) allUnits() Name {
	if !n.IsHigh {
		return n
	}
	return Kind{Table: n.Table, any: true}.Name(n.key)
}

// only is the condition on the rows beside the key.
func (k Kind) only(s *sql.Statement, row string) string {
	if !k.IsHigh {
		return ""
	}
	return " and " + row + ".high = " + s.Arg(k.High)
}

// has is the condition that a version has a row with a key.
func (k Kind) has(s *sql.Statement, key string) string {
	if k.Table == VersionTable {
		return "v.keys @> array[" + key + "]"
	}
	condition := "p.key = " + key + " and p.sort = v.main"
	if k.Table == SpanTable {
		condition = "+p.key = " + key + k.only(s, "p")
	}
	return "exists (select 1 from " + s.Table(k.Table) + " p where " + condition +
		" and p.ref >= (v.sid << 2) and p.ref <= (v.sid << 2) + 3" + sql.Once + ")"
}

// rows is a SELECT of the Sids of the versions with a key.
func (k Kind) rows(s *sql.Statement, key string, before int64) string {
	if k.Table == VersionTable {
		return "select t.sid as sid from " + s.WithKeys("array["+key+"]", before) + " t"
	}
	return "select (t.ref >> 2) as sid from " + s.Table(k.Table) + " t where t.key = " + key + k.only(s, "t") +
		" and t.ref < " + s.Arg(before)
}
