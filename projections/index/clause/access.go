package clause

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// An Access is what a clause has become: rows of the index that answer it, in one or several forms. A version answers
// it when it has such a row of any form. No form at all means that no row can answer it.
type Access struct {
	Words  string
	Negate bool // the versions without such a row are meant

	choiceForm
	linkForm
	versionForm
	timeForm
	keyForm
	rangeForm
	textForm

	known
}

// form is one of the kinds of rows that answer a clause.
type form interface {
	// rows are SELECTs of the Sids, as sid, of versions that have such a row, up to a ref, with repeats.
	rows(s *sql.Statement, before int64) []string
	// probe are conditions of which one holds for a version that has such a row.
	probe(s *sql.Statement, v probedVersion, before int64) []string
	// size is how many keys, stretches, versions or groups it consists of.
	size() int
}

// kinds are the forms that an access may have, in the order in which they are asked.
func (a *Access) kinds() [7]form {
	return [...]form{&a.choiceForm, &a.linkForm, &a.versionForm, &a.timeForm, &a.keyForm, &a.rangeForm, &a.textForm}
}

// probedVersion is a version under consideration: its Sid, its ref without marks and its main date, as expressions.
type probedVersion struct{ sid, ref, main string }

// row is the condition that a table has a row of the version, as [probed], for which a condition holds.
func (v probedVersion) row(s *sql.Statement, table, condition string) string {
	return "exists (select 1 from " + s.Table(table) + " p where p.ref >= " + v.ref + " and p.ref <= " + v.ref +
		" + 3 and " + condition + sql.Once + ")"
}

// itself is the condition that the version's own row, as [probed], answers another one.
func (v probedVersion) itself(s *sql.Statement, condition string) string {
	return "exists (select 1 from " + s.Table("version") + " p where p.sid = " + v.sid + " and " + condition +
		sql.Once + ")"
}

// known is what a search knows of an access, beside what it asks.
type known struct {
	Held  *roaring.Bitmap // the versions that may answer it; nil: not known
	Exact bool            // all of Held answer it, once they are current
	Once  bool            // what is in Held, if anything, is for this search alone
	Large bool            // of Scans: the parameter has more rows than are held
	// The order is by this parameter, so the clause bounds the walk. It is one of a date (Dated) of which no version
	// has two values, or it says what strings begin with.
	Ordered bool

	Count   int    // rows, counted up to a bound; -1: not counted
	More    bool   // of Count: it is one above the bound, and stands for as many or more
	Assumed bool   // of Count: nobody has counted; it stands for many
	Mark    uint64 // stands for what it asks, for Counts
}

// Counts sets what is known of the rows of a clause; more tells that there are more.
func (k *known) Counts(rows int, more bool) { k.Count, k.More, k.Assumed = rows, more, false }

// New is an access that nothing answers yet.
func New(words string) *Access { return &Access{Words: words, known: known{Count: -1}} }

// HeldAs is the access to versions that are held in memory.
func HeldAs(words string, found *roaring.Bitmap) *Access {
	a := &Access{Words: words, known: known{Held: found, Exact: true, Once: true}}
	a.Counts(int(found.GetCardinality()), false)
	return a
}

// CurrentVersions is the access to versions of which each is current and stands there once.
func CurrentVersions(words string, sids []int64) *Access {
	a := &Access{Words: words, versionForm: versionForm{ByID: true, Current: true, Sids: sids}}
	a.Counts(len(sids), false)
	return a
}

// forms is how many keys, stretches, versions and groups it consists of. What follows references does not count.
func (a *Access) forms() int {
	size := 0
	for _, k := range a.kinds() {
		size += k.size()
	}
	return size
}

// Rows is a SELECT of the Sids that it finds, with repeats, up to a ref.
func (a *Access) Rows(s *sql.Statement, before int64) string {
	var parts []string
	for _, k := range a.kinds() {
		parts = append(parts, k.rows(s, before)...)
	}
	if len(parts) == 0 {
		return "select 0 as sid where 1 = 0"
	}
	return strings.Join(parts, " union all ")
}

// rowsOf is a SELECT of the versions of rows, as t, of one of the tables that have refs.
func rowsOf(s *sql.Statement, table, condition string, before int64) string {
	return "select (t.ref >> 2) as sid from " + s.Table(table) + " t where " + condition + " and t.ref < " +
		s.Arg(before)
}

// Probe is the condition that a version answers it; sid, its ref without flags and its main date are expressions.
func (a *Access) Probe(s *sql.Statement, sid, ref, main string, before int64) string {
	var parts []string
	for _, k := range a.kinds() {
		parts = append(parts, k.probe(s, probedVersion{sid, ref, main}, before)...)
	}
	if len(parts) == 0 {
		parts = []string{"1 = 0"}
	}
	if a.Aligned && a.Sure != nil {
		parts = append([]string{main + " between " + s.Arg(a.Sure.Low) + " and " + s.Arg(a.Sure.High)}, parts...)
	}
	condition := "(" + strings.Join(parts, " or ") + ")"
	if a.Negate {
		condition = "not " + condition
	}
	return condition
}

func (a *Access) Empty() bool {
	return len(a.Keys) == 0 && len(a.wide) == 0 && len(a.OnRow) == 0 && len(a.shapes) == 0 && len(a.Scans) == 0 &&
		len(a.Texts) == 0 && len(a.Spans) == 0 && len(a.Sids) == 0 && a.Follow == nil && len(a.Choice) == 0
}

// Inside tells whether it is made of groups of clauses: to probe it takes several steps.
func (a *Access) Inside() bool { return a.Follow != nil || len(a.Choice) > 0 }

// Groups are those it is made of.
func (a *Access) Groups() []*Group {
	groups := a.Choice
	if a.Follow != nil {
		for _, t := range a.Follow.Targets {
			groups = append(groups[:len(groups):len(groups)], t.Group)
		}
	}
	return groups
}

// Readable tells whether its rows can be read without reading all versions of some type.
func (a *Access) Readable() bool {
	if a.Dense || (a.Common || a.Late) && !a.Resolved {
		return false
	}
	for _, g := range a.Choice {
		if len(g.Accesses) == 1 && !g.Accesses[0].Negate && g.Accesses[0].Readable() {
			continue
		}
		if !g.Few() {
			return false
		}
	}
	if a.Follow != nil && !a.Resolved {
		for _, t := range a.Follow.Targets {
			if !t.Few() {
				return false
			}
		}
	}
	return true
}

// WalkKeys are the keys of the term rows that answer it alone, which have the main date in their sort column: their
// index gives the default order. None when there are no such rows, or too many keys.
func (a *Access) WalkKeys() []int64 {
	keys := a.Keys
	if len(keys) == 0 {
		keys = a.shapes
	} else if len(a.shapes) > 0 {
		return nil
	}
	if a.Negate || len(keys) > mergedKeys || a.forms() > len(keys) || a.Follow != nil && !a.Resolved {
		return nil
	}
	return keys
}

// InOrder tells whether an index has its versions in the order of the main date.
func (a *Access) InOrder() bool {
	keys := a.WalkKeys()
	return a.Aligned || keys != nil && len(keys) <= sql.Inline
}

// probed is the name of a row that is looked at because its version is under consideration.
const probed = "p"

// Bounds of what a clause may become, and of what a query may have.
const (
	maxDepth        = 5      // references followed one after the other
	maxClauses      = 200    // clauses, nested ones with them
	maxAlternatives = 2_000  // keys that one value stands for
	maxIDs          = 50_000 // alternatives of _id
	maxStretches    = 400    // stretches of ranges and texts; each is a part of a UNION, of which SQLite takes 500
)

func RarestFirst(accesses []*Access) []*Access {
	weight := func(a *Access) int {
		switch {
		case a.Negate || a.Count < 0:
			return math.MaxInt - 1
		case a.Inside():
			return math.MaxInt
		}
		return a.Count
	}
	return slices.SortedStableFunc(slices.Values(accesses), func(a, b *Access) int {
		return cmp.Compare(weight(a), weight(b))
	})
}

// mergedKeys is up to how many keys are merged into one order; more are read as a whole. An id without type is two
// keys or more.
const mergedKeys = 4_000
