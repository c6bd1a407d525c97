package sqlterms

import (
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
)

// snapshotSets are the sets of the query's partition as of its snapshot.
type snapshotSets struct {
	*search
	*partitionSets
	bits     uint32          // of the snapshot's Sid
	without  *roaring.Bitmap // superseded by then
	reopened *roaring.Bitmap // of these, those that were current at the snapshot nevertheless; nil: none
}

// openSets returns the sets as of the snapshot, nil when they can't be had, and a function that gives them back.
func (x *search) openSets() (*snapshotSets, func(), error) {
	nothing := func() {}
	first := x.partition << projections.SidBits
	if x.Sets == nil || x.snapshot < first || x.snapshot-first >= math.MaxUint32 {
		return nil, nothing, nil
	}
	p, release, err := x.Sets.of(x.ctx, x.partition)
	if err != nil {
		return nil, nothing, err
	}
	v := &snapshotSets{search: x, partitionSets: p, bits: uint32(x.snapshot - first)}
	if p.closed != nil && x.snapshot-p.upTo > int64(x.Bounds.Behind) {
		p.reset()
	}
	switch {
	case p.closed == nil:
		err = v.readClosed()
	case p.upTo < x.snapshot:
		err = v.readLater()
	case p.upTo-x.snapshot > int64(x.Bounds.Behind):
		release()
		return nil, nothing, nil
	case p.upTo > x.snapshot:
		err = v.readReopened()
	}
	if err != nil {
		release()
		return nil, nothing, err
	}
	v.without = p.closed
	return v, release, nil
}

// readNumbers runs a statement whose rows hold lists of Sids.
func (v *snapshotSets) readNumbers(s *statement, sql string) (numbers []uint32, err error) {
	err = v.query(s, sql, func(scan func(...any) error) error {
		list := s.listed()
		if err := scan(list.into()); err != nil {
			return err
		}
		numbers = make([]uint32, 0, list.size())
		list.each(func(sid int64) { numbers = append(numbers, uint32(sid-v.first)) })
		return nil
	})
	return numbers, err
}

func (v *snapshotSets) readClosed() error {
	s := v.statement()
	numbers, err := v.readNumbers(s, "select "+s.list("c.sid")+" from "+s.table("closed")+" c where c.sid >= "+s.arg(v.first)+" and c.sid <= "+s.arg(v.snapshot)+" and c.by_sid <= "+s.arg(v.snapshot))
	if err == nil {
		v.closed, v.upTo = bitmapOf(numbers), v.snapshot
	}
	return err
}

// readLater brings what is known of all versions up to the snapshot.
func (v *snapshotSets) readLater() error {
	s := v.statement()
	closed := v.closed.Clone()
	var mains []int64
	sql := "select v.supersedes, v.main from " + s.table("version") + " v where v.sid > " + s.arg(v.upTo) + " and v.sid <= " + s.arg(v.snapshot) + " order by v.sid"
	err := v.query(s, sql, func(scan func(...any) error) error {
		var before, main int64
		if err := scan(&before, &main); err != nil {
			return err
		}
		if before != 0 {
			closed.Add(uint32(before - v.first))
		}
		mains = append(mains, main)
		return nil
	})
	if err != nil {
		return err
	}
	if int64(len(mains)) != v.snapshot-v.upTo { // not a log without gaps: nothing that is counted by Sid holds
		v.reset()
		return v.readClosed()
	}
	for next := v.upTo + 1 - v.first; len(mains) > 0; { // the last block may be there in part, those after it are read when needed
		number, at := next/blockSids, next%blockSids
		more := mains[:min(int64(len(mains)), blockSids-at)]
		if b := v.mains[number]; b != nil && int64(b.len()) == at {
			v.putBlock(number, b.with(more))
		} else {
			v.dropBlock(number)
		}
		next, mains = next+int64(len(more)), mains[len(more):]
	}
	v.closed, v.upTo = closed, v.snapshot
	return nil
}

func (v *snapshotSets) readReopened() error {
	s := v.statement()
	numbers, err := v.readNumbers(s, "select "+s.list("v.supersedes")+" from "+s.table("version")+" v where v.sid > "+s.arg(v.snapshot)+" and v.sid <= "+s.arg(v.upTo)+" and v.supersedes <> 0")
	v.reopened = bitmapOf(numbers)
	return err
}

// keyed are rows of a table that stand in the order of a key.
type keyed struct {
	table, order string
	high         int64 // with isHigh: the rows with this upper end alone, which in those of quantities is the unit
	isHigh       bool
}

// versionTable stands for the keys on version rows, which have no order.
const versionTable = "version"

// inRanges are the rows that a scan may find, and more of their kind.
func (sc scan) inRanges() keyed {
	return keyed{table: "span", order: "low", high: sc.a, isHigh: sc.also == highIs}
}

// name is what the set of a key in these rows is kept under.
func (k keyed) name(key int64) setName { return setName{k.table, key, k.high, k.isHigh} }

// only is the condition on the rows beside the key.
func (k keyed) only(s *statement, row string) string {
	if !k.isHigh {
		return ""
	}
	return " and " + row + ".high = " + s.arg(k.high)
}

// has is the condition that a version has a row with a key.
func (k keyed) has(s *statement, key string) string {
	if k.table == versionTable {
		return "v.keys @> array[" + key + "]"
	}
	condition := "p.key = " + key + " and p.sort = v.main"
	if k.table == "span" {
		condition = "+p.key = " + key + k.only(s, "p")
	}
	return "exists (select 1 from " + s.table(k.table) + " p where " + condition + " and p.ref >= (v.sid << 2) and p.ref <= (v.sid << 2) + 3" + once + ")"
}

// known returns the set of a key when it is in memory; it may end before the snapshot.
func (v *snapshotSets) known(name setName) *keySet {
	k := v.keys[name]
	if k != nil && v.snapshot-k.upTo > int64(v.Bounds.Behind) {
		return nil
	}
	return k
}

// How many rows are read in the time that it takes to look at one later version, for the key of a set, or for all of its ranges: where a set
// or what is held of ranges has fewer rows than that for each, it is read anew and not brought up.
const (
	anewPerVersion = 8
	anewPerRanges  = 20
)

// having returns the versions that have a row with one of the keys in a table, all there are up to the snapshot at least.
func (v *snapshotSets) having(in keyed, keys []int64) (*roaring.Bitmap, error) {
	var missing, stale []int64
	from := v.snapshot
	for _, key := range keys {
		switch k := v.known(in.name(key)); {
		case k == nil:
			missing = append(missing, key)
		case k.upTo < v.snapshot && k.count < anewPerVersion*int(v.snapshot-k.upTo):
			missing = append(missing, key)
		case k.upTo < v.snapshot:
			stale = append(stale, key)
			from = min(from, k.upTo)
		}
	}
	if err := v.readKeys(in, missing); err != nil {
		return nil, err
	}
	if err := v.extend(in, stale, from); err != nil {
		return nil, err
	}
	sets := make([]*roaring.Bitmap, len(keys))
	now := v.owner.clock.Add(1)
	for i, key := range keys {
		k := v.keys[in.name(key)]
		k.last, sets[i] = now, k.has
	}
	v.trim()
	if len(sets) == 1 {
		return sets[0], nil
	}
	name := in.union(keys)
	if u := v.keys[name]; u != nil && u.upTo == v.snapshot {
		u.last = now
		return u.has, nil
	}
	return v.put(name, roaring.FastOr(sets...), v.snapshot).has, nil
}

// union is what the versions with any of some keys are kept under.
func (k keyed) union(keys []int64) setName {
	var h hasher
	h.begin()
	for _, key := range keys {
		h.key(key)
	}
	return setName{"any " + k.table, h.sum(), k.high, k.isHigh}
}

// readKeys reads the rows of keys.
func (v *snapshotSets) readKeys(in keyed, keys []int64) error {
	if len(keys) == 0 {
		return nil
	}
	s := v.statement()
	from, key := s.unnested(keys, "k")
	s.most = v.Bounds.Rows + 1
	sql := "select " + key + ", (select " + s.list("y.sid") + " from (" + in.rows(s, key, v.before) + fmt.Sprintf(" limit %d) y) from ", s.most) + from
	var many []int64
	err := v.query(s, sql, func(scan func(...any) error) error {
		var key int64
		list := s.listed()
		if err := scan(&key, list.into()); err != nil {
			return err
		}
		numbers := make([]uint32, 0, list.size())
		list.each(func(sid int64) { numbers = append(numbers, uint32(sid-v.first)) })
		if len(numbers) > v.Bounds.Rows {
			many = append(many, key)
		} else {
			v.put(in.name(key), bitmapOf(numbers), v.snapshot)
		}
		return nil
	})
	for _, key := range many {
		if err != nil {
			break
		}
		err = v.readMany(in, key)
	}
	return err
}

// rows is a SELECT of the Sids of the versions with a key.
func (k keyed) rows(s *statement, key string, before int64) string {
	if k.table == versionTable {
		return "select t.sid as sid from " + s.withKeys("array["+key+"]", before) + " t"
	}
	return "select (t.ref >> 2) as sid from " + s.table(k.table) + " t where t.key = " + key + k.only(s, "t") + " and t.ref < " + s.arg(before)
}

// readMany reads the rows of a key in stretches of the main date, so that the memory it takes is bounded.
func (v *snapshotSets) readMany(in keyed, key int64) error {
	whole := roaring.New()
	if in.table == versionTable { // no order divides them: they come one by one
		s := v.statement()
		err := v.query(s, in.rows(s, s.arg(key), v.before), func(scan func(...any) error) error {
			sid := int64(0)
			err := scan(&sid)
			whole.Add(uint32(sid - v.first))
			return err
		})
		if err == nil {
			whole.RunOptimize()
			v.put(in.name(key), whole, v.snapshot)
		}
		return err
	}
	for after, more := int64(math.MinInt64), true; more; {
		edge := int64(math.MaxInt64)
		more = false
		s := v.statement()
		column := "t." + in.order
		rows := s.table(in.table) + " t where t.key = " + s.arg(key) + " and " + column + " > " + s.arg(after)
		sql := "select " + column + " from " + rows + fmt.Sprintf(" order by %s limit 1 offset %d", column, v.Bounds.Rows)
		if err := v.query(s, sql, func(scan func(...any) error) error { more = true; return scan(&edge) }); err != nil {
			return err
		}
		s = v.statement()
		numbers, err := v.readNumbers(s, "select "+s.list("(t.ref >> 2)")+" from "+s.table(in.table)+" t where t.key = "+s.arg(key)+" and "+column+" > "+s.arg(after)+" and "+column+" <= "+s.arg(edge)+in.only(s, "t")+" and t.ref < "+s.arg(v.before))
		if err != nil {
			return err
		}
		whole.Or(bitmapOf(numbers))
		after = edge
	}
	whole.RunOptimize()
	v.put(in.name(key), whole, v.snapshot)
	return nil
}

// extend brings keys up to the snapshot: of the versions after the first that one of them has not seen, those that have it.
func (v *snapshotSets) extend(in keyed, keys []int64, from int64) error {
	if len(keys) == 0 {
		return nil
	}
	more := make(map[int64][]uint32, len(keys))
	s := v.statement()
	list, key := s.unnested(keys, "k")
	sql := "select " + key + ", v.sid from " + s.table("version") + " v cross join " + list + " where v.sid > " + s.arg(from) + " and v.sid <= " + s.arg(v.snapshot) +
		" and " + in.has(s, key)
	err := v.query(s, sql, func(scan func(...any) error) error {
		var key, sid int64
		err := scan(&key, &sid)
		more[key] = append(more[key], uint32(sid-v.first))
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		k := v.keys[in.name(key)]
		has := k.has
		if len(more[key]) > 0 {
			has = has.Clone()
			has.AddMany(more[key])
		}
		v.put(in.name(key), has, v.snapshot)
	}
	return nil
}

// allMains tells whether the main dates of some versions are in memory.
func (v *snapshotSets) allMains(sids *roaring.Bitmap) bool {
	for i := sids.Iterator(); i.HasNext(); {
		number := int64(i.Next()) / blockSids
		if v.block(number) == nil {
			return false
		}
		i.AdvanceIfNeeded(uint32(min((number+1)*blockSids, math.MaxUint32)))
	}
	return true
}

// block returns a block of main dates that is in memory and whole up to the snapshot; else nil.
func (v *snapshotSets) block(number int64) *mainBlock {
	if b := v.mains[number]; b != nil && int64(b.len()) >= min(blockSids, v.snapshot-v.first+1-number*blockSids) {
		return b
	}
	return nil
}

// mainsOf reads the main dates that some versions need and returns a function that tells them; nil when they can't be had.
func (v *snapshotSets) mainsOf(sids *roaring.Bitmap) (func(sid uint32) int64, error) {
	blocks := make([]*mainBlock, int64(sids.Maximum())/blockSids+1)
	now := v.owner.clock.Add(1)
	var missing []int64
	for i := sids.Iterator(); i.HasNext(); {
		number := int64(i.Next()) / blockSids
		if b := v.block(number); b != nil {
			b.last, blocks[number] = now, b
		} else {
			missing = append(missing, number)
		}
		i.AdvanceIfNeeded(uint32(min((number+1)*blockSids, math.MaxUint32)))
	}
	for _, number := range missing {
		b, err := v.readBlock(number)
		if err != nil || b == nil {
			return nil, err
		}
		blocks[number] = b
	}
	v.trim()
	return func(sid uint32) int64 { return blocks[sid/blockSids].at(int64(sid % blockSids)) }, nil
}

func (v *snapshotSets) readBlock(number int64) (*mainBlock, error) {
	start := number * blockSids
	end := min(start+blockSids, v.upTo-v.first+1)
	mains := make([]int64, 0, end-start)
	if number == 0 {
		mains = append(mains, projections.MinTime) // there is no version 0
	}
	s := v.statement()
	err := v.query(s, "select "+s.list("y.main")+" from (select v.main from "+s.table("version")+" v where v.sid >= "+s.arg(v.first+start)+" and v.sid < "+s.arg(v.first+end)+" order by v.sid) y", func(scan func(...any) error) error {
		list := s.listed()
		if err := scan(list.into()); err != nil {
			return err
		}
		list.each(func(main int64) { mains = append(mains, main) })
		return nil
	})
	if err != nil || int64(len(mains)) != end-start {
		return nil, err
	}
	b := newMainBlock(mains)
	v.putBlock(number, b)
	return b, nil
}
