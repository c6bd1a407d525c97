package sqlterms

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// setKeys is up to how many keys of one clause are held as sets.
const setKeys = 400

// asSet returns the keys whose versions, all together, are what a clause finds; nil when it has other forms or too many.
func (a *access) asSet() []int64 {
	others := len(a.wide) + len(a.scans) + len(a.texts) + len(a.updated) + len(a.sids) + len(a.choice)
	if others > 0 || a.follow != nil || len(a.keys)+len(a.shapes)+len(a.onRow) > setKeys {
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
func (a *access) in() keyed {
	if len(a.onRow) > 0 {
		return keyed{table: versionTable}
	}
	return keyed{table: "term", order: "sort"}
}

// onlyScans tells whether a clause is answered by ranges alone.
func (a *access) onlyScans() bool {
	return len(a.keys)+len(a.shapes)+len(a.onRow)+len(a.wide)+len(a.texts)+len(a.updated)+len(a.sids)+len(a.choice) == 0 && a.follow == nil && len(a.scans) <= setKeys
}

// names are what the sets that answer a clause are kept under or, of ranges, the sets that hold whoever may answer it.
func (a *access) names() []setName {
	var names []setName
	for _, key := range a.asSet() {
		names = append(names, a.in().name(key))
	}
	if a.onlyScans() && len(names) == 0 {
		for _, sc := range a.scans {
			if name := sc.inRanges().name(sc.key); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// aroundRanges are the versions that have a value in the stretches of a clause, wherever they begin and end.
func (v *snapshotSets) aroundRanges(a *access) (*roaring.Bitmap, error) {
	around := roaring.New()
	for _, sc := range a.scans {
		set, err := v.having(sc.inRanges(), []int64{sc.key})
		if err != nil {
			return nil, err
		}
		around.Or(set)
	}
	return around, nil
}

// together are the versions that answer some of the clauses, and the clauses that are left to be checked.
type together struct {
	found     *roaring.Bitmap // current at the snapshot; deletions may be among them
	left      []*access
	supersets []*access              // of these, those that found is narrowed for
	main      func(sid uint32) int64 // their main dates; nil: not asked for
	first     int64
}

func (t *together) count() int { return int(t.found.GetCardinality()) }

// intersect finds the versions that answer all clauses that sets can tell of, and, when given, one more whose rows are read. Nil when
// there is nothing to begin with, or the sets can't be had.
func (x *search) intersect(read *access, mains bool) (t *together, err error) {
	v, release, err := x.openSets()
	if v == nil || err != nil {
		return nil, err
	}
	defer release()
	t = &together{first: v.first}
	with := func(set *roaring.Bitmap) {
		if t.found == nil {
			t.found = set.Clone()
		} else {
			t.found.And(set)
		}
	}
	if read != nil {
		set, err := v.rowsOf(read)
		if err != nil {
			return nil, err
		}
		with(set)
	}
	var without, supersets []*access
	for _, a := range rarestFirst(x.accesses) {
		keys := a.asSet()
		switch {
		case a == read:
		case a.held != nil:
			if with(a.held); !a.exact {
				t.left, t.supersets = append(t.left, a), append(t.supersets, a)
			}
		case keys == nil && !a.negate && a != read && len(a.scans) > 0 && a.onlyScans():
			supersets = append(supersets, a)
			t.left = append(t.left, a)
		case keys == nil || t.found != nil && t.count() < x.Bounds.Few && !v.all(a.names()):
			t.left = append(t.left, a) // or so few are left that to ask each costs less than to read a set that nobody has used
		case a.negate:
			without = append(without, a)
		default:
			set, err := v.having(a.in(), keys)
			if err != nil {
				return nil, err
			}
			with(set)
		}
	}
	for _, a := range slices.DeleteFunc(slices.Clone(t.left), func(a *access) bool { return a.held != nil }) { // to read few rows costs less than to ask each of many versions
		if t.found != nil && a.count >= 0 && a.count <= x.Bounds.Many && a.count/8 < t.count() && !a.negate && a.readable() && !a.aligned {
			set, err := v.rowsOf(a)
			if err != nil {
				return nil, err
			}
			with(set)
			t.left = slices.DeleteFunc(t.left, func(b *access) bool { return a == b })
		}
	}
	for _, a := range supersets {
		if !slices.Contains(t.left, a) || a.held != nil {
			continue
		}
		if t.found == nil && !a.aligned || t.found != nil && t.count() > x.Bounds.Few && v.all(a.names()) {
			set, err := v.aroundRanges(a)
			if err != nil {
				return nil, err
			}
			with(set)
			t.supersets = append(t.supersets, a)
		}
	}
	if t.found == nil {
		return nil, nil
	}
	for _, a := range without {
		set, err := v.having(a.in(), a.asSet())
		if err != nil {
			return nil, err
		}
		t.found.AndNot(set)
	}
	if v.reopened != nil {
		back := roaring.And(t.found, v.reopened)
		t.found.AndNot(v.without)
		t.found.Or(back)
	} else {
		t.found.AndNot(v.without)
	}
	t.found.RemoveRange(uint64(v.bits)+1, 1<<32)
	roomy := x.Sets.holds(x.snapshot - v.first)
	if mains && !roomy && t.count() > x.Bounds.Read {
		return nil, nil
	}
	if mains && roomy && !t.found.IsEmpty() && (t.count() > x.Bounds.Read || v.allMains(t.found)) {
		if t.main, err = v.mainsOf(t.found); err != nil || t.main == nil {
			return nil, err
		}
	}
	return t, nil
}

// all tells whether all sets are in memory.
func (v *snapshotSets) all(names []setName) bool {
	return !slices.ContainsFunc(names, func(name setName) bool { return v.known(name) == nil })
}

// rowsOf reads the versions that a clause finds.
func (v *snapshotSets) rowsOf(a *access) (*roaring.Bitmap, error) {
	if a.byID {
		numbers := make([]uint32, 0, len(a.sids))
		for _, sid := range a.sids {
			if sid <= v.snapshot {
				numbers = append(numbers, uint32(sid-v.first))
			}
		}
		return bitmapOf(numbers), nil
	}
	return v.rowsUpTo(a, -1)
}

// rowsUpTo reads the versions that a clause finds; nil when they have more rows than some, -1 being no bound. What is read for one search alone is read
// while others use the sets.
func (v *snapshotSets) rowsUpTo(a *access, most int) (*roaring.Bitmap, error) {
	s := v.statement()
	bound := ""
	if most >= 0 {
		s.most = most + 1
		bound = fmt.Sprintf(" limit %d", s.most)
	}
	<-v.held
	numbers, err := v.readNumbers(s, "select "+s.list("y.sid")+" from (select sid from ("+a.rows(s, v.before)+") z"+bound+") y")
	v.held <- struct{}{}
	if err != nil || most >= 0 && len(numbers) > most {
		return nil, err
	}
	return bitmapOf(numbers), nil
}

// spot is the place of a version in an order by one number.
type spot struct{ value, sid int64 }

// topSpots is a heap whose first is the one that comes last in the order.
type topSpots struct {
	list       []spot
	descending bool
}

func (t *topSpots) Len() int           { return len(t.list) }
func (t *topSpots) Swap(i, j int)      { t.list[i], t.list[j] = t.list[j], t.list[i] }
func (t *topSpots) Less(i, j int) bool { return t.before(t.list[j], t.list[i]) }
func (t *topSpots) Push(v any)         { t.list = append(t.list, v.(spot)) } //nolint:forcetypeassert // heap.Interface
func (t *topSpots) Pop() any           { panic("a place is only ever replaced") }

func (t *topSpots) before(a, b spot) bool {
	c := cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.sid, b.sid))
	if t.descending {
		return c > 0
	}
	return c < 0
}

// first returns up to n of the versions that come first in an order by main date, or by Sid when there are no main dates, beyond a place.
func (t *together) firstOf(n int, o order, beyond *spot, within interval) []spot {
	top := topSpots{descending: o.descending, list: make([]spot, 0, n)}
	each := roaring.IntIterable(t.found.Iterator())
	if o.descending { // dates mostly ascend with the Sids: what comes first is met first
		each = t.found.ReverseIterator()
	}
	for each.HasNext() {
		if t.main == nil && len(top.list) == n {
			break
		}
		bits := each.Next()
		place := spot{sid: t.first + int64(bits)}
		if t.main != nil {
			place.value = t.main(bits)
		}
		if beyond != nil && !top.before(*beyond, place) {
			continue
		}
		if t.main != nil && (place.value < within.low || place.value > within.high) {
			continue
		}
		if len(top.list) < n {
			heap.Push(&top, place)
		} else if top.before(place, top.list[0]) {
			top.list[0] = place
			heap.Fix(&top, 0)
		}
	}
	slices.SortFunc(top.list, func(a, b spot) int {
		if top.before(a, b) {
			return -1
		}
		return 1
	})
	return top.list
}

// pick answers with the versions that intersect has found: those that come first in the order are checked for the clauses that are left, some
// at a time, until the page is full.
func (x *search) pick(t *together, o order, phase phase, resume bool, limit int) ([]match, error) {
	var beyond *spot
	if resume {
		beyond = &spot{sid: x.after.sid}
		if t.main != nil {
			beyond.value = x.last.main
		}
	}
	clauses := x.accesses
	x.accesses = t.left
	defer func() { x.accesses = clauses }()
	within := x.bounds(nil)
	var page []match
	n := limit
	if len(t.left) > 0 {
		n += limit
	}
	for {
		spots := t.firstOf(n, o, beyond, within)
		candidates := make([]candidate, len(spots))
		for i := range spots {
			candidates[i].sid = spots[i].sid
		}
		found, err := x.loadChecked(candidates)
		if err != nil {
			return nil, err
		}
		page = append(page, found...)
		if len(page) >= limit || len(spots) < n {
			break
		}
		beyond = &spots[len(spots)-1]
		n = min(8*n, pickedAtOnce)
	}
	page = page[:min(len(page), limit)]
	for i := range page {
		page[i].phase = phase
	}
	return page, nil
}

// pickedAtOnce is how many versions are checked by one statement.
const pickedAtOnce = 5_000

// loadChecked reads those of the versions that answer the clauses, in their order.
func (x *search) loadChecked(found []candidate) ([]match, error) {
	if len(found) == 0 {
		return nil, nil
	}
	sids := sidsOf(found)
	s := x.statement()
	from, column := s.unnested(sids, "k")
	sql := "select " + matchColumns + " from " + from + " cross join " + s.table("version") + " v where v.sid = " + column + " and v.ledger = " + s.arg(x.ledger) +
		" and v.deleted = 0" + x.probes(s, nil, "v.sid", "(v.sid << 2)", "v.main")
	rows, err := x.matches(s, sql, byValue, 0, nil)
	return inOrder(sids, rows), err
}

// describe says what has been intersected.
func (x *search) describe(t *together) string {
	words := ""
	for _, a := range x.accesses {
		if !slices.Contains(t.left, a) || slices.Contains(t.supersets, a) {
			if words != "" {
				words += ", "
			}
			if a.negate {
				words += "not "
			}
			if slices.Contains(t.supersets, a) {
				words += "any "
			}
			words += a.words
		}
	}
	return fmt.Sprintf("%d versions by %s", t.count(), words)
}
