package sets

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// View is what one read sees of the sets of a partition. A nil view knows nothing.
type View struct {
	*sql.At
	part  *partition
	epoch int // when it was opened: what it keeps is kept as long as this is the partition's
}

func (v *View) Bounds() *Bounds { return &v.part.owner.bounds }

// look asks the partition; a nil view is not asked.
func (v *View) look(ask func(p *partition)) {
	if v == nil {
		return
	}
	s := v.part.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	ask(v.part)
}

// keep holds what has been read, unless all has been forgotten meanwhile, and then makes room.
func (v *View) keep(put func(p *partition)) {
	v.look(func(p *partition) {
		if p.epoch == v.epoch {
			put(p)
			p.owner.makeRoom(p)
		}
	})
}

// Count tells how many rows some keys had when their sets were read; known is false when one of them is not there.
func (v *View) Count(names []Name) (count int, known bool) {
	v.look(func(p *partition) {
		known = !slices.ContainsFunc(names, func(name Name) bool {
			k := p.keys[name]
			if k != nil {
				count += k.Count
			}
			return k == nil
		})
	})
	return count, known
}

// Superseded is what is known to be superseded, and up to which Sid; nil: nothing is known.
func (v *View) Superseded() (closed *roaring.Bitmap, upTo int64) {
	v.look(func(p *partition) { closed, upTo = p.closed, p.upTo })
	return closed, upTo
}

// HaveRanges tells whether some ranges are in memory.
func (v *View) HaveRanges(names []Name) (all bool) {
	v.look(func(p *partition) {
		all = !slices.ContainsFunc(names, func(name Name) bool { return p.ranges[name] == nil })
	})
	return all
}

// RoomForMains tells whether the main dates of all versions leave room for sets. Where they don't, each search would
// read again what the one before it has displaced: seconds at ten million versions, where walking takes a fraction of
// one.
func (v *View) RoomForMains() bool {
	return 4*(v.Snapshot-v.Origin()) <= int64(v.Bounds().Memory)/4*3
}

// SetsOf are those sets of keys that are there.
func (v *View) SetsOf(in Kind, keys []int64) map[int64]*Set {
	sets := make(map[int64]*Set, len(keys))
	v.look(func(p *partition) {
		now := p.owner.tick()
		for _, key := range keys {
			if k := p.keys[in.Name(key)]; k != nil {
				k.last, sets[key] = now, k
			}
		}
	})
	return sets
}

// SetOrAsk is the set with a name; nil: it is not there. Again tells whether a search has asked for it before.
func (v *View) SetOrAsk(name Name) (k *Set, again bool) {
	v.look(func(p *partition) {
		if k = p.keys[name]; k != nil {
			k.last = p.owner.tick()
		}
		again = v.again(name)
	})
	return k, again
}

// again tells whether a search has asked for something before, and notes that it has. The mutex is held.
func (v *View) again(name Name) bool {
	p := v.part
	_, again := p.once.get(name)
	if !again && p.epoch == v.epoch {
		p.once.put(p, name, struct{}{})
	}
	return again
}

// TypeRows is how many rows a type had when they were counted last.
func (v *View) TypeRows(ledger int64) (rows TypeRows, counted bool) {
	v.look(func(p *partition) { rows, counted = p.types.get(ledger) })
	return rows, counted
}

// NoteTypeRows notes how many rows a type has.
func (v *View) NoteTypeRows(ledger int64, rows TypeRows) {
	v.keep(func(p *partition) { p.types.put(p, ledger, rows) })
}

// Passed is up to which Sid it is known that the rows of a key that come first are superseded.
func (v *View) Passed(key int64) (upTo int64, known bool) {
	v.look(func(p *partition) { upTo, known = p.passed.get(key) })
	return upTo, known
}

// NotePassed notes that the rows of a key that come first are superseded.
func (v *View) NotePassed(key int64) {
	v.keep(func(p *partition) { p.passed.put(p, key, v.Snapshot) })
}

// TypeRows is how many rows of a type there were at a snapshot, counted up to a bound.
type TypeRows struct {
	Rows int
	More bool  // than the bound, which was the most that are not mostly superseded
	At   int64 // Sid
}

// Prefetch has those of the sets of keys that are not in memory, and what is superseded, read in the background.
func (v *View) Prefetch(names []Name) {
	var tasks []task
	v.look(func(p *partition) {
		if p.closed == nil {
			tasks = append(tasks, readClosed())
		}
		names = slices.DeleteFunc(names, func(name Name) bool { return p.keys[name] != nil })
	})
	keys := map[Kind][]int64{}
	for _, name := range names {
		keys[name.Kind] = append(keys[name.Kind], name.key)
	}
	for in, list := range keys {
		tasks = append(tasks, readSets(in, list))
	}
	if len(tasks) > 0 {
		v.ask(tasks...)
	}
}

// CurrentOf are the versions of a type that are current at the snapshot, deletions among them; nil where they can't
// be had.
func (v *View) CurrentOf(ledger int64) (*roaring.Bitmap, error) {
	name := Kind{Table: currentTable}.Name(ledger)
	if k := v.SetsOf(name.Kind, []int64{ledger})[ledger]; k != nil && k.UpTo == v.Snapshot {
		return k.Has, nil
	}
	s, err := v.AsOf(true)
	if s == nil || err != nil {
		return nil, err
	}
	all, err := s.Having(Kind{Table: TermTable}, []int64{ledger}, Wait)
	if all == nil || err != nil {
		return nil, err
	}
	found := all.Clone()
	s.LeaveCurrent(found)
	if s.reopened == nil { // of the last snapshot that anybody knows
		v.keep(func(p *partition) { p.put(name, NewSet(found, v.Snapshot)) })
	}
	return found, nil
}
