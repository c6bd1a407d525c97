package sqlterms

import (
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
)

// What is read here is as of the search's snapshot, and held by nobody yet.

// readNumbers runs a statement whose rows hold lists of Sids.
func (x *search) readNumbers(s *statement, sql string) (numbers []uint32, err error) {
	err = x.query(s, sql, func(scan func(...any) error) error {
		list := s.listed()
		if err := scan(list.into()); err != nil {
			return err
		}
		numbers = make([]uint32, 0, list.size())
		list.each(func(sid int64) { numbers = append(numbers, uint32(sid-x.origin())) })
		return nil
	})
	return numbers, err
}

// readClosed reads what is superseded.
func (x *search) readClosed() (*roaring.Bitmap, error) {
	s := x.statement()
	numbers, err := x.readNumbers(s, "select "+s.list("c.sid")+" from "+s.table("closed")+" c where c.sid >= "+s.arg(x.origin())+" and c.sid <= "+s.arg(x.snapshot)+" and c.by_sid <= "+s.arg(x.snapshot))
	if err != nil {
		return nil, err
	}
	return bitmapOf(numbers), nil
}

// readLater brings what is superseded from a Sid up to the snapshot, and reads the main dates of the versions between; nil where some of them are missing.
func (x *search) readLater(before *roaring.Bitmap, upTo int64) (closed *roaring.Bitmap, mains []int64, err error) {
	s := x.statement()
	closed = before.Clone()
	sql := "select v.supersedes, v.main from " + s.table("version") + " v where v.sid > " + s.arg(upTo) + " and v.sid <= " + s.arg(x.snapshot) + " order by v.sid"
	err = x.query(s, sql, func(scan func(...any) error) error {
		var superseded, main int64
		if err := scan(&superseded, &main); err != nil {
			return err
		}
		if superseded != 0 {
			closed.Add(uint32(superseded - x.origin()))
		}
		mains = append(mains, main)
		return nil
	})
	if err != nil || int64(len(mains)) != x.snapshot-upTo { // not a log without gaps: nothing that is counted by Sid holds
		return nil, nil, err
	}
	return closed, mains, nil
}

// readReopened reads which of those that are superseded up to a Sid were current at the snapshot.
func (x *search) readReopened(upTo int64) (*roaring.Bitmap, error) {
	s := x.statement()
	numbers, err := x.readNumbers(s, "select "+s.list("v.supersedes")+" from "+s.table("version")+" v where v.sid > "+s.arg(x.snapshot)+" and v.sid <= "+s.arg(upTo)+" and v.supersedes <> 0")
	return bitmapOf(numbers), err
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
	in := keyed{table: "span", order: "low", isHigh: sc.also == highIs}
	if in.isHigh { // elsewhere the operand is a value that is asked for, and the rows are the same
		in.high = sc.a
	}
	return in
}

// in are the rows that a name stands for, and more of their kind.
func (n setName) in() keyed {
	in := keyed{table: n.table, high: n.high, isHigh: n.isHigh}
	switch n.table {
	case "term":
		in.order = "sort"
	case "span":
		in.order = "low"
	}
	return in
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

// How many rows are read in the time that it takes to look at one later version, for the key of a set, or for all of its ranges: where a set
// or what is held of ranges has fewer rows than that for each, it is read anew and not brought up.
const (
	anewPerVersion = 8
	anewPerRanges  = 20
)

// soon tells whether to read so many rows takes so little that a search does it itself.
func (x *search) soon(rows int) bool { return rows <= 2*x.Bounds.Many }

// union is what the versions with any of some keys are kept under.
func (k keyed) union(list []int64) setName {
	var h hasher
	h.begin()
	for _, key := range list {
		h.key(key)
	}
	return setName{"any " + k.table, h.sum(), k.high, k.isHigh}
}

// freshKeys reads the versions that have keys: those of which sets are given that are not worth to be read anew are brought up.
func (x *search) freshKeys(in keyed, keys []int64, sets map[int64]*keySet, take func(key int64, k *keySet)) error {
	var anew, stale []int64
	for _, key := range keys {
		if k := sets[key]; k != nil && x.snapshot-k.upTo <= int64(x.Bounds.Behind) && k.count >= anewPerVersion*int(x.snapshot-k.upTo) {
			stale = append(stale, key)
		} else {
			anew = append(anew, key)
		}
	}
	if err := x.extend(in, stale, sets, take); err != nil {
		return err
	}
	many, err := x.readKeys(in, anew, x.Bounds.Rows, take)
	for _, key := range many {
		if err != nil {
			break
		}
		var whole *roaring.Bitmap
		if whole, err = x.readMany(in, key); err == nil {
			take(key, newKeySet(whole, x.snapshot))
		}
	}
	return err
}

// readKeys reads the rows of keys that have up to so many, and returns the other keys.
func (x *search) readKeys(in keyed, keys []int64, most int, take func(key int64, k *keySet)) (many []int64, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	s := x.statement()
	from, key := s.unnested(keys, "k")
	s.most = most + 1
	sql := "select " + key + ", (select " + s.list("y.sid") + " from (" + in.rows(s, key, x.before()) + fmt.Sprintf(" limit %d) y) from ", s.most) + from
	err = x.query(s, sql, func(scan func(...any) error) error {
		var key int64
		list := s.listed()
		if err := scan(&key, list.into()); err != nil {
			return err
		}
		numbers := make([]uint32, 0, list.size())
		list.each(func(sid int64) { numbers = append(numbers, uint32(sid-x.origin())) })
		if len(numbers) > most {
			many = append(many, key)
		} else {
			take(key, newKeySet(bitmapOf(numbers), x.snapshot))
		}
		return nil
	})
	return many, err
}

// rows is a SELECT of the Sids of the versions with a key.
func (k keyed) rows(s *statement, key string, before int64) string {
	if k.table == versionTable {
		return "select t.sid as sid from " + s.withKeys("array["+key+"]", before) + " t"
	}
	return "select (t.ref >> 2) as sid from " + s.table(k.table) + " t where t.key = " + key + k.only(s, "t") + " and t.ref < " + s.arg(before)
}

// readMany reads the rows of a key in stretches of the main date, so that the memory it takes is bounded.
func (x *search) readMany(in keyed, key int64) (*roaring.Bitmap, error) {
	whole := roaring.New()
	if in.table == versionTable { // no order divides them: they come one by one
		s := x.statement()
		err := x.query(s, in.rows(s, s.arg(key), x.before()), func(scan func(...any) error) error {
			sid := int64(0)
			err := scan(&sid)
			whole.Add(uint32(sid - x.origin()))
			return err
		})
		whole.RunOptimize()
		return whole, err
	}
	for after, more := int64(math.MinInt64), true; more; {
		edge := int64(math.MaxInt64)
		more = false
		s := x.statement()
		column := "t." + in.order
		rows := s.table(in.table) + " t where t.key = " + s.arg(key) + " and " + column + " > " + s.arg(after)
		sql := "select " + column + " from " + rows + fmt.Sprintf(" order by %s limit 1 offset %d", column, x.Bounds.Rows)
		if err := x.query(s, sql, func(scan func(...any) error) error { more = true; return scan(&edge) }); err != nil {
			return nil, err
		}
		s = x.statement()
		numbers, err := x.readNumbers(s, "select "+s.list("(t.ref >> 2)")+" from "+s.table(in.table)+" t where t.key = "+s.arg(key)+" and "+column+" > "+s.arg(after)+" and "+column+" <= "+s.arg(edge)+in.only(s, "t")+" and t.ref < "+s.arg(x.before()))
		if err != nil {
			return nil, err
		}
		whole.Or(bitmapOf(numbers))
		after = edge
	}
	whole.RunOptimize()
	return whole, nil
}

// extend brings the sets of keys up to the snapshot: of the versions after the first that one of them has not seen, those that have it.
func (x *search) extend(in keyed, keys []int64, sets map[int64]*keySet, take func(key int64, k *keySet)) error {
	if len(keys) == 0 {
		return nil
	}
	from := x.snapshot
	for _, key := range keys {
		from = min(from, sets[key].upTo)
	}
	more := make(map[int64][]uint32, len(keys))
	s := x.statement()
	list, key := s.unnested(keys, "k")
	sql := "select " + key + ", v.sid from " + s.table("version") + " v cross join " + list + " where v.sid > " + s.arg(from) + " and v.sid <= " + s.arg(x.snapshot) +
		" and " + in.has(s, key)
	err := x.query(s, sql, func(scan func(...any) error) error {
		var key, sid int64
		err := scan(&key, &sid)
		more[key] = append(more[key], uint32(sid-x.origin()))
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		has := sets[key].has
		if len(more[key]) > 0 {
			has = has.Clone()
			has.AddMany(more[key])
		}
		take(key, newKeySet(has, x.snapshot))
	}
	return nil
}

// readBlock reads the main dates of a block; nil where versions are missing.
func (x *search) readBlock(number int64) (*mainBlock, error) {
	mains, err := x.readMains(number, 0)
	if err != nil || mains == nil {
		return nil, err
	}
	return newMainBlock(mains), nil
}

// readMains reads the main dates of a block from a place in it on.
func (x *search) readMains(number, from int64) ([]int64, error) {
	start := number*blockSids + from
	end := min((number+1)*blockSids, x.snapshot-x.origin()+1)
	mains := make([]int64, 0, max(end-start, 0))
	if start == 0 {
		mains = append(mains, projections.MinTime) // there is no version 0
	}
	s := x.statement()
	err := x.query(s, "select "+s.list("y.main")+" from (select v.main from "+s.table("version")+" v where v.sid >= "+s.arg(x.origin()+start)+" and v.sid < "+s.arg(x.origin()+end)+" order by v.sid) y", func(scan func(...any) error) error {
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
	return mains, nil
}
