package sets

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/keys"
)

// Range are the rows of ranges under a key in the order of their lower ends, so that a stretch of them is found
// without reading any.
type Range struct {
	Lows  []int64
	Sids  []uint32
	Large bool // there are more rows than are held
	read  int  // rows that were read for it: what it takes to read it anew
	upTo  int64
	last  int64 // when it was used
}

// The bytes of a row: of one that is held, and of one while it is read and then put beside the others.
const (
	rangeRowBytes    = 12
	gatheredRowBytes = 20 + rangeRowBytes
)

func (r *Range) bytes() int64 { return heldBytes + rangeRowBytes*int64(len(r.Lows)) }

// RangeRow is a row of a Range.
type RangeRow struct {
	Low int64
	Sid uint32
}

func CompareRangeRows(a, b RangeRow) int {
	return cmp.Or(cmp.Compare(a.Low, b.Low), cmp.Compare(a.Sid, b.Sid))
}

// NewRange merges rows in any order into those of a Range.
func NewRange(before *Range, rows []RangeRow, upTo int64) *Range {
	slices.SortFunc(rows, CompareRangeRows)
	r := &Range{Lows: make([]int64, 0, len(before.Lows)+len(rows)), upTo: upTo}
	r.Sids = make([]uint32, 0, cap(r.Lows))
	add := func(row RangeRow) { r.Lows, r.Sids = append(r.Lows, row.Low), append(r.Sids, row.Sid) }
	for i, low := range before.Lows {
		for len(rows) > 0 && CompareRangeRows(rows[0], RangeRow{low, before.Sids[i]}) < 0 {
			add(rows[0])
			rows = rows[1:]
		}
		add(RangeRow{low, before.Sids[i]})
	}
	for _, row := range rows {
		add(row)
	}
	r.read = len(r.Lows)
	return r
}

// Stretch are the versions whose lower end lies between two, both inside.
func (r *Range) Stretch(low, high int64) *roaring.Bitmap {
	first := sort.Search(len(r.Lows), func(i int) bool { return r.Lows[i] >= low })
	end := first + sort.Search(len(r.Lows)-first, func(i int) bool { return r.Lows[first+i] > high })
	return BitmapOf(slices.Clone(r.Sids[first:end]))
}

// soonRanges times the rows that are read to be sorted are read as a whole for the first search that asks for some of
// them.
const soonRanges = 4

// RowsOfRange returns the rows of a name, all there are up to the snapshot at least; nil when they are not in memory.
// Where they are not many they are read at once. To hold all rows of a parameter that has more of them pays when they
// are asked for again: then they are read in the background.
func (v *View) RowsOfRange(name Name) (*Range, error) {
	var r *Range
	again := true
	v.look(func(p *partition) {
		if r = p.ranges[name]; r == nil {
			again = v.again(name.allUnits())
		} else {
			r.last = p.owner.tick()
		}
	})
	switch {
	case r == nil && !again:
		fresh, err := v.readRanges(name, min(soonRanges*v.Bounds().Many, v.Bounds().Rows))
		if fresh == nil || err != nil {
			return nil, err
		}
		v.keep(func(p *partition) { p.putRanges(fresh) })
		return fresh[name], nil
	case r != nil && (r.Large || r.upTo >= v.Snapshot):
		return r, nil
	case r == nil || !v.Soon(min(r.read, anewPerRanges*int(v.Snapshot-r.upTo))):
		v.ask(readRangeRows(name))
		return nil, nil
	}
	fresh, err := v.freshRanges(name)
	if err == nil {
		v.keep(func(p *partition) { p.putRanges(fresh) })
	}
	return fresh[name], err
}

// freshRanges reads the rows of ranges, or what is new of them, whichever costs less. Rows of quantities that are
// read come with those of the other units.
func (v *View) freshRanges(name Name) (map[Name]*Range, error) {
	before := v.rangeOf(name)
	if before != nil && !before.Large && v.Snapshot-before.upTo <= int64(v.Bounds().Behind) &&
		before.read >= anewPerRanges*int(v.Snapshot-before.upTo) {
		later, err := v.readLaterRange(name.Kind, name.key, before)
		return map[Name]*Range{name: later}, err
	}
	all := name.allUnits()
	if name.IsHigh && v.rangeOf(all) == nil {
		units, err := v.readRanges(name, v.Bounds().Memory/4/rangeRowBytes)
		if units != nil || err != nil {
			return units, err
		}
	}
	one, err := v.readRange(name.Kind, name.key, v.Bounds().held())
	found := map[Name]*Range{name: one}
	if name.IsHigh {
		found[all] = &Range{Large: true, upTo: v.Snapshot}
	}
	return found, err
}

// readRanges reads the rows of ranges under a key; nil where there are more than so many. With those of one unit of
// quantities it reads those of the others: the index has them by their values, so that the rows of one unit take as
// long.
func (v *View) readRanges(name Name, most int) (map[Name]*Range, error) {
	if name.IsHigh {
		return v.readUnits(name, most)
	}
	one, err := v.readRange(name.Kind, name.key, most)
	if err != nil || one.Large {
		return nil, err
	}
	return map[Name]*Range{name: one}, nil
}

// readUnits reads the rows of quantities under a key, those of every unit, in portions of bounded memory; nil where
// there are more than so many.
func (v *View) readUnits(name Name, most int) (map[Name]*Range, error) {
	units, total, g := map[int64][]RangeRow{name.High: nil}, 0, v.gather()
	defer g.end()
	low, ref, unit := int64(math.MinInt64), int64(0), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(v.Bounds().Rows, most-total) + 1
		s := v.Statement()
		sql := "select " + s.List("y.low") + ", " + s.List("y.ref") + ", " + s.List("y.high") +
			" from (select t.low, t.ref, t.high from " + s.Table(name.Table) + " t where t.key = " + s.Arg(name.key) +
			" and (t.low, t.ref, t.high) > (" + s.Arg(low) + ", " + s.Arg(ref) + ", " + s.Arg(unit) +
			") and t.ref < " + s.Arg(v.Before()) + fmt.Sprintf(" order by t.low, t.ref, t.high limit %d) y",
			portion)
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
			units[highs[i]] = append(units[highs[i]], RangeRow{lows[i], uint32(refs[i]>>keys.RefBits - v.Origin())})
		}
		if total += len(lows); total > most {
			return nil, nil
		}
		if more = len(lows) == portion; more {
			last := len(lows) - 1
			low, ref, unit = lows[last], refs[last], highs[last]
		}
	}
	found := make(map[Name]*Range, len(units))
	for unit, rows := range units {
		r := &Range{Large: true, upTo: v.Snapshot}
		if len(rows) <= v.Bounds().held() {
			r = NewRange(&Range{}, rows, v.Snapshot)
		}
		r.read = total
		found[Kind{Table: name.Table, High: unit, IsHigh: true}.Name(name.key)] = r
	}
	return found, nil
}

// readRange reads the rows of ranges under a key, in portions of bounded memory. The Range is Large, and empty, where
// there are more than most.
func (v *View) readRange(in Kind, key int64, most int) (*Range, error) {
	var rows []RangeRow
	g := v.gather()
	defer g.end()
	low, ref := int64(math.MinInt64), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(v.Bounds().Rows, most-len(rows)) + 1
		s := v.Statement()
		var lows, refs []int64
		sql := "select " + s.List("y.low") + ", " + s.List("y.ref") + " from (select t.low, t.ref from " +
			s.Table(in.Table) + " t where t.key = " + s.Arg(key) + in.only(s, "t") +
			" and (t.low, t.ref) > (" + s.Arg(low) + ", " + s.Arg(ref) + ") and t.ref < " + s.Arg(v.Before()) +
			fmt.Sprintf(" order by t.low, t.ref limit %d) y", portion)
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
			rows = append(rows, RangeRow{lows[i], uint32(refs[i]>>keys.RefBits - v.Origin())})
		}
		if len(rows) > most {
			return &Range{Large: true, upTo: v.Snapshot}, nil
		}
		if more = len(lows) == portion; more {
			low, ref = lows[len(lows)-1], refs[len(refs)-1]
		}
	}
	return NewRange(&Range{}, rows, v.Snapshot), nil
}

// readLaterRange brings the rows up to the snapshot.
func (v *View) readLaterRange(in Kind, key int64, before *Range) (*Range, error) {
	s := v.Statement()
	var rows []RangeRow
	sql := "select p.low, (p.ref >> 2) from " + s.Table(in.Table) + " p where p.ref >= " +
		s.Arg((before.upTo+1)<<keys.RefBits) + " and p.ref < " + s.Arg(v.Before()) + " and +p.key = " + s.Arg(key) +
		in.only(s, "p")
	err := v.Query(s, sql, func(scan func(...any) error) error {
		var low, sid int64
		err := scan(&low, &sid)
		rows = append(rows, RangeRow{low, uint32(sid - v.Origin())})
		return err
	})
	if err != nil {
		return nil, err
	}
	later := NewRange(before, rows, v.Snapshot)
	later.read = before.read + len(rows)
	return later, nil
}

// readRangeRows reads the rows of ranges, or brings them up.
func readRangeRows(name Name) task {
	w := wanted{wantedRanges, name}
	return task{wanted: []wanted{w}, read: func(v *View, _ []wanted, tell tell) {
		if ranges, err := v.freshRanges(name); err == nil {
			tell(w, ranges[name], func(p *partition) { p.putRanges(ranges) })
		}
	}}
}

// rangeOf are the rows of ranges that are there; nil: none.
func (v *View) rangeOf(name Name) (r *Range) {
	v.look(func(p *partition) { r = p.ranges[name] })
	return r
}
