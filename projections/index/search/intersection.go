package search

import (
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
)

// aroundRanges are the versions that have a value in the stretches of a clause, wherever they begin and end; nil where they can't be had.
func aroundRanges(v *sets.Snapshot, a *clause.Access, p sets.Patience) (*roaring.Bitmap, error) {
	around := roaring.New()
	for _, sc := range a.Scans {
		set, err := v.Having(sc.InRanges(), []int64{sc.Key}, p)
		if set == nil || err != nil {
			return nil, err
		}
		around.Or(set)
	}
	return around, nil
}

// haveAround tells whether the sets that aroundRanges needs are in memory.
func haveAround(v *sets.Snapshot, a *clause.Access) bool {
	return !slices.ContainsFunc(a.Scans, func(sc clause.Scan) bool { return !v.All(sc.InRanges(), []int64{sc.Key}) })
}

// intersection are the versions that answer some of the clauses, and the clauses that are left to be checked.
type intersection struct {
	sets      *sets.Snapshot
	found     *roaring.Bitmap   // current at the snapshot; deletions may be among them
	any       []*roaring.Bitmap // in place of found: they have those that are current, and superseded ones
	left      []*clause.Access
	supersets []*clause.Access // of these, those that found is narrowed for
	main      sets.Mains       // their main dates; nil: not known
	first     int64
}

func (t *intersection) count() int { return int(t.found.GetCardinality()) }

// contains tells whether a version is one of them.
func (t *intersection) contains(bits uint32) bool {
	if t.found != nil {
		return t.found.Contains(bits)
	}
	return t.sets.IsCurrent(bits) && slices.ContainsFunc(t.any, func(set *roaring.Bitmap) bool { return set.Contains(bits) })
}

// with leaves of the versions those that are in a set.
func (t *intersection) with(set *roaring.Bitmap) {
	if t.found == nil {
		t.found = set.Clone()
	} else {
		t.found.And(set)
	}
}

// patience is how long to wait for the sets of a clause: not where so few versions are left that to ask each of them costs less.
func (x *search) patience(t *intersection, a *clause.Access) sets.Patience {
	switch {
	case a.ReadSoon(x.Bounds):
		return sets.ReadFew
	case t.found != nil && t.count() <= x.Bounds.Many:
		return sets.GoOn
	}
	return sets.Wait
}

// intersect finds the versions that answer all clauses that sets can tell of, and, when given, one more whose rows are read. Nil when
// there is nothing to begin with, or the sets can't be had, when wait is false also where it isn't known yet what is superseded.
func (x ask) intersect(read *clause.Access, wait bool) (t *intersection, err error) {
	v, err := x.view().AsOf(wait)
	if v == nil || err != nil {
		return nil, err
	}
	t = &intersection{sets: v, first: v.Origin()}
	if read != nil {
		set, err := x.versionsOf(read)
		if err != nil {
			return nil, err
		}
		t.with(set)
	}
	var without, supersets []*clause.Access
	for _, a := range clause.RarestFirst(x.accesses) {
		keys := a.AsSet()
		switch {
		case a == read:
		case a.Held != nil:
			if t.with(a.Held); !a.Exact {
				t.left, t.supersets = append(t.left, a), append(t.supersets, a)
			}
		case keys == nil && !a.Negate && len(a.Scans) > 0 && a.OnlyScans():
			supersets = append(supersets, a)
			t.left = append(t.left, a)
		case keys == nil || t.found != nil && t.count() < x.Bounds.Few && !v.All(a.Kind(), keys):
			t.left = append(t.left, a) // or so few are left that to ask each costs less than to read a set that nobody has used
		case a.Negate:
			without = append(without, a)
		default:
			set, err := v.Having(a.Kind(), keys, x.patience(t, a))
			if err != nil {
				return nil, err
			}
			if set == nil {
				t.left = append(t.left, a)
				continue
			}
			t.with(set)
		}
	}
	if err := x.sift(t, supersets); err != nil || t.found == nil {
		return nil, err
	}
	for _, a := range without {
		set, err := v.Having(a.Kind(), a.AsSet(), x.patience(t, a))
		if err != nil {
			return nil, err
		}
		if set == nil {
			t.left = append(t.left, a)
			continue
		}
		t.found.AndNot(set)
	}
	v.LeaveCurrent(t.found)
	return t, nil
}

// sift leaves of the versions those that answer clauses that are left, where that costs less than to ask each of them.
func (x *search) sift(t *intersection, supersets []*clause.Access) error {
	for _, a := range slices.DeleteFunc(slices.Clone(t.left), func(a *clause.Access) bool { return a.Held != nil }) { // to read few rows costs less than to ask each of many versions
		if t.narrows(a) {
			set, err := x.versionsOf(a)
			if err != nil {
				return err
			}
			t.with(set)
			t.left = slices.DeleteFunc(t.left, func(b *clause.Access) bool { return a == b })
		}
	}
	for _, a := range supersets {
		if !slices.Contains(t.left, a) || a.Held != nil {
			continue
		}
		p := sets.Wait
		if t.found != nil {
			p = sets.GoOn
		}
		if t.found == nil && !a.Aligned || t.found != nil && t.count() > x.Bounds.Few && haveAround(t.sets, a) {
			set, err := aroundRanges(t.sets, a, p)
			if err != nil {
				return err
			}
			if set != nil {
				t.with(set)
				t.supersets = append(t.supersets, a)
			}
		}
	}
	return nil
}

// versionsOf reads the versions that a clause finds.
func (x *search) versionsOf(a *clause.Access) (*roaring.Bitmap, error) {
	if a.ByID {
		numbers := make([]uint32, 0, len(a.Sids))
		for _, sid := range a.Sids {
			if sid <= x.Snapshot {
				numbers = append(numbers, uint32(sid-x.Origin()))
			}
		}
		return sets.BitmapOf(numbers), nil
	}
	return x.versionsUpTo(a, -1)
}

// versionsUpTo reads the versions that a clause finds; nil when they have more rows than some, -1 being no bound.
func (x *search) versionsUpTo(a *clause.Access, most int) (*roaring.Bitmap, error) {
	s := x.Statement()
	bound := ""
	if most >= 0 {
		s.Most = most + 1
		bound = fmt.Sprintf(" limit %d", s.Most)
	}
	numbers, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select sid from ("+a.Rows(s, x.Before())+") z"+bound+") y")
	if err != nil || most >= 0 && len(numbers) > most {
		return nil, err
	}
	return sets.BitmapOf(numbers), nil
}

// loadChecked reads those of the versions that answer the clauses, in their order.
func (x ask) loadChecked(found []candidate) ([]match, error) {
	if len(found) == 0 {
		return nil, nil
	}
	sids := sidsOf(found)
	s := x.Statement()
	from, column := s.Unnested(sids, "k")
	sql := "select " + rows.StoredColumns + " from " + from + s.Versions(column) + " and v.ledger = " + s.Arg(x.ledger) +
		" and v.deleted = 0" + x.probes(s, nil, "v.sid", "(v.sid << 2)", "v.main")
	rows, err := x.matches(s, sql, byValue, 0, nil)
	return inOrder(sids, rows), err
}

// describe says what has been intersected.
func (x ask) describe(t *intersection) string {
	words := ""
	for _, a := range x.accesses {
		if !slices.Contains(t.left, a) || slices.Contains(t.supersets, a) {
			if words != "" {
				words += ", "
			}
			if a.Negate {
				words += "not "
			}
			if slices.Contains(t.supersets, a) {
				words += "any "
			}
			words += a.Words
		}
	}
	return fmt.Sprintf("%d versions by %s", t.count(), words)
}

// settable are the clauses that sets can answer, or with ranges those that sets can narrow; ready tells whether all of these sets are in
// memory.
func (x ask) settable(ranges bool) (sets []*clause.Access, ready bool) {
	ready = true
	for _, a := range x.positive() {
		if a.Held != nil {
			sets = append(sets, a)
			continue
		}
		if a.AsSet() == nil && (!ranges || !a.OnlyScans() || len(a.Scans) == 0 || a.Aligned) {
			continue
		}
		sets = append(sets, a)
		count, known := x.view().Count(a.Names())
		if ready = ready && known; known && a.AsSet() != nil {
			a.Counts(count, false)
		}
	}
	return sets, ready
}

// access are the versions as a clause.
func (t *intersection) access(words string) *clause.Access {
	return clause.CurrentVersions(words, sets.SidsIn(t.found, t.first))
}

// narrows tells whether to read the rows of a clause costs less than to ask each of the versions that are left.
func (t *intersection) narrows(a *clause.Access) bool {
	return t.found != nil && a.Count >= 0 && a.Count <= t.sets.Bounds().Many && a.Count/8 < t.count() && !a.Negate && a.Readable() && !a.Aligned
}
