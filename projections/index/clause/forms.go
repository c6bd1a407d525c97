package clause

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// setKeys is up to how many keys of one clause are held as sets.
const setKeys = 400

// AsSet returns the keys whose versions, all together, are what a clause finds; nil when it has other forms or too
// many.
func (a *Access) AsSet() []int64 {
	keys := len(a.Keys) + len(a.shapes) + len(a.OnRow)
	if a.forms() > keys || a.Follow != nil || keys > setKeys {
		return nil
	}
	if len(a.OnRow) > 0 {
		if len(a.Keys)+len(a.shapes) > 0 {
			return nil
		}
		return a.OnRow
	}
	return append(a.Keys[:len(a.Keys):len(a.Keys)], a.shapes...)
}

// Kind are the rows that have the keys of AsSet.
func (a *Access) Kind() sets.Kind {
	if len(a.OnRow) > 0 {
		return sets.Kind{Table: sets.VersionTable}
	}
	return sets.Kind{Table: sets.TermTable}
}

// InRanges are the rows that a scan may find, and more of their kind.
func (sc Scan) InRanges() sets.Kind {
	if sc.Also != HighIs { // then the operand is a value that is asked for, and the rows are the same
		return sets.Kind{Table: sets.SpanTable}
	}
	return sets.Kind{Table: sets.SpanTable, High: sc.A, IsHigh: true}
}

// OnlyScans tells whether a clause is answered by ranges alone.
func (a *Access) OnlyScans() bool {
	return a.forms() == len(a.Scans) && a.Follow == nil && len(a.Scans) <= setKeys
}

// Names are what the sets that answer a clause are kept under or, of ranges, the sets that hold whoever may answer it.
func (a *Access) Names() []sets.Name {
	names := a.Kind().Names(a.AsSet())
	if a.OnlyScans() && len(names) == 0 {
		for _, sc := range a.Scans {
			if name := sc.InRanges().Name(sc.Key); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// ReadSoon tells whether the keys of a clause are known to have few rows.
func (a *Access) ReadSoon(b sets.Bounds) bool {
	most := b.Many
	if len(a.OnRow) > 0 {
		most = b.Few // their rows are found one by one
	}
	return a.AsSet() != nil && a.Count >= 0 && !a.More && !a.Assumed && a.Count <= most
}

// CanBeHeld tells whether a clause is answered by a few stretches of ranges and nothing else.
func (a *Access) CanBeHeld() bool {
	return a.OnlyScans() && len(a.Scans) > 0 && len(a.Scans) <= sql.Inline && !a.Aligned && !a.Ordered && !a.Negate
}

// Hold takes the versions out of what is held of the ranges of a clause.
func (a *Access) Hold(ranges map[sets.Name]*sets.Range) {
	found, exact := roaring.New(), true
	for _, sc := range a.Scans {
		r := ranges[sc.InRanges().Name(sc.Key)]
		if r.Large {
			a.Large = true
			return
		}
		found.Or(r.Stretch(sc.Min, sc.Max))
		exact = exact && (sc.Also == Always || sc.Also == HighIs)
	}
	a.Held, a.Exact = found, exact
	a.Counts(int(found.GetCardinality()), false)
}

// ManyKeys tells whether a clause has only keys, more than a version should be probed for and sets are kept of.
func (a *Access) ManyKeys() bool {
	keys := len(a.Keys) + len(a.OnRow)
	return !a.Negate && a.forms() == keys && a.Follow == nil && keys > sql.Inline && a.AsSet() == nil
}

// OnlyWords tells whether a clause is that strings contain something, and it is known how these begin.
func (a *Access) OnlyWords() bool {
	return !a.Negate && a.forms() == len(a.Texts) && a.Follow == nil && !a.Dense && len(a.Texts) > 0 &&
		!slices.ContainsFunc(a.Texts, func(t TextScan) bool { return t.among == nil })
}

// Named tells whether versions stand in the place of a clause's many keys. Then to sort these versions takes less than
// to walk an order and look each of its versions up among them.
func (a *Access) Named() bool { return a.ByID && a.Once && a.Held != nil }

// ToRead is the clause itself where its few rows have to be read before they can be combined with sets; else nil. The
// clause may be nil.
func (a *Access) ToRead() *Access {
	if a == nil || a.AsSet() != nil || a.Held != nil {
		return nil
	}
	return a
}

// OneText tells whether a clause is one stretch of texts and nothing else.
func (a *Access) OneText() bool {
	return a.forms() == 1 && len(a.Texts) == 1 && a.Follow == nil
}

// Stretch is the condition that a column of beginnings lies in the stretch. low and high tell at which of its ends:
// the others are bounded already.
func (sc TextScan) Stretch(s *sql.Statement, column string, low, high bool) (condition string) {
	if low {
		condition += " and " + column + " >= " + s.Arg([]byte(sc.Text))
	}
	if after := sql.AfterAll([]byte(sc.Text)); high && after != nil {
		condition += " and " + column + " < " + s.Arg(after)
	}
	return condition
}
