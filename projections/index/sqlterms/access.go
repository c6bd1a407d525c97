package sqlterms

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// An access is what a clause has become: rows of the index that answer it, in one or several forms. A version answers it
// when it has such a row of any form. No form at all means that no row can answer it.
type access struct {
	words  string
	negate bool // the versions without such a row are meant

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
func (a *access) kinds() [7]form {
	return [...]form{&a.choiceForm, &a.linkForm, &a.versionForm, &a.timeForm, &a.keyForm, &a.rangeForm, &a.textForm}
}

// probedVersion is a version under consideration: its Sid, its ref without marks and its main date, as expressions.
type probedVersion struct{ sid, ref, main string }

// row is the condition that a table has a row of the version, as [probed], for which a condition holds.
func (v probedVersion) row(s *sql.Statement, table, condition string) string {
	return "exists (select 1 from " + s.Table(table) + " p where p.ref >= " + v.ref + " and p.ref <= " + v.ref + " + 3 and " +
		condition + sql.Once + ")"
}

// itself is the condition that the version's own row, as [probed], answers another one.
func (v probedVersion) itself(s *sql.Statement, condition string) string {
	return "exists (select 1 from " + s.Table("version") + " p where p.sid = " + v.sid + " and " + condition + sql.Once + ")"
}

// known is what a search knows of an access, beside what it asks.
type known struct {
	held    *roaring.Bitmap // the versions that may answer it; nil: not known
	exact   bool            // held: all of them do, once they are current
	once    bool            // held: for this search alone, if at all
	large   bool            // ranges: of a parameter with more rows than are held
	ordered bool            // the order is by this parameter, so that it bounds the walk: dated, where no version has two
	// values of it, or one that says what strings begin with

	count   int    // rows, counted up to a bound; -1: not counted
	more    bool   // count: it is one above the bound up to which was counted, and stands for as many or more
	assumed bool   // count: nobody has counted; it stands for many
	mark    uint64 // stands for what it asks, for Counts
}

// counts sets what is known of the rows of a clause; more tells that there are more.
func (k *known) counts(rows int, more bool) { k.count, k.more, k.assumed = rows, more, false }

// newAccess is an access that nothing answers yet.
func newAccess(words string) *access { return &access{words: words, known: known{count: -1}} }

// heldAs is the access to versions that are held in memory.
func heldAs(words string, found *roaring.Bitmap) *access {
	a := &access{words: words, known: known{held: found, exact: true, once: true}}
	a.counts(int(found.GetCardinality()), false)
	return a
}

// currentVersions is the access to versions of which each is current and stands there once.
func currentVersions(words string, sids []int64) *access {
	a := &access{words: words, versionForm: versionForm{byID: true, current: true, sids: sids}}
	a.counts(len(sids), false)
	return a
}

// forms is how many keys, stretches, versions and groups it consists of, those apart that follow references.
func (a *access) forms() int {
	size := 0
	for _, k := range a.kinds() {
		size += k.size()
	}
	return size
}

// rows is a SELECT of the Sids that it finds, with repeats, up to a ref.
func (a *access) rows(s *sql.Statement, before int64) string {
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
	return "select (t.ref >> 2) as sid from " + s.Table(table) + " t where " + condition + " and t.ref < " + s.Arg(before)
}

// probe is the condition that a version answers it; sid, its ref without flags and its main date are expressions.
func (a *access) probe(s *sql.Statement, sid, ref, main string, before int64) string {
	var parts []string
	for _, k := range a.kinds() {
		parts = append(parts, k.probe(s, probedVersion{sid, ref, main}, before)...)
	}
	if len(parts) == 0 {
		parts = []string{"1 = 0"}
	}
	if a.aligned && a.sure != nil {
		parts = append([]string{main + " between " + s.Arg(a.sure.Low) + " and " + s.Arg(a.sure.High)}, parts...)
	}
	condition := "(" + strings.Join(parts, " or ") + ")"
	if a.negate {
		condition = "not " + condition
	}
	return condition
}

func (a *access) empty() bool {
	return len(a.keys) == 0 && len(a.wide) == 0 && len(a.onRow) == 0 && len(a.shapes) == 0 && len(a.scans) == 0 && len(a.texts) == 0 && len(a.spans) == 0 && len(a.sids) == 0 && a.follow == nil && len(a.choice) == 0
}

// inside tells whether it is made of groups of clauses: to probe it takes several steps.
func (a *access) inside() bool { return a.follow != nil || len(a.choice) > 0 }

// groups are those it is made of.
func (a *access) groups() []*group {
	groups := a.choice
	if a.follow != nil {
		for _, t := range a.follow.targets {
			groups = append(groups[:len(groups):len(groups)], t.group)
		}
	}
	return groups
}

// readable tells whether its rows can be read without reading all versions of some type.
func (a *access) readable() bool {
	if a.dense || (a.common || a.late) && !a.resolved {
		return false
	}
	for _, g := range a.choice {
		if len(g.accesses) == 1 && !g.accesses[0].negate && g.accesses[0].readable() {
			continue
		}
		if !g.few() {
			return false
		}
	}
	if a.follow != nil && !a.resolved {
		for _, t := range a.follow.targets {
			if !t.few() {
				return false
			}
		}
	}
	return true
}

// walkKeys are the keys of the term rows that answer it alone, which have the main date in their sort column: their index gives the
// default order. None when there are no such rows, or too many keys.
func (a *access) walkKeys() []int64 {
	keys := a.keys
	if len(keys) == 0 {
		keys = a.shapes
	} else if len(a.shapes) > 0 {
		return nil
	}
	if a.negate || len(keys) > mergedKeys || a.forms() > len(keys) || a.follow != nil && !a.resolved {
		return nil
	}
	return keys
}

// inOrder tells whether an index has its versions in the order of the main date.
func (a *access) inOrder() bool {
	keys := a.walkKeys()
	return a.aligned || keys != nil && len(keys) <= sql.Inline
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

func rarestFirst(accesses []*access) []*access {
	weight := func(a *access) int {
		switch {
		case a.negate || a.count < 0:
			return math.MaxInt - 1
		case a.inside():
			return math.MaxInt
		}
		return a.count
	}
	return slices.SortedStableFunc(slices.Values(accesses), func(a, b *access) int { return cmp.Compare(weight(a), weight(b)) })
}

// mergedKeys is up to how many keys are merged into one order; more are read as a whole. An id without type is two keys or more.
const mergedKeys = 4_000
