package sets

import (
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// Set are the versions that have a key, superseded ones too.
type Set struct {
	Has   *roaring.Bitmap
	Count int
	Large bool  // of a clause that follows references: there are more than are held
	UpTo  int64 // Sid
	bytes int64
	last  int64 // when it was used, by the clock
}

func NewSet(has *roaring.Bitmap, upTo int64) *Set {
	return &Set{Has: has, Count: int(has.GetCardinality()), UpTo: upTo, bytes: bitmapBytes(has)}
}

// KeepSet holds a set that has been brought up.
func (v *View) KeepSet(name Name, k *Set) { v.keep(func(p *partition) { p.put(name, k) }) }

// readSets reads the versions that have keys.
func readSets(in Kind, keys []int64) task {
	t := task{read: func(v *View, missing []wanted, tell tell) {
		keys := make([]int64, len(missing))
		for i := range missing {
			keys[i] = missing[i].name.key
		}
		_ = v.freshKeys(in, keys, v.SetsOf(in, keys), func(key int64, k *Set) {
			name := in.Name(key)
			tell(wanted{wantedKeys, name}, k, func(p *partition) { p.put(name, k) })
		})
	}}
	for _, key := range keys {
		t.wanted = append(t.wanted, wanted{wantedKeys, in.Name(key)})
	}
	return t
}

// How many rows are read in the time that it takes to look at one later version, for the key of a set, or for all of
// its ranges: where a set or what is held of ranges has fewer rows than that for each, it is read anew and not
// brought up.
const (
	anewPerVersion = 8
	anewPerRanges  = 20
)

// Soon tells whether to read so many rows takes so little that a search does it itself.
func (v *View) Soon(rows int) bool { return rows <= 2*v.Bounds().Many }

// freshKeys reads the versions that have keys. A set that is given is brought up, unless to read it anew costs less.
func (v *View) freshKeys(in Kind, keys []int64, sets map[int64]*Set, take func(key int64, k *Set)) error {
	var anew, stale []int64
	for _, key := range keys {
		if k := sets[key]; k != nil && v.Snapshot-k.UpTo <= int64(v.Bounds().Behind) &&
			k.Count >= anewPerVersion*int(v.Snapshot-k.UpTo) {
			stale = append(stale, key)
		} else {
			anew = append(anew, key)
		}
	}
	if err := v.extend(in, stale, sets, take); err != nil {
		return err
	}
	many, err := v.readKeys(in, anew, v.Bounds().Rows, take)
	for _, key := range many {
		if err != nil {
			break
		}
		var whole *roaring.Bitmap
		if whole, err = v.readMany(in, key); err == nil {
			take(key, NewSet(whole, v.Snapshot))
		}
	}
	return err
}

// readKeys reads the rows of keys that have up to so many, and returns the other keys.
func (v *View) readKeys(in Kind, keys []int64, most int, take func(key int64, k *Set)) (many []int64, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	s := v.Statement()
	from, key := s.Unnested(keys, "k")
	s.Most = most + 1
	sql := "select " + key + ", (select " + s.List("y.sid") + " from (" + in.rows(s, key, v.Before()) +
		fmt.Sprintf(" limit %d) y) from ", s.Most) + from
	err = v.Query(s, sql, func(scan func(...any) error) error {
		var key int64
		list := s.Listed()
		if err := scan(&key, list.Into()); err != nil {
			return err
		}
		numbers := make([]uint32, 0, list.Size())
		list.Each(func(sid int64) { numbers = append(numbers, uint32(sid-v.Origin())) })
		if len(numbers) > most {
			many = append(many, key)
		} else {
			take(key, NewSet(BitmapOf(numbers), v.Snapshot))
		}
		return nil
	})
	return many, err
}

// readMany reads the rows of a key in stretches of the main date, so that the memory it takes is bounded.
func (v *View) readMany(in Kind, key int64) (*roaring.Bitmap, error) {
	whole := roaring.New()
	if in.Table == VersionTable { // no order divides them: they come one by one
		s := v.Statement()
		err := v.Query(s, in.rows(s, s.Arg(key), v.Before()), func(scan func(...any) error) error {
			sid := int64(0)
			err := scan(&sid)
			whole.Add(uint32(sid - v.Origin()))
			return err
		})
		whole.RunOptimize()
		return whole, err
	}
	g := v.gather()
	defer g.end()
	for after, more := int64(math.MinInt64), true; more; {
		edge := int64(math.MaxInt64)
		more = false
		s := v.Statement()
		column := "t." + in.order()
		rows := s.Table(in.Table) + " t where t.key = " + s.Arg(key) + " and " + column + " > " + s.Arg(after)
		sql := "select " + column + " from " + rows + fmt.Sprintf(" order by %s limit 1 offset %d", column,
			v.Bounds().Rows)
		if err := v.Query(s, sql, func(scan func(...any) error) error { more = true; return scan(&edge) }); err != nil {
			return nil, err
		}
		s = v.Statement()
		numbers, err := v.ReadNumbers(s, "select "+s.List("(t.ref >> 2)")+" from "+s.Table(in.Table)+
			" t where t.key = "+s.Arg(key)+" and "+column+" > "+s.Arg(after)+" and "+column+" <= "+s.Arg(edge)+
			in.only(s, "t")+" and t.ref < "+s.Arg(v.Before()))
		if err != nil {
			return nil, err
		}
		whole.Or(BitmapOf(numbers))
		g.is(bitmapBytes(whole) + listedBytes*int64(len(numbers)))
		after = edge
	}
	whole.RunOptimize()
	return whole, nil
}

// extend brings the sets of keys up to the snapshot: of the versions after the first that one of them has not seen,
// those that have it.
func (v *View) extend(in Kind, keys []int64, sets map[int64]*Set, take func(key int64, k *Set)) error {
	if len(keys) == 0 {
		return nil
	}
	from := v.Snapshot
	for _, key := range keys {
		from = min(from, sets[key].UpTo)
	}
	more := make(map[int64][]uint32, len(keys))
	s := v.Statement()
	list, key := s.Unnested(keys, "k")
	sql := "select " + key + ", v.sid from " + s.Table("version") + " v cross join " + list + " where v.sid > " +
		s.Arg(from) + " and v.sid <= " + s.Arg(v.Snapshot) +
		" and " + in.has(s, key)
	err := v.Query(s, sql, func(scan func(...any) error) error {
		var key, sid int64
		err := scan(&key, &sid)
		more[key] = append(more[key], uint32(sid-v.Origin()))
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		has := sets[key].Has
		if len(more[key]) > 0 {
			has = has.Clone()
			has.AddMany(more[key])
		}
		take(key, NewSet(has, v.Snapshot))
	}
	return nil
}

// CountedSets are the sets of those keys that have up to so many rows, read and kept where they are not there; and
// the other keys.
func (v *View) CountedSets(in Kind, keys []int64, most int) (sets map[int64]*Set, many []int64, err error) {
	sets = v.SetsOf(in, keys)
	keys = slices.DeleteFunc(keys, func(key int64) bool { return sets[key] != nil })
	many, err = v.readKeys(in, keys, most, func(key int64, k *Set) {
		sets[key] = k
		v.keep(func(p *partition) { p.put(in.Name(key), k) })
	})
	return sets, many, err
}

// AskForSet has a set of versions read in the background that the caller knows how to find, up to as many as are held
// of a key: nil stands for more. The function, which takes so many bytes, is held no longer than until it has been
// called, or is known not to be.
func (v *View) AskForSet(name Name, bytes int64, read func(x *sql.At, most int) (*roaring.Bitmap, error)) {
	v.ask(one(wanted{wantedKeys, name}, bytes,
		func(v *View) (*Set, bool) {
			has, err := read(v.At, v.Bounds().Rows)
			if err != nil {
				return nil, false
			}
			if has == nil {
				k := NewSet(roaring.New(), v.Snapshot)
				k.Large = true
				return k, true
			}
			return NewSet(has, v.Snapshot), true
		},
		func(p *partition, k *Set) { p.put(name, k) }))
}
