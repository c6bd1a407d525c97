package clause

import (
	"strings"

	"binnacle/projections/index/sql"
)

// keyForm are rows of equality: versions that have one of some keys.
type keyForm struct {
	Keys   []int64    // term rows with one of these keys
	wide   []wideCode // versions with one of many codings
	OnRow  []int64    // versions that have one of these keys on their row; see keys.Places
	shapes []int64    // versions of one of these shapes

	Linked   bool // the last keys are those of what a chain leads to
	OwnKeys  int  // of Linked: how many keys are others; they come first
	OwnOnRow int  // and of those on the row
}

// wideCode stands for all codings of a system, or for all that begin with a text.
type wideCode struct {
	dictionary int64
	system     string
	begins     string
	onRow      bool // their keys stand on the versions' rows
}

// condition is that on a coding, as d.
func (w wideCode) condition(s *sql.Statement) string {
	c := "d.param = " + s.Arg(w.dictionary)
	if w.begins != "" {
		return c + s.Begins("d.code", []byte(w.begins))
	}
	return c + " and d.system = " + s.Arg([]byte(w.system))
}

func (k *keyForm) AddKey(key int64) { k.Keys = append(k.Keys, key) }

func (k *keyForm) addWide(w wideCode) { k.wide = append(k.wide, w) }

// AddKeyOn adds a key that stands on the versions' rows alone, or has term rows.
func (k *keyForm) AddKeyOn(key int64, onRow bool) {
	if onRow {
		k.OnRow = append(k.OnRow, key)
	} else {
		k.Keys = append(k.Keys, key)
	}
}

func (k *keyForm) size() int { return len(k.Keys) + len(k.OnRow) + len(k.shapes) + len(k.wide) }

func (k *keyForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, w := range k.wide {
		if w.onRow {
			parts = append(parts, "select t.sid as sid from "+
				s.WithKeys("array(select d.key from "+s.Table("coding")+" d where "+w.condition(s)+")", before)+" t")
			continue
		}
		parts = append(parts, "select (t.ref >> 2) as sid from "+s.Table("coding")+" d cross join "+s.Table("term")+
			" t where "+w.condition(s)+" and t.key = d.key and t.ref < "+s.Arg(before))
	}
	if len(k.Keys) > 0 {
		parts = append(parts, rowsOf(s, "term", "t.key "+s.In(k.Keys), before))
	}
	if len(k.OnRow) > 0 {
		parts = append(parts, "select t.sid as sid from "+s.WithKeys(s.Arg(k.OnRow), before)+" t")
	}
	if len(k.shapes) > 0 {
		parts = append(parts, rowsOf(s, "term", "t.key "+s.In(k.shapes), before))
	}
	return parts
}

func (k *keyForm) probe(s *sql.Statement, v probedVersion, before int64) (parts []string) {
	keys, onRow := k.probed()
	if len(keys) > 0 {
		parts = append(parts, v.row(s, "term", "p.sort = "+v.main+" and p.key "+s.In(keys)))
	}
	if len(onRow) > 0 {
		parts = append(parts, v.itself(s, "p.keys && "+s.Arg(onRow)+"::bigint[]"))
	}
	if len(k.shapes) > 0 {
		parts = append(parts, v.itself(s, "p.shape "+s.In(k.shapes)))
	}
	if len(k.wide) > 0 {
		only := keyForm{wide: k.wide}
		parts = append(parts, v.sid+" in ("+strings.Join(only.rows(s, before), " union all ")+")")
	}
	return parts
}

// probed are the keys that a version is asked for: where the end of a chain has been resolved to many, its references
// are followed in their place.
func (k *keyForm) probed() (keys, onRow []int64) {
	keys, onRow = k.Keys, k.OnRow
	if k.Linked && len(keys) > sql.Inline {
		keys = keys[:k.OwnKeys]
	}
	if k.Linked && len(onRow) > sql.Inline {
		onRow = onRow[:k.OwnOnRow]
	}
	return keys, onRow
}
