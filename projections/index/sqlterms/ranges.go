package sqlterms

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
)

// rangeSet are the rows of ranges under a key in the order of their lower ends, so that a stretch of them is found without reading any.
type rangeSet struct {
	lows  []int64
	sids  []uint32
	large bool // there are more rows than are held
	upTo  int64
	last  int64 // when it was used
}

func (r *rangeSet) bytes() int64 { return 200 + 12*int64(len(r.lows)) }

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
	return r
}

// stretch are the versions whose lower end lies between two, both inside.
func (r *rangeSet) stretch(low, high int64) *roaring.Bitmap {
	first := sort.Search(len(r.lows), func(i int) bool { return r.lows[i] >= low })
	end := first + sort.Search(len(r.lows)-first, func(i int) bool { return r.lows[first+i] > high })
	return bitmapOf(slices.Clone(r.sids[first:end]))
}

// holdRanges finds, in memory, the versions that clauses of ranges find or, where their rows say more than their lower ends, those that may
// answer them. What has too many rows, or is bounded by the order anyway, is left as it is.
func (x *search) holdRanges(accesses []*access) error {
	accesses = slices.DeleteFunc(slices.Clone(accesses), func(a *access) bool { return !a.canBeHeld() || a.held != nil })
	if len(accesses) == 0 {
		return nil
	}
	v, release, err := x.openSets()
	if v == nil || err != nil {
		return err
	}
	defer release()
	defer v.trim()
	for _, a := range accesses {
		if !v.asked(a) {
			if err := v.holdOnce(a); err != nil {
				return err
			}
			continue
		}
		found := roaring.New()
		exact := true
		for _, sc := range a.scans {
			r, err := v.rowsOfRange(sc)
			if err != nil {
				return err
			}
			if r.large {
				found = nil
				break
			}
			found.Or(r.stretch(sc.min, sc.max))
			exact = exact && (sc.also == always || sc.also == highIs)
		}
		if found != nil {
			a.held, a.exact = found, exact
			a.counts(int(found.GetCardinality()), false)
		}
	}
	return nil
}

// asked tells whether the ranges of a clause are in memory, or have been asked for before; from now on they have.
func (v *snapshotSets) asked(a *access) bool {
	before := true
	for _, name := range a.names() {
		if _, there := v.once[name]; !there && v.ranges[name] == nil {
			before = false
			if len(v.once) >= askedOnce {
				clear(v.once)
			}
			v.once[name] = struct{}{}
		}
	}
	return before
}

// askedOnce is of how many ranges it is known that a search has asked for them.
const askedOnce = 10_000

// holdOnce reads the versions that a clause finds, and nothing more: to hold all rows of its parameter pays when they are asked for again.
func (v *snapshotSets) holdOnce(a *access) error {
	found, err := v.rowsUpTo(a, v.Bounds.Rows)
	if found != nil {
		a.held, a.exact = found, true
		a.counts(int(found.GetCardinality()), false)
	}
	return err
}

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

// rowsOfRange returns the rows under the key of a scan, all there are up to the snapshot at least.
func (v *snapshotSets) rowsOfRange(sc scan) (*rangeSet, error) {
	in := sc.inRanges()
	name := in.name(sc.key)
	r := v.ranges[name]
	if r != nil && !r.large && v.snapshot-r.upTo > int64(v.Bounds.Behind) {
		r = nil
	}
	var err error
	switch {
	case r == nil, !r.large && len(r.lows) < anewPerRanges*int(v.snapshot-r.upTo):
		r, err = v.readRange(in, sc.key)
	case !r.large && r.upTo < v.snapshot:
		r, err = v.readLaterRange(in, sc.key, r)
	}
	if err != nil {
		return nil, err
	}
	r.last = v.owner.clock.Add(1)
	v.putRange(name, r)
	return r, nil
}

func (v *snapshotSets) readRange(in keyed, key int64) (*rangeSet, error) {
	s := v.statement()
	var lows []int64
	var rows []rangeRow
	sql := "select " + s.list("y.low") + ", " + s.list("y.sid") + " from (select t.low, (t.ref >> 2) as sid from " + s.table(in.table) + " t where t.key = " + s.arg(key) + in.only(s, "t") +
		" and t.ref < " + s.arg(v.before) + fmt.Sprintf(" limit %d) y", v.Bounds.Rows+1)
	err := v.query(s, sql, func(scan func(...any) error) error {
		first, second := s.listed(), s.listed()
		if err := scan(first.into(), second.into()); err != nil {
			return err
		}
		first.each(func(low int64) { lows = append(lows, low) })
		rows = make([]rangeRow, 0, len(lows))
		second.each(func(sid int64) { rows = append(rows, rangeRow{lows[len(rows)], uint32(sid - v.first)}) })
		return nil
	})
	if err != nil || len(rows) > v.Bounds.Rows {
		return &rangeSet{large: true}, err
	}
	return newRangeSet(&rangeSet{}, rows, v.snapshot), nil
}

// readLaterRange brings the rows up to the snapshot.
func (v *snapshotSets) readLaterRange(in keyed, key int64, before *rangeSet) (*rangeSet, error) {
	s := v.statement()
	var rows []rangeRow
	sql := "select p.low, (p.ref >> 2) from " + s.table(in.table) + " p where p.ref >= " + s.arg((before.upTo+1)<<refBits) + " and p.ref < " + s.arg(v.before) + " and +p.key = " + s.arg(key) + in.only(s, "p")
	err := v.query(s, sql, func(scan func(...any) error) error {
		var low, sid int64
		err := scan(&low, &sid)
		rows = append(rows, rangeRow{low, uint32(sid - v.first)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return newRangeSet(before, rows, v.snapshot), nil
}

func (p *partitionSets) putRange(name setName, r *rangeSet) {
	p.dropRange(name)
	p.ranges[name] = r
	p.use(r.bytes())
}
