package sqlterms

import (
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// What a clause finds that follows references to, or from, many versions is held as a set of versions like those of keys: read in the background when it
// is asked for again, and brought up by what versions written since can have changed. Unlike those of keys such a set tells of one snapshot alone.

// heldFollow is a clause that follows references as the background needs it: nothing of it changes any more.
type heldFollow struct {
	*followed
	ledger int64   // of the versions that it finds
	own    *access // what finds those that contain what is described; nil: nothing does
}

// heldFollow is the clause, as long as what it follows has not been looked up.
func (a *access) heldFollow(ledger int64) heldFollow {
	f := heldFollow{followed: a.follow, ledger: ledger}
	own := *a
	if own.follow = nil; !own.empty() {
		f.own = &own
	}
	return f
}

// rows are SELECTs of the Sids that it finds.
func (f heldFollow) rows(s *sql.Statement, before int64) []string {
	parts := f.followed.rows(s, before)
	if f.own != nil {
		parts = append(parts, f.own.rows(s, before))
	}
	return parts
}

// probe are conditions that a version, as v, answers it.
func (f heldFollow) probe(s *sql.Statement, before int64) []string {
	parts := f.followed.probe(s, "v.sid", before)
	if f.own != nil {
		parts = append(parts, f.own.probe(s, "v.sid", "(v.sid << 2)", "v.main", before))
	}
	return parts
}

// holdable tells whether the other end is so large that to hold what is found pays, and is described by what its versions say themselves and nothing else.
func (f *followed) holdable(b sets.Bounds) bool {
	few := b.Few / 4
	if f.reverse {
		few = b.Few
	}
	large := false
	for _, t := range f.targets {
		driver := t.driver()
		if driver == nil || slices.ContainsFunc(t.accesses, func(a *access) bool { return a.inside() || a.byID || len(a.updated) > 0 }) {
			return false
		}
		if !f.reverse && driver.count > b.Many { // so many that versions refer to one of them more often than not, and a walk soon fills a page
			return false
		}
		large = large || driver.count > few
	}
	return large
}

// frozen is a copy that no search changes.
func (f heldFollow) frozen() heldFollow {
	c := heldFollow{followed: &followed{reverse: f.reverse}, ledger: f.ledger, own: f.own}
	for _, t := range f.targets {
		g := &group{ledger: t.ledger, many: t.many}
		for _, a := range t.accesses {
			copied := *a
			g.accesses = append(g.accesses, &copied)
		}
		c.targets = append(c.targets, &target{g, t.param, t.onRow})
	}
	return c
}

// bytes is about what it takes while it waits to be read.
func (f heldFollow) bytes() int64 {
	size := func(a *access) int64 {
		return 600 + int64(len(a.words)) + 8*int64(len(a.keys)+len(a.onRow)+len(a.shapes)+len(a.sids)) + 48*int64(len(a.wide)+len(a.scans)+len(a.texts))
	}
	sum := int64(0)
	if f.own != nil {
		sum += size(f.own)
	}
	for _, t := range f.targets {
		for _, a := range t.accesses {
			sum += size(a)
		}
	}
	return sum
}

// read reads the versions that a clause finds, which are at most as many as some; nil: they are more.
func (f heldFollow) read(x *sql.At, most int) (*roaring.Bitmap, error) {
	s := x.Statement()
	rows := strings.Join(f.rows(s, x.Before()), " union all ")
	if f.reverse { // others may refer to what is deleted
		most = (most + 3) / 4 // and each is found by keys of which most lead elsewhere
		rows = "select d.sid as sid from (" + rows + ") d" + s.Versions("d.sid") + " and v.ledger = " + s.Arg(f.ledger) + " and v.deleted = 0"
	}
	numbers, err := x.ReadNumbers(s, "select "+s.List("y.sid")+" from (select sid from ("+rows+") z"+fmt.Sprintf(" limit %d) y", most+1))
	if err != nil || len(numbers) > most {
		return nil, err
	}
	return sets.BitmapOf(numbers), nil
}

// touched are SELECTs of the Sids of versions that the clause may find at one snapshot, or not find, other than at an earlier one: those written since, what
// refers to resources written since and, the other way, what these refer to now and referred to before.
func (f heldFollow) touched(s *sql.Statement, earlier, snapshot int64) []string {
	since := func(row string, ledger int64) string {
		return row + ".sid > " + s.Arg(earlier) + " and " + row + ".sid <= " + s.Arg(snapshot) + " and " + row + ".ledger = " + s.Arg(ledger)
	}
	version := s.Table("version")
	parts := []string{"select v.sid as sid from " + version + " v where " + since("v", f.ledger) + " and v.deleted = 0"}
	for _, t := range f.targets {
		before := (snapshot + 1) << keys.RefBits
		switch {
		case f.reverse:
			keys, key := s.KeysOf("u", "l")
			refersTo := keys + " cross join " + version + " o where "
			of := " and o.resource = " + s.Refer(t.param, key) + " and o.ledger = " + s.Arg(f.ledger) + " and o.deleted = 0 and o.sid <= " + s.Arg(snapshot)
			parts = append(parts, "select o.sid as sid from "+version+" u cross join "+refersTo+since("u", t.ledger)+of,
				"select o.sid as sid from "+version+" w cross join "+version+" u cross join "+refersTo+since("w", t.ledger)+" and u.sid = w.supersedes"+of)
		case t.onRow:
			parts = append(parts, "select r.sid as sid from "+version+" w cross join lateral "+s.WithKeys("array["+s.Refer(t.param, "w.resource")+"]", before)+" r where "+since("w", t.ledger))
		default:
			parts = append(parts, "select (r.ref >> 2) as sid from "+version+" w cross join "+s.Table("term")+" r where "+since("w", t.ledger)+" and r.key = "+
				s.Refer(t.param, "w.resource")+" and r.ref < "+s.Arg(before))
		}
	}
	return parts
}
