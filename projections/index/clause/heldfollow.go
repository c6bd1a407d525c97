package clause

import (
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// What a clause finds that follows references to, or from, many versions is held as a set of versions like those of
// keys: read in the background when it is asked for again, and brought up by what versions written since can have
// changed. Unlike those of keys such a set tells of one snapshot alone.

// HeldFollow is a clause that follows references as the background needs it: nothing of it changes any more.
type HeldFollow struct {
	*followed
	ledger int64   // of the versions that it finds
	own    *Access // what finds those that contain what is described; nil: nothing does
}

// HeldFollow is the clause, as long as what it follows has not been looked up.
func (a *Access) HeldFollow(ledger int64) HeldFollow {
	f := HeldFollow{followed: a.Follow, ledger: ledger}
	own := *a
	if own.Follow = nil; !own.Empty() {
		f.own = &own
	}
	return f
}

// Rows are SELECTs of the Sids that it finds.
func (f HeldFollow) Rows(s *sql.Statement, before int64) []string {
	parts := f.followed.Rows(s, before)
	if f.own != nil {
		parts = append(parts, f.own.Rows(s, before))
	}
	return parts
}

// Probe are conditions that a version, as v, answers it.
func (f HeldFollow) Probe(s *sql.Statement, before int64) []string {
	parts := f.followed.probe(s, "v.sid", before)
	if f.own != nil {
		parts = append(parts, f.own.Probe(s, "v.sid", "(v.sid << 2)", "v.main", before))
	}
	return parts
}

// Holdable tells whether it pays to hold what is found. It does when the other end is large, and is described by what
// its versions say themselves and by nothing else.
func (f *followed) Holdable(b sets.Bounds) bool {
	few := b.Few / 4
	if f.Reverse {
		few = b.Few
	}
	large := false
	for _, t := range f.Targets {
		driver := t.Driver()
		if driver == nil || slices.ContainsFunc(t.Accesses, func(a *Access) bool {
			return a.Inside() || a.ByID || len(a.Updated) > 0
		}) {
			return false
		}
		// so many that versions refer to one of them more often than not, and a walk soon fills a page
		if !f.Reverse && driver.Count > b.Many {
			return false
		}
		large = large || driver.Count > few
	}
	return large
}

// Frozen is a copy that no search changes.
func (f HeldFollow) Frozen() HeldFollow {
	c := HeldFollow{followed: &followed{Reverse: f.Reverse}, ledger: f.ledger, own: f.own}
	for _, t := range f.Targets {
		g := &Group{Ledger: t.Ledger, Many: t.Many}
		for _, a := range t.Accesses {
			copied := *a
			g.Accesses = append(g.Accesses, &copied)
		}
		c.Targets = append(c.Targets, &Target{g, t.Param, t.OnRow})
	}
	return c
}

// Bytes is about what it takes while it waits to be read.
func (f HeldFollow) Bytes() int64 {
	size := func(a *Access) int64 {
		return 600 + int64(len(a.Words)) + 8*int64(len(a.Keys)+len(a.OnRow)+len(a.shapes)+len(a.Sids)) +
			48*int64(len(a.wide)+len(a.Scans)+len(a.Texts))
	}
	sum := int64(0)
	if f.own != nil {
		sum += size(f.own)
	}
	for _, t := range f.Targets {
		for _, a := range t.Accesses {
			sum += size(a)
		}
	}
	return sum
}

// Read reads the versions that a clause finds; nil when they are more than most. Where others refer to the versions, a
// quarter of most is the bound.
func (f HeldFollow) Read(x *sql.At, most int) (*roaring.Bitmap, error) {
	s := x.Statement()
	rows := strings.Join(f.Rows(s, x.Before()), " union all ")
	if f.Reverse { // others may refer to what is deleted
		most = (most + 3) / 4 // and each is found by keys of which most lead elsewhere
		rows = "select d.sid as sid from (" + rows + ") d" + s.Versions("d.sid") + " and v.ledger = " +
			s.Arg(f.ledger) + " and v.deleted = 0"
	}
	numbers, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select sid from ("+rows+") z"+
		fmt.Sprintf(" limit %d) y", most+1))
	if err != nil || len(numbers) > most {
		return nil, err
	}
	return sets.BitmapOf(numbers), nil
}

// Touched are SELECTs of the Sids of all versions about which the clause may say something else at one snapshot than
// at an earlier one. These are the versions written since, and what refers to resources written since. In a reverse
// clause they are, in place of the latter, what these resources refer to now and referred to before.
func (f HeldFollow) Touched(s *sql.Statement, earlier, snapshot int64) []string {
	since := func(row string, ledger int64) string {
		return row + ".sid > " + s.Arg(earlier) + " and " + row + ".sid <= " + s.Arg(snapshot) + " and " + row +
			".ledger = " + s.Arg(ledger)
	}
	version := s.Table("version")
	parts := []string{"select v.sid as sid from " + version + " v where " + since("v", f.ledger) + " and v.deleted = 0"}
	for _, t := range f.Targets {
		before := (snapshot + 1) << keys.RefBits
		switch {
		case f.Reverse:
			keys, key := s.KeysOf("u", "l")
			refersTo := keys + " cross join " + version + " o where "
			of := " and o.resource = " + s.Refer(t.Param, key) + " and o.ledger = " + s.Arg(f.ledger) +
				" and o.deleted = 0 and o.sid <= " + s.Arg(snapshot)
			parts = append(parts, "select o.sid as sid from "+version+" u cross join "+refersTo+since("u", t.Ledger)+of,
				"select o.sid as sid from "+version+" w cross join "+version+" u cross join "+refersTo+
					since("w", t.Ledger)+" and u.sid = w.supersedes"+of)
		case t.OnRow:
			parts = append(parts, "select r.sid as sid from "+version+" w cross join lateral "+
				s.WithKeys("array["+s.Refer(t.Param, "w.resource")+"]", before)+" r where "+since("w", t.Ledger))
		default:
			parts = append(parts, "select (r.ref >> 2) as sid from "+version+" w cross join "+s.Table("term")+
				" r where "+since("w", t.Ledger)+" and r.key = "+
				s.Refer(t.Param, "w.resource")+" and r.ref < "+s.Arg(before))
		}
	}
	return parts
}
