package sqlterms

import (
	"slices"

	"binnacle/projections/index/sql"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sets"
)

// setKeys is up to how many keys of one clause are held as sets.
const setKeys = 400

// asSet returns the keys whose versions, all together, are what a clause finds; nil when it has other forms or too many.
func (a *access) asSet() []int64 {
	keys := len(a.keys) + len(a.shapes) + len(a.onRow)
	if a.forms() > keys || a.follow != nil || keys > setKeys {
		return nil
	}
	if len(a.onRow) > 0 {
		if len(a.keys)+len(a.shapes) > 0 {
			return nil
		}
		return a.onRow
	}
	return append(a.keys[:len(a.keys):len(a.keys)], a.shapes...)
}

// in are the rows that have the keys of asSet.
func (a *access) in() sets.Kind {
	if len(a.onRow) > 0 {
		return sets.Kind{Table: sets.VersionTable}
	}
	return sets.Kind{Table: sets.TermTable}
}

// inRanges are the rows that a scan may find, and more of their kind.
func (sc scan) inRanges() sets.Kind {
	if sc.also != highIs { // then the operand is a value that is asked for, and the rows are the same
		return sets.Kind{Table: sets.SpanTable}
	}
	return sets.Kind{Table: sets.SpanTable, High: sc.a, IsHigh: true}
}

// onlyScans tells whether a clause is answered by ranges alone.
func (a *access) onlyScans() bool {
	return a.forms() == len(a.scans) && a.follow == nil && len(a.scans) <= setKeys
}

// names are what the sets that answer a clause are kept under or, of ranges, the sets that hold whoever may answer it.
func (a *access) names() []sets.Name {
	names := a.in().Names(a.asSet())
	if a.onlyScans() && len(names) == 0 {
		for _, sc := range a.scans {
			if name := sc.inRanges().Name(sc.key); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// readSoon tells whether the keys of a clause are known to have few rows.
func (a *access) readSoon(b sets.Bounds) bool {
	most := b.Many
	if len(a.onRow) > 0 {
		most = b.Few // their rows are found one by one
	}
	return a.asSet() != nil && a.count >= 0 && !a.more && !a.assumed && a.count <= most
}

// canBeHeld tells whether a clause is answered by ranges alone, and few stretches of them.
func (a *access) canBeHeld() bool {
	return a.onlyScans() && len(a.scans) > 0 && len(a.scans) <= sql.Inline && !a.aligned && !a.ordered && !a.negate
}

// hold takes the versions out of what is held of the ranges of a clause.
func (a *access) hold(ranges map[sets.Name]*sets.Range) {
	found, exact := roaring.New(), true
	for _, sc := range a.scans {
		r := ranges[sc.inRanges().Name(sc.key)]
		if r.Large {
			a.large = true
			return
		}
		found.Or(r.Stretch(sc.min, sc.max))
		exact = exact && (sc.also == always || sc.also == highIs)
	}
	a.held, a.exact = found, exact
	a.counts(int(found.GetCardinality()), false)
}

// manyKeys tells whether a clause has only keys, more than a version should be probed for and sets are kept of.
func (a *access) manyKeys() bool {
	keys := len(a.keys) + len(a.onRow)
	return !a.negate && a.forms() == keys && a.follow == nil && keys > sql.Inline && a.asSet() == nil
}

// onlyWords tells whether a clause is that strings contain something, and it is known how these begin.
func (a *access) onlyWords() bool {
	return !a.negate && a.forms() == len(a.texts) && a.follow == nil && !a.dense && len(a.texts) > 0 && !slices.ContainsFunc(a.texts, func(t textScan) bool { return t.among == nil })
}

// named tells whether versions stand in the place of a clause's many keys: to sort them takes less than to walk an order and look each of its versions up among them.
func (a *access) named() bool { return a.byID && a.once && a.held != nil }

// toRead is a clause of few rows if these have to be read to be combined with sets; else nil. The clause may be nil.
func (a *access) toRead() *access {
	if a == nil || a.asSet() != nil || a.held != nil {
		return nil
	}
	return a
}

// oneText tells whether a clause is one stretch of texts and nothing else.
func (a *access) oneText() bool {
	return a.forms() == 1 && len(a.texts) == 1 && a.follow == nil
}

// stretch is the condition that a column of beginnings lies in the stretch, as far as its ends are not bounded otherwise.
func (sc textScan) stretch(s *sql.Statement, column string, low, high bool) (condition string) {
	if low {
		condition += " and " + column + " >= " + s.Arg([]byte(sc.text))
	}
	if after := sql.AfterAll([]byte(sc.text)); high && after != nil {
		condition += " and " + column + " < " + s.Arg(after)
	}
	return condition
}
