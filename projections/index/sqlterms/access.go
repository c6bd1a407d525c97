package sqlterms

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// An access is what a clause has become: the rows of the index that answer it, in one or several forms. None of them means that no
// row can answer it.
type access struct {
	words  string
	negate bool // the versions without such a row are meant

	keys    []int64         // term rows with one of these keys
	wide    []wideCode      // versions with one of many codings
	onRow   []int64         // versions that have one of these keys on their row; see withKeys
	shapes  []int64         // versions of one of these shapes
	scans   []scan          // span rows
	texts   []textScan      // text rows
	updated []sets.Interval // lastUpdated in one of these, microseconds
	byID    bool
	sids    []int64         // byID: these versions
	current bool            // byID: each of them once, and current at the snapshot
	spans   []sets.Interval // updated: the same as Sids, which ascend with the time
	ledger  int64           // updated: of the versions

	follow   *followed // versions that refer to others, or that others refer to; what else is there then finds those that contain what is described
	choice   []*group  // versions of one of these
	inner    bool      // follow: versions have contained what may be described
	resolved bool      // follow: keys or sids are all that it finds
	ownKeys  int       // resolved: how many keys are not those of what is followed; they come first
	ownOnRow int       // and of those on the row
	common   bool      // follow: it finds more than are read before a search
	late     bool      // follow: what it finds is looked up when a walk that asks each version has not filled the page

	held  *roaring.Bitmap // scans: the versions that may answer it; nil: not known
	exact bool            // held: all of them do, once they are current
	once  bool            // held: for this search alone, if at all
	large bool            // scans: of a parameter with more rows than are held
	dense bool            // texts: so many strings hold what is asked for that their rows are not looked for

	dated   int64          // scans: of one value of this date parameter; 0: not so
	ordered bool           // the order is by this parameter, so that it bounds the walk: dated, where no version has two values of it, or one that says what strings begin with
	strays  bool           // ordered, texts: some versions are found that are sorted by another string
	aligned bool           // scans: of a date that is the main date of every version that has it
	main    sets.Interval  // aligned: where the main date has to be
	sure    *sets.Interval // aligned: where it suffices; nil: nowhere
	count   int            // rows, counted up to a bound; -1: not counted
	more    bool           // count: it is one above the bound up to which was counted, and stands for as many or more
	assumed bool           // count: nobody has counted; it stands for many
	mark    uint64         // stands for what it asks, for Counts
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

type textForm uint8

const (
	textIs     textForm = iota // a uri, whole
	textRaw                    // a string, whole, as it stands in the document
	textBegins                 // what it begins with
	textHolds                  // what it contains
)

// A textScan is a stretch of a text table's index with a condition on the rows in it.
type textScan struct {
	key  int64
	form textForm
	text string // folded for strings, but for textRaw

	among *words // textHolds: how the strings begin that hold it; nil: not known
	whole bool   // among: these beginnings are the strings
}

func (a *access) empty() bool {
	return len(a.keys) == 0 && len(a.wide) == 0 && len(a.onRow) == 0 && len(a.shapes) == 0 && len(a.scans) == 0 && len(a.texts) == 0 && len(a.spans) == 0 && len(a.sids) == 0 && a.follow == nil && len(a.choice) == 0
}

// counts sets what is known of the rows of a clause; more tells that there are more.
func (a *access) counts(rows int, more bool) { a.count, a.more, a.assumed = rows, more, false }

// forms is how many forms it has, those apart that follow references.
func (a *access) forms() int {
	return len(a.keys) + len(a.onRow) + len(a.shapes) + len(a.wide) + len(a.scans) + len(a.texts) + len(a.updated) + len(a.sids) + len(a.choice)
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

func (a *access) addKey(key int64) { a.keys = append(a.keys, key) }

func (a *access) addWide(w wideCode) { a.wide = append(a.wide, w) }

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

// rows is a SELECT of the Sids that it finds, with repeats, up to a ref.
func (a *access) rows(s *sql.Statement, before int64) string {
	var parts []string
	add := func(table, condition string) {
		parts = append(parts, "select (t.ref >> 2) as sid from "+s.Table(table)+" t where "+condition+" and t.ref < "+s.Arg(before))
	}
	if len(a.sids) > 0 {
		parts = append(parts, "select t.sid as sid from "+s.Table("version")+" t where t.sid "+s.In(a.sids))
	}
	if a.follow != nil && !a.resolved {
		parts = append(parts, a.follow.rows(s, before)...)
	}
	for _, g := range a.choice {
		parts = append(parts, g.rows(s, before))
	}
	for _, w := range a.wide {
		if w.onRow {
			parts = append(parts, "select t.sid as sid from "+s.WithKeys("array(select d.key from "+s.Table("coding")+" d where "+w.condition(s)+")", before)+" t")
			continue
		}
		parts = append(parts, "select (t.ref >> 2) as sid from "+s.Table("coding")+" d cross join "+s.Table("term")+" t where "+w.condition(s)+" and t.key = d.key and t.ref < "+s.Arg(before))
	}
	if len(a.keys) > 0 {
		add("term", "t.key "+s.In(a.keys))
	}
	if len(a.onRow) > 0 {
		parts = append(parts, "select t.sid as sid from "+s.WithKeys(s.Arg(a.onRow), before)+" t")
	}
	if len(a.shapes) > 0 {
		add("term", "t.key "+s.In(a.shapes))
	}
	for _, sc := range a.scans {
		add("span", sc.condition(s, "t"))
	}
	for _, sc := range a.texts {
		add("text", sc.condition(s, "t"))
	}
	for _, u := range a.updated {
		parts = append(parts, "select t.sid as sid from "+s.Table("version")+" t where t.ledger = "+s.Arg(a.ledger)+" and t.at >= "+s.Arg(u.Low)+" and t.at <= "+s.Arg(u.High)+
			" and t.sid <= "+s.Arg(keys.SnapshotOf(before)))
	}
	if len(parts) == 0 {
		return "select 0 as sid where 1 = 0"
	}
	return strings.Join(parts, " union all ")
}

// probe is the condition that a version answers it; sid, its ref without flags and its main date are expressions.
func (a *access) probe(s *sql.Statement, sid, ref, main string, before int64) string {
	var parts []string
	within := " p where p.ref >= " + ref + " and p.ref <= " + ref + " + 3 and "
	for _, g := range a.choice {
		parts = append(parts, g.probe(s, sid, ref, main, before))
	}
	if a.follow != nil && !(a.resolved && (a.byID || len(a.keys)+len(a.onRow) <= sql.Inline)) {
		parts = append(parts, a.follow.probe(s, sid, before)...)
	}
	if len(a.sids) > 0 {
		parts = append(parts, s.Among(sid, a.sids))
	}
	for _, r := range a.spans {
		parts = append(parts, sid+" between "+s.Arg(r.Low)+" and "+s.Arg(r.High))
	}
	keys, onRow := a.probedKeys()
	if len(keys) > 0 {
		parts = append(parts, "exists (select 1 from "+s.Table("term")+within+"p.sort = "+main+" and p.key "+s.In(keys)+sql.Once+")")
	}
	if len(onRow) > 0 {
		parts = append(parts, "exists (select 1 from "+s.Table("version")+" p where p.sid = "+sid+" and p.keys && "+s.Arg(onRow)+"::bigint[]"+sql.Once+")")
	}
	if len(a.shapes) > 0 {
		parts = append(parts, "exists (select 1 from "+s.Table("version")+" p where p.sid = "+sid+" and p.shape "+s.In(a.shapes)+sql.Once+")")
	}
	if len(a.wide) > 0 {
		only := access{wide: a.wide}
		parts = append(parts, sid+" in ("+only.rows(s, before)+")")
	}
	var any []string
	for _, sc := range a.scans {
		any = append(any, "("+sc.condition(s, probed)+")")
	}
	if len(any) > 0 {
		parts = append(parts, "exists (select 1 from "+s.Table("span")+within+"("+strings.Join(any, " or ")+")"+sql.Once+")")
	}
	any = any[:0]
	for i, sc := range a.texts {
		if before := max(i-1, 0); !sc.whole && a.texts[before].whole && sc.key == a.texts[before].key && sc.text == a.texts[before].text { // the two ask the same of a version
			continue
		}
		any = append(any, "("+sc.condition(s, probed)+")")
	}
	if len(any) > 0 {
		parts = append(parts, "exists (select 1 from "+s.Table("text")+within+"("+strings.Join(any, " or ")+")"+sql.Once+")")
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

// probedKeys are those that a version is asked for: where the end of a chain has been resolved to many, its references are followed in their place.
func (a *access) probedKeys() (keys, onRow []int64) {
	keys, onRow = a.keys, a.onRow
	if a.resolved && len(keys) > sql.Inline {
		keys = keys[:a.ownKeys]
	}
	if a.resolved && len(onRow) > sql.Inline {
		onRow = onRow[:a.ownOnRow]
	}
	return keys, onRow
}

// condition is the stretch as a condition on a row. The plus keeps a planner from reading a probe's whole stretch: the index by ref is
// the one to use there.
func (sc scan) condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.key)
	if row == probed {
		c = "+" + c
	}
	if sc.min != math.MinInt64 {
		c += " and " + row + ".low >= " + s.Arg(sc.min)
	}
	if sc.max != math.MaxInt64 {
		c += " and " + row + ".low <= " + s.Arg(sc.max)
	}
	return c + sc.onEnds(s, row+".low", row+".high")
}

// onEnds is the condition on the ends of a row, beside the stretch.
func (sc scan) onEnds(s *sql.Statement, low, high string) string {
	c := ""
	switch sc.also {
	case highLE:
		c += " and " + high + " <= " + s.Arg(sc.a)
	case highGT:
		c += " and " + high + " > " + s.Arg(sc.a)
	case highGE:
		c += " and " + high + " >= " + s.Arg(sc.a)
	case highLT:
		c += " and " + high + " < " + s.Arg(sc.a)
	case eitherLo:
		c += " and (" + low + " < " + s.Arg(sc.a) + " or " + high + " <= " + s.Arg(sc.b) + ")"
	case eitherHi:
		c += " and (" + high + " > " + s.Arg(sc.b) + " or " + low + " >= " + s.Arg(sc.a) + ")"
	case swappedHi:
		c += " and (" + low + " > " + s.Arg(sc.b) + " or " + high + " >= " + s.Arg(sc.a) + ")"
	case highIs:
		c += " and " + high + " = " + s.Arg(sc.a)
	case outside:
		c += " and (" + low + " < " + s.Arg(sc.a) + " or " + high + " > " + s.Arg(sc.b) + ")"
	}
	return c
}

func (sc textScan) condition(s *sql.Statement, row string) string {
	c := row + ".key = " + s.Arg(sc.key)
	if row == probed {
		c = "+" + c
	}
	head, rest := row+".head", row+".rest"
	if sc.form == textRaw {
		return c + " and " + head + " = " + s.Arg([]byte(projections.OrderString(sc.text))) + " and " + row + ".raw = " + s.Arg([]byte(sc.text))
	}
	text := []byte(sc.text)
	cut := text[:min(len(text), projections.OrderBytes)]
	switch {
	case sc.form == textIs && len(text) <= projections.OrderBytes:
		c += " and " + head + " = " + s.Arg(text) + " and length(" + rest + ") = 0"
	case sc.form == textIs:
		c += " and " + head + " = " + s.Arg(cut) + " and " + rest + " = " + s.Arg(text)
	case len(text) == 0:
	case sc.form == textHolds:
		if sc.among != nil && row != probed {
			c += " and " + head + " " + s.InBytes(sc.among.heads)
			if sc.whole { // the index has all that is asked for
				return c
			}
		}
		c += " and (" + s.Contains(head, text) + " or " + s.Contains(rest, text) + ")"
	case len(text) <= projections.OrderBytes:
		c += s.Begins(head, text)
	default:
		c += " and " + head + " = " + s.Arg(cut) + " and substr(" + rest + ", 1, " + s.Arg(int32(len(text))) + ") = " + s.Arg(text)
	}
	return c
}

// Bounds of what a clause may become, and of what a query may have.
const (
	maxDepth        = 5      // references followed one after the other
	maxClauses      = 200    // clauses, nested ones with them
	maxAlternatives = 2_000  // keys that one value stands for
	maxIDs          = 50_000 // alternatives of _id
	maxStretches    = 400    // stretches of ranges and texts; each is a part of a UNION, of which SQLite takes 500
)

// updatedIntervals are the times of lastUpdated that a value finds: a version's own range is [t, t+LastUpdatedWidth).
func updatedIntervals(v projections.Value) []sets.Interval {
	const width = projections.LastUpdatedWidth
	s, e := v.Start, v.End
	var found []sets.Interval
	lo, hi := projections.MinTime-width, projections.MaxTime+width
	switch v.Prefix {
	case projections.Ne:
		found = []sets.Interval{{Low: lo, High: s - 1}, {Low: max(s, e-width+1), High: hi}}
	case projections.Gt:
		found = []sets.Interval{{Low: e - width + 1, High: hi}}
	case projections.Lt:
		found = []sets.Interval{{Low: lo, High: s - 1}}
	case projections.Ge:
		found = []sets.Interval{{Low: min(s, e-width+1), High: hi}}
	case projections.Le:
		found = []sets.Interval{{Low: lo, High: max(s-1, e-width)}}
	case projections.Sa:
		found = []sets.Interval{{Low: e, High: hi}}
	case projections.Eb:
		found = []sets.Interval{{Low: lo, High: s - width}}
	case projections.Ap:
		found = []sets.Interval{{Low: s - width + 1, High: e - 1}}
	default:
		found = []sets.Interval{{Low: s, High: e - width}}
	}
	kept := found[:0]
	for _, i := range found {
		if i.Low <= i.High {
			kept = append(kept, i)
		}
	}
	return kept
}

// addKeyOn adds a key that stands on the versions' rows alone, or has term rows.
func (a *access) addKeyOn(key int64, onRow bool) {
	if onRow {
		a.onRow = append(a.onRow, key)
	} else {
		a.keys = append(a.keys, key)
	}
}

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
