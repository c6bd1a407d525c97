package sqlterms

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
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

// rangeRowBytes are the bytes of a row.
const rangeRowBytes = 12

func (r *rangeSet) bytes() int64 { return 200 + rangeRowBytes*int64(len(r.lows)) }

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

// holdRanges finds, in memory, the versions that clauses of ranges find or, where their rows say more than their lower ends, those that may
// answer them. What is not in memory is read for this search alone, up to so many rows, and in the background as a whole when it is asked for again. What has too many
// rows, or is bounded by the order anyway, is left as it is. It tells whether nothing is left that could have been read.
func (x *search) holdRanges(accesses []*access, most int) (all bool, err error) {
	if !x.mayUseSets() {
		return false, nil
	}
	p := x.Sets.of(x.partition)
	all = true
	for _, a := range accesses {
		if !a.canBeHeld() || a.held != nil || a.large {
			continue
		}
		if !a.once {
			held, whole, err := x.rangesOf(p, a)
			if err != nil {
				return false, err
			}
			if whole {
				a.hold(held)
				continue
			}
			a.once = true
		}
		among, err := x.amongMore(a, most)
		if err != nil {
			return false, err
		}
		if !among {
			if a.held, err = x.versionsUpTo(a, most); err != nil {
				return false, err
			}
		}
		if a.exact = true; a.held != nil {
			a.counts(int(a.held.GetCardinality()), false)
		}
		all = all && a.held != nil
	}
	return all, nil
}

// amongMore tells whether quantities in one unit stand among more rows than some, those of the other units: to find few of them takes as long as to read these.
func (x *search) amongMore(a *access, most int) (more bool, err error) {
	s := x.statement()
	var parts []string
	for _, sc := range a.scans {
		if sc.also == highIs {
			sc.also = always
			parts = append(parts, "select * from (select 1 from "+s.table("span")+" t where "+sc.condition(s, "t")+fmt.Sprintf(" limit 1 offset %d) y", most))
		}
	}
	if len(parts) == 0 {
		return false, nil
	}
	one := 0
	err = x.query(s, strings.Join(parts, " union all "), func(scan func(...any) error) error { more = true; return scan(&one) })
	return more, err
}

// hold takes the versions out of what is held of the ranges of a clause.
func (a *access) hold(ranges map[setName]*rangeSet) {
	found, exact := roaring.New(), true
	for _, sc := range a.scans {
		r := ranges[sc.inRanges().name(sc.key)]
		if r.large {
			a.large = true
			return
		}
		found.Or(r.stretch(sc.min, sc.max))
		exact = exact && (sc.also == always || sc.also == highIs)
	}
	a.held, a.exact = found, exact
	a.counts(int(found.GetCardinality()), false)
}

// rangesOf returns the rows of ranges that a clause is about, all there are up to the snapshot at least; whole is false when they are not in memory.
func (x *search) rangesOf(p *partitionSets, a *access) (held map[setName]*rangeSet, whole bool, err error) {
	held, whole = map[setName]*rangeSet{}, true
	for _, name := range a.names() {
		r, err := x.rowsOfRange(p, name)
		if err != nil {
			return nil, false, err
		}
		held[name] = r
		whole = whole && r != nil
	}
	return held, whole, nil
}

// askedOnce is of how much it is known that a search has asked for it.
const askedOnce = 10_000

// heldInMemory tells whether the rows of the clauses that can be held are in memory.
func (x *search) heldInMemory(accesses []*access) bool {
	for _, a := range accesses {
		if !a.canBeHeld() {
			continue
		}
		if !x.Sets.haveRanges(x.partition, a.names()) {
			return false
		}
	}
	return true
}

// canBeHeld tells whether a clause is answered by ranges alone, and few stretches of them.
func (a *access) canBeHeld() bool {
	return a.onlyScans() && len(a.scans) > 0 && len(a.scans) <= inline && !a.aligned && !a.ordered && !a.negate
}

// soonRanges times the rows that are read to be sorted are read as a whole for the first search that asks for some of them.
const soonRanges = 4

// rowsOfRange returns the rows of a name, all there are up to the snapshot at least; nil when they are not in memory. Where they are not many they are read at once. To hold
// all rows of a parameter that has more of them pays when they are asked for again: then they are read in the background.
func (x *search) rowsOfRange(p *partitionSets, name setName) (*rangeSet, error) {
	s := p.owner
	s.mu.Lock()
	r, epoch, again := p.ranges[name], p.epoch, true
	if r == nil {
		again = p.again(name.allUnits())
	} else {
		r.last = s.tick()
	}
	s.mu.Unlock()
	switch {
	case r == nil && !again:
		fresh, err := x.readRanges(name, min(soonRanges*x.Bounds.Many, x.Bounds.Rows))
		if fresh == nil || err != nil {
			return nil, err
		}
		p.keep(epoch, func() { p.putRanges(fresh) })
		return fresh[name], nil
	case r != nil && (r.large || r.upTo >= x.snapshot):
		return r, nil
	case r == nil || !x.soon(min(r.read, anewPerRanges*int(x.snapshot-r.upTo))):
		p.ask(epoch, x.Dialect, []wanted{{form: rangeRows, name: name}})
		return nil, nil
	}
	fresh, err := x.freshRanges(p, name)
	if err == nil {
		p.keep(epoch, func() { p.putRanges(fresh) })
	}
	return fresh[name], err
}

// freshRanges reads the rows of ranges, or what is new of them, whichever costs less. Rows of quantities that are read come with those of the other units.
func (x *search) freshRanges(p *partitionSets, name setName) (map[setName]*rangeSet, error) {
	before := p.rangeOf(name)
	if before != nil && !before.large && x.snapshot-before.upTo <= int64(x.Bounds.Behind) && before.read >= anewPerRanges*int(x.snapshot-before.upTo) {
		later, err := x.readLaterRange(name.in(), name.key, before)
		return map[setName]*rangeSet{name: later}, err
	}
	all := name.allUnits()
	if name.isHigh && p.rangeOf(all) == nil {
		units, err := x.readRanges(name, x.Bounds.Memory/4/rangeRowBytes)
		if units != nil || err != nil {
			return units, err
		}
	}
	one, err := x.readRange(name.in(), name.key, x.Bounds.held())
	found := map[setName]*rangeSet{name: one}
	if name.isHigh {
		found[all] = &rangeSet{large: true, upTo: x.snapshot}
	}
	return found, err
}

// allUnits stands for the rows of all units of quantities where the name is of one; else it is the name itself.
func (n setName) allUnits() setName {
	if !n.isHigh {
		return n
	}
	return setName{table: "any " + n.table, key: n.key}
}

// readRanges reads the rows of ranges under a key; nil where there are more than so many. With those of one unit of quantities it reads those of the others: the
// index has them by their values, so that the rows of one unit take as long.
func (x *search) readRanges(name setName, most int) (map[setName]*rangeSet, error) {
	if name.isHigh {
		return x.readUnits(name, most)
	}
	one, err := x.readRange(name.in(), name.key, most)
	if err != nil || one.large {
		return nil, err
	}
	return map[setName]*rangeSet{name: one}, nil
}

// readUnits reads the rows of quantities under a key, those of every unit, in portions of bounded memory; nil where there are more than so many.
func (x *search) readUnits(name setName, most int) (map[setName]*rangeSet, error) {
	units, total := map[int64][]rangeRow{name.high: nil}, 0
	low, ref, unit := int64(math.MinInt64), int64(0), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(x.Bounds.Rows, most-total) + 1
		s := x.statement()
		sql := "select " + s.list("y.low") + ", " + s.list("y.ref") + ", " + s.list("y.high") + " from (select t.low, t.ref, t.high from " + s.table(name.table) + " t where t.key = " + s.arg(name.key) +
			" and (t.low, t.ref, t.high) > (" + s.arg(low) + ", " + s.arg(ref) + ", " + s.arg(unit) + ") and t.ref < " + s.arg(x.before()) + fmt.Sprintf(" order by t.low, t.ref, t.high limit %d) y", portion)
		var lows, refs, highs []int64
		err := x.query(s, sql, func(scan func(...any) error) error {
			first, second, third := s.listed(), s.listed(), s.listed()
			if err := scan(first.into(), second.into(), third.into()); err != nil {
				return err
			}
			first.each(func(low int64) { lows = append(lows, low) })
			second.each(func(ref int64) { refs = append(refs, ref) })
			third.each(func(unit int64) { highs = append(highs, unit) })
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i := range lows {
			units[highs[i]] = append(units[highs[i]], rangeRow{lows[i], uint32(refs[i]>>refBits - x.origin())})
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
		r := &rangeSet{large: true, upTo: x.snapshot}
		if len(rows) <= x.Bounds.held() {
			r = newRangeSet(&rangeSet{}, rows, x.snapshot)
		}
		r.read = total
		found[setName{name.table, name.key, unit, true}] = r
	}
	return found, nil
}

// readRange reads the rows of ranges under a key, in portions of bounded memory; that they are large where there are more than so many.
func (x *search) readRange(in keyed, key int64, most int) (*rangeSet, error) {
	var rows []rangeRow
	low, ref := int64(math.MinInt64), int64(0) // of the row that was read last
	for more := true; more; {
		portion := min(x.Bounds.Rows, most-len(rows)) + 1
		s := x.statement()
		var lows, refs []int64
		sql := "select " + s.list("y.low") + ", " + s.list("y.ref") + " from (select t.low, t.ref from " + s.table(in.table) + " t where t.key = " + s.arg(key) + in.only(s, "t") +
			" and (t.low, t.ref) > (" + s.arg(low) + ", " + s.arg(ref) + ") and t.ref < " + s.arg(x.before()) + fmt.Sprintf(" order by t.low, t.ref limit %d) y", portion)
		err := x.query(s, sql, func(scan func(...any) error) error {
			first, second := s.listed(), s.listed()
			if err := scan(first.into(), second.into()); err != nil {
				return err
			}
			first.each(func(low int64) { lows = append(lows, low) })
			second.each(func(ref int64) { refs = append(refs, ref) })
			return nil
		})
		if err != nil {
			return nil, err
		}
		for i := range lows {
			rows = append(rows, rangeRow{lows[i], uint32(refs[i]>>refBits - x.origin())})
		}
		if len(rows) > most {
			return &rangeSet{large: true, upTo: x.snapshot}, nil
		}
		if more = len(lows) == portion; more {
			low, ref = lows[len(lows)-1], refs[len(refs)-1]
		}
	}
	return newRangeSet(&rangeSet{}, rows, x.snapshot), nil
}

// readLaterRange brings the rows up to the snapshot.
func (x *search) readLaterRange(in keyed, key int64, before *rangeSet) (*rangeSet, error) {
	s := x.statement()
	var rows []rangeRow
	sql := "select p.low, (p.ref >> 2) from " + s.table(in.table) + " p where p.ref >= " + s.arg((before.upTo+1)<<refBits) + " and p.ref < " + s.arg(x.before()) + " and +p.key = " + s.arg(key) + in.only(s, "p")
	err := x.query(s, sql, func(scan func(...any) error) error {
		var low, sid int64
		err := scan(&low, &sid)
		rows = append(rows, rangeRow{low, uint32(sid - x.origin())})
		return err
	})
	if err != nil {
		return nil, err
	}
	later := newRangeSet(before, rows, x.snapshot)
	later.read = before.read + len(rows)
	return later, nil
}
