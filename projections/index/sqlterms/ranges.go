package sqlterms

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/keys"
)

// rangeSet are the rows of ranges under a key in the order of their lower ends, so that a stretch of them is found without reading any.
type rangeSet struct {
	lows  []int64
	sids  []uint32
	large bool // there are more rows than are held
	read  int  // rows that were read for it: what it takes to read it anew
	upTo  int64
	last  int64 // when it was used
}

// The bytes of a row: of one that is held, and of one while it is read and then put beside the others.
const (
	rangeRowBytes    = 12
	gatheredRowBytes = 20 + rangeRowBytes
)

func (r *rangeSet) bytes() int64 { return heldBytes + rangeRowBytes*int64(len(r.lows)) }

// rangeRow is a row of a rangeSet.
type rangeRow struct {
	low int64
	sid uint32
}

func compareRangeRows(a, b rangeRow) int {
	return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.sid, b.sid))
}

// newRangeSet merges rows in any order into those of a set.
func newRangeSet(before *rangeSet, rows []rangeRow, upTo int64) *rangeSet {
	slices.SortFunc(rows, compareRangeRows)
	r := &rangeSet{lows: make([]int64, 0, len(before.lows)+len(rows)), upTo: upTo}
	r.sids = make([]uint32, 0, cap(r.lows))
	add := func(row rangeRow) { r.lows, r.sids = append(r.lows, row.low), append(r.sids, row.sid) }
	for i, low := range before.lows {
		for len(rows) > 0 && compareRangeRows(rows[0], rangeRow{low, before.sids[i]}) < 0 {
			add(rows[0])
			rows = rows[1:]
		}
		add(rangeRow{low, before.sids[i]})
	}
	for _, row := range rows {
		add(row)
	}
	r.read = len(r.lows)
	return r
}

// stretch are the versions whose lower end lies between two, both inside.
func (r *rangeSet) stretch(low, high int64) *roaring.Bitmap {
	first := sort.Search(len(r.lows), func(i int) bool { return r.lows[i] >= low })
	end := first + sort.Search(len(r.lows)-first, func(i int) bool { return r.lows[first+i] > high })
	return bitmapOf(slices.Clone(r.sids[first:end]))
}

// soonRanges times the rows that are read to be sorted are read as a whole for the first search that asks for some of them.
const soonRanges = 4

// rowsOfRange returns the rows of a name, all there are up to the snapshot at least; nil when they are not in memory. Where they are not many they are read at once. To hold
// all rows of a parameter that has more of them pays when they are asked for again: then they are read in the background.
func (v *setView) rowsOfRange(name setName) (*rangeSet, error) {
	var r *rangeSet
	again := true
	v.look(func(p *partitionSets) {
		if r = p.ranges[name]; r == nil {
			again = v.again(name.allUnits())
		} else {
			r.last = p.owner.tick()
		}
	})
	switch {
	case r == nil && !again:
		fresh, err := v.readRanges(name, min(soonRanges*v.bounds().Many, v.bounds().Rows))
		if fresh == nil || err != nil {
			return nil, err
		}
		v.keep(func(p *partitionSets) { p.putRanges(fresh) })
		return fresh[name], nil
	case r != nil && (r.large || r.upTo >= v.Snapshot):
		return r, nil
	case r == nil || !v.soon(min(r.read, anewPerRanges*int(v.Snapshot-r.upTo))):
		v.ask(readRangeRows(name))
		return nil, nil
	}
	fresh, err := v.freshRanges(name)
	if err == nil {
		v.keep(func(p *partitionSets) { p.putRanges(fresh) })
	}
	return fresh[name], err
}

// freshRanges reads the rows of ranges, or what is new of them, whichever costs less. Rows of quantities that are read come with those of the other units.
func (v *setView) freshRanges(name setName) (map[setName]*rangeSet, error) {
	before := v.rangeOf(name)
	if before != nil && !before.large && v.Snapshot-before.upTo <= int64(v.bounds().Behind) && before.read >= anewPerRanges*int(v.Snapshot-before.upTo) {
		later, err := v.readLaterRange(name.rowKind, name.key, before)
		return map[setName]*rangeSet{name: later}, err
	}
	all := name.allUnits()
	if name.isHigh && v.rangeOf(all) == nil {
		units, err := v.readRanges(name, v.bounds().Memory/4/rangeRowBytes)
		if units != nil || err != nil {
			return units, err
		}
	}
	one, err := v.readRange(name.rowKind, name.key, v.bounds().held())
	found := map[setName]*rangeSet{name: one}
	if name.isHigh {
		found[all] = &rangeSet{large: true, upTo: v.Snapshot}
	}
	return found, err
}

// readRanges reads the rows of ranges under a key; nil where there are more than so many. With those of one unit of quantities it reads those of the others: the
// index has them by their values, so that the rows of one unit take as long.
func (v *setView) readRanges(name setName, most int) (map[setName]*rangeSet, error) {
	if name.isHigh {
		return v.readUnits(name, most)
	}
	one, err := v.readRange(name.rowKind, name.key, most)
	if err != nil || one.large {
		return nil, err
	}
	return map[setName]*rangeSet{name: one}, nil
}

// readUnits reads the rows of quantities under a key, those of every unit, in portions of bounded memory; nil where there are more than so many.
func (v *setView) readUnits(name setName, most int) (map[setName]*rangeSet, error) {
	units, total, g := map[int64][]rangeRow{name.high: nil}, 0, v.gather()
	defer g.end()
	low, ref, unit := int64(math.MinInt64), int64(0), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(v.bounds().Rows, most-total) + 1
		s := v.Statement()
		sql := "select " + s.List("y.low") + ", " + s.List("y.ref") + ", " + s.List("y.high") + " from (select t.low, t.ref, t.high from " + s.Table(name.table) + " t where t.key = " + s.Arg(name.key) +
			" and (t.low, t.ref, t.high) > (" + s.Arg(low) + ", " + s.Arg(ref) + ", " + s.Arg(unit) + ") and t.ref < " + s.Arg(v.Before()) + fmt.Sprintf(" order by t.low, t.ref, t.high limit %d) y", portion)
		var lows, refs, highs []int64
		err := v.Query(s, sql, func(scan func(...any) error) error {
			first, second, third := s.Listed(), s.Listed(), s.Listed()
			if err := scan(first.Into(), second.Into(), third.Into()); err != nil {
				return err
			}
			first.Each(func(low int64) { lows = append(lows, low) })
			second.Each(func(ref int64) { refs = append(refs, ref) })
			third.Each(func(unit int64) { highs = append(highs, unit) })
			return nil
		})
		if err != nil {
			return nil, err
		}
		g.add(gatheredRowBytes * int64(len(lows)))
		for i := range lows {
			units[highs[i]] = append(units[highs[i]], rangeRow{lows[i], uint32(refs[i]>>keys.RefBits - v.Origin())})
		}
		if total += len(lows); total > most {
			return nil, nil
		}
		if more = len(lows) == portion; more {
			last := len(lows) - 1
			low, ref, unit = lows[last], refs[last], highs[last]
		}
	}
	found := make(map[setName]*rangeSet, len(units))
	for unit, rows := range units {
		r := &rangeSet{large: true, upTo: v.Snapshot}
		if len(rows) <= v.bounds().held() {
			r = newRangeSet(&rangeSet{}, rows, v.Snapshot)
		}
		r.read = total
		found[rowKind{table: name.table, high: unit, isHigh: true}.name(name.key)] = r
	}
	return found, nil
}

// readRange reads the rows of ranges under a key, in portions of bounded memory; that they are large where there are more than so many.
func (v *setView) readRange(in rowKind, key int64, most int) (*rangeSet, error) {
	var rows []rangeRow
	g := v.gather()
	defer g.end()
	low, ref := int64(math.MinInt64), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(v.bounds().Rows, most-len(rows)) + 1
		s := v.Statement()
		var lows, refs []int64
		sql := "select " + s.List("y.low") + ", " + s.List("y.ref") + " from (select t.low, t.ref from " + s.Table(in.table) + " t where t.key = " + s.Arg(key) + in.only(s, "t") +
			" and (t.low, t.ref) > (" + s.Arg(low) + ", " + s.Arg(ref) + ") and t.ref < " + s.Arg(v.Before()) + fmt.Sprintf(" order by t.low, t.ref limit %d) y", portion)
		err := v.Query(s, sql, func(scan func(...any) error) error {
			first, second := s.Listed(), s.Listed()
			if err := scan(first.Into(), second.Into()); err != nil {
				return err
			}
			first.Each(func(low int64) { lows = append(lows, low) })
			second.Each(func(ref int64) { refs = append(refs, ref) })
			return nil
		})
		if err != nil {
			return nil, err
		}
		g.add(gatheredRowBytes * int64(len(lows)))
		for i := range lows {
			rows = append(rows, rangeRow{lows[i], uint32(refs[i]>>keys.RefBits - v.Origin())})
		}
		if len(rows) > most {
			return &rangeSet{large: true, upTo: v.Snapshot}, nil
		}
		if more = len(lows) == portion; more {
			low, ref = lows[len(lows)-1], refs[len(refs)-1]
		}
	}
	return newRangeSet(&rangeSet{}, rows, v.Snapshot), nil
}

// readLaterRange brings the rows up to the snapshot.
func (v *setView) readLaterRange(in rowKind, key int64, before *rangeSet) (*rangeSet, error) {
	s := v.Statement()
	var rows []rangeRow
	sql := "select p.low, (p.ref >> 2) from " + s.Table(in.table) + " p where p.ref >= " + s.Arg((before.upTo+1)<<keys.RefBits) + " and p.ref < " + s.Arg(v.Before()) + " and +p.key = " + s.Arg(key) + in.only(s, "p")
	err := v.Query(s, sql, func(scan func(...any) error) error {
		var low, sid int64
		err := scan(&low, &sid)
		rows = append(rows, rangeRow{low, uint32(sid - v.Origin())})
		return err
	})
	if err != nil {
		return nil, err
	}
	later := newRangeSet(before, rows, v.Snapshot)
	later.read = before.read + len(rows)
	return later, nil
}

// readRangeRows reads the rows of ranges, or brings them up.
func readRangeRows(name setName) task {
	w := wanted{wantedRanges, name}
	return task{wanted: []wanted{w}, read: func(v *setView, _ []wanted, tell tell) {
		if ranges, err := v.freshRanges(name); err == nil {
			tell(w, ranges[name], func(p *partitionSets) { p.putRanges(ranges) })
		}
	}}
}

// rangeOf are the rows of ranges that are there; nil: none.
func (v *setView) rangeOf(name setName) (r *rangeSet) {
	v.look(func(p *partitionSets) { r = p.ranges[name] })
	return r
}
