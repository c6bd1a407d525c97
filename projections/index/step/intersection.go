package step

import (
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/clause"
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sets"
)

// aroundRanges are the versions that have a value in the stretches of a clause, wherever they begin and end; nil where
// they can't be had.
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

// Intersection are the versions that answer some of the clauses, and the clauses that are left to be checked.
type Intersection struct {
	Sets      *sets.Snapshot
	Found     *roaring.Bitmap   // current at the snapshot; deletions may be among them
	Any       []*roaring.Bitmap // in place of found: they have those that are current, and superseded ones
	Left      []*clause.Access
	supersets []*clause.Access // of these, those that found is narrowed for
	Main      sets.Mains       // their main dates; nil: not known
	First     int64
}

func (t *Intersection) Count() int { return int(t.Found.GetCardinality()) }

// contains tells whether a version is one of them.
func (t *Intersection) contains(bits uint32) bool {
	if t.Found != nil {
		return t.Found.Contains(bits)
	}
	return t.Sets.IsCurrent(bits) && slices.ContainsFunc(t.Any, func(set *roaring.Bitmap) bool {
		return set.Contains(bits)
	})
}

// with leaves of the versions those that are in a set.
func (t *Intersection) with(set *roaring.Bitmap) {
	if t.Found == nil {
		t.Found = set.Clone()
	} else {
		t.Found.And(set)
	}
}

// patience is how long to wait for the sets of a clause: not where so few versions are left that to ask each of them
// costs less.
func (x *Whole) patience(t *Intersection, a *clause.Access) sets.Patience {
	switch {
	case a.ReadSoon(x.Bounds):
		return sets.ReadFew
	case t.Found != nil && t.Count() <= x.Bounds.Many:
		return sets.GoOn
	}
	return sets.Wait
}

// Intersect finds the versions that answer all clauses that sets can tell of and, when given, one more whose rows are
// read. It is nil when there is nothing to begin with, or the sets can't be had. When wait is false, it is also nil
// where it isn't known yet what is superseded.
func (x Ask) Intersect(read *clause.Access, wait bool) (t *Intersection, err error) {
	v, err := x.View().AsOf(wait)
	if v == nil || err != nil {
		return nil, err
	}
	t = &Intersection{Sets: v, First: v.Origin()}
	if read != nil {
		set, err := x.versionsOf(read)
		if err != nil {
			return nil, err
		}
		t.with(set)
	}
	var without, supersets []*clause.Access
	for _, a := range clause.RarestFirst(x.Accesses) {
		keys := a.AsSet()
		switch {
		case a == read:
		case a.Held != nil:
			if t.with(a.Held); !a.Exact {
				t.Left, t.supersets = append(t.Left, a), append(t.supersets, a)
			}
		case keys == nil && !a.Negate && len(a.Scans) > 0 && a.OnlyScans():
			supersets = append(supersets, a)
			t.Left = append(t.Left, a)
		case keys == nil || t.Found != nil && t.Count() < x.Bounds.Few && !v.All(a.Kind(), keys):
			// no set can tell, or so few are left that to ask each costs less than to read a set that is not there
			t.Left = append(t.Left, a)
		case a.Negate:
			without = append(without, a)
		default:
			set, err := v.Having(a.Kind(), keys, x.patience(t, a))
			if err != nil {
				return nil, err
			}
			if set == nil {
				t.Left = append(t.Left, a)
				continue
			}
			t.with(set)
		}
	}
	if err := x.sift(t, supersets); err != nil || t.Found == nil {
		return nil, err
	}
	for _, a := range without {
		set, err := v.Having(a.Kind(), a.AsSet(), x.patience(t, a))
		if err != nil {
			return nil, err
		}
		if set == nil {
			t.Left = append(t.Left, a)
			continue
		}
		t.Found.AndNot(set)
	}
	v.LeaveCurrent(t.Found)
	return t, nil
}

// sift drops versions that don't answer clauses that are left, by the rows of these clauses or by sets of ranges,
// where that costs less than to ask each version.
func (x *Whole) sift(t *Intersection, supersets []*clause.Access) error {
	// to read few rows costs less than to ask each of many versions
	for _, a := range slices.DeleteFunc(slices.Clone(t.Left), func(a *clause.Access) bool { return a.Held != nil }) {
		if t.narrows(a) {
			set, err := x.versionsOf(a)
			if err != nil {
				return err
			}
			t.with(set)
			t.Left = slices.DeleteFunc(t.Left, func(b *clause.Access) bool { return a == b })
		}
	}
	for _, a := range supersets {
		if !slices.Contains(t.Left, a) || a.Held != nil {
			continue
		}
		p := sets.Wait
		if t.Found != nil {
			p = sets.GoOn
		}
		if t.Found == nil && !a.Aligned || t.Found != nil && t.Count() > x.Bounds.Few && haveAround(t.Sets, a) {
			set, err := aroundRanges(t.Sets, a, p)
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
func (x *Whole) versionsOf(a *clause.Access) (*roaring.Bitmap, error) {
	if a.ByID {
		numbers := make([]uint32, 0, len(a.Sids))
		for _, sid := range a.Sids {
			if sid <= x.Snapshot {
				numbers = append(numbers, uint32(sid-x.Origin()))
			}
		}
		return sets.BitmapOf(numbers), nil
	}
	return x.VersionsUpTo(a, -1)
}

// VersionsUpTo reads the versions that a clause finds; nil when they have more rows than some, -1 being no bound.
func (x *Whole) VersionsUpTo(a *clause.Access, most int) (*roaring.Bitmap, error) {
	s := x.Statement()
	bound := ""
	if most >= 0 {
		s.Most = most + 1
		bound = fmt.Sprintf(" limit %d", s.Most)
	}
	numbers, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select sid from ("+a.Rows(s,
		x.Before())+") z"+bound+") y")
	if err != nil || most >= 0 && len(numbers) > most {
		return nil, err
	}
	return sets.BitmapOf(numbers), nil
}

// loadChecked reads those of the versions that answer the clauses, in their order.
func (x Ask) loadChecked(found []Candidate) ([]Match, error) {
	if len(found) == 0 {
		return nil, nil
	}
	sids := sidsOf(found)
	s := x.Statement()
	from, column := s.Unnested(sids, "k")
	sql := "select " + rows.StoredColumns + " from " + from + s.Versions(column) + " and v.ledger = " +
		s.Arg(x.Ledger) +
		" and v.deleted = 0" + x.Probes(s, nil, "v.sid", "(v.sid << 2)", "v.main")
	rows, err := x.matches(s, sql, ByValue, 0, nil)
	return inOrder(sids, rows), err
}

// Describe says what has been intersected.
func (x Ask) Describe(t *Intersection) string {
	words := ""
	for _, a := range x.Accesses {
		if !slices.Contains(t.Left, a) || slices.Contains(t.supersets, a) {
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
	return fmt.Sprintf("%d versions by %s", t.Count(), words)
}

// Settable are the clauses that sets can answer, or with ranges those that sets can narrow; ready tells whether all of
// these sets are in memory.
func (x Ask) Settable(ranges bool) (sets []*clause.Access, ready bool) {
	ready = true
	for _, a := range x.Positive() {
		if a.Held != nil {
			sets = append(sets, a)
			continue
		}
		if a.AsSet() == nil && (!ranges || !a.OnlyScans() || len(a.Scans) == 0 || a.Aligned) {
			continue
		}
		sets = append(sets, a)
		count, known := x.View().Count(a.Names())
		if ready = ready && known; known && a.AsSet() != nil {
			a.Counts(count, false)
		}
	}
	return sets, ready
}

// Access are the versions as a clause.
func (t *Intersection) Access(words string) *clause.Access {
	return clause.CurrentVersions(words, sets.SidsIn(t.Found, t.First))
}

// narrows tells whether to read the rows of a clause costs less than to ask each of the versions that are left.
func (t *Intersection) narrows(a *clause.Access) bool {
	return t.Found != nil && a.Count >= 0 && a.Count <= t.Sets.Bounds().Many && a.Count/8 < t.Count() && !a.Negate &&
		a.Readable() && !a.Aligned
}
