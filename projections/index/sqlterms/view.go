package sqlterms

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// setView is what one read sees of the sets of a partition. A nil view knows nothing.
type setView struct {
	*sql.At
	part  *partitionSets
	epoch int // when it was opened: what it keeps is kept as long as this is the partition's
}

func (v *setView) bounds() *Bounds { return &v.part.owner.bounds }

// look asks the partition; a nil view is not asked.
func (v *setView) look(ask func(p *partitionSets)) {
	if v == nil {
		return
	}
	s := v.part.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	ask(v.part)
}

// keep holds what has been read, unless all has been forgotten meanwhile, and then makes room.
func (v *setView) keep(put func(p *partitionSets)) {
	v.look(func(p *partitionSets) {
		if p.epoch == v.epoch {
			put(p)
			p.owner.makeRoom(p)
		}
	})
}

// count tells how many rows some keys had when their sets were read; known is false when one of them is not there.
func (v *setView) count(names []setName) (count int, known bool) {
	v.look(func(p *partitionSets) {
		known = !slices.ContainsFunc(names, func(name setName) bool {
			k := p.keys[name]
			if k != nil {
				count += k.count
			}
			return k == nil
		})
	})
	return count, known
}

// superseded is what is known to be superseded, and up to which Sid; nil: nothing is known.
func (v *setView) superseded() (closed *roaring.Bitmap, upTo int64) {
	v.look(func(p *partitionSets) { closed, upTo = p.closed, p.upTo })
	return closed, upTo
}

// haveRanges tells whether some ranges are in memory.
func (v *setView) haveRanges(names []setName) (all bool) {
	v.look(func(p *partitionSets) {
		all = !slices.ContainsFunc(names, func(name setName) bool { return p.ranges[name] == nil })
	})
	return all
}

// roomForMains tells whether the main dates of all versions leave room for sets. Where they don't, each search would read again what the one before it has displaced: seconds at ten
// million versions, where walking takes a fraction of one.
func (v *setView) roomForMains() bool {
	return 4*(v.Snapshot-v.Origin()) <= int64(v.bounds().Memory)/4*3
}

// setsOf are those sets of keys that are there.
func (v *setView) setsOf(in rowKind, keys []int64) map[int64]*keySet {
	sets := make(map[int64]*keySet, len(keys))
	v.look(func(p *partitionSets) {
		now := p.owner.tick()
		for _, key := range keys {
			if k := p.keys[in.name(key)]; k != nil {
				k.last, sets[key] = now, k
			}
		}
	})
	return sets
}

// setOrAsk is the set with a name; nil: it is not there. Again tells whether a search has asked for it before.
func (v *setView) setOrAsk(name setName) (k *keySet, again bool) {
	v.look(func(p *partitionSets) {
		if k = p.keys[name]; k != nil {
			k.last = p.owner.tick()
		}
		again = v.again(name)
	})
	return k, again
}

// again tells whether a search has asked for something before, and notes that it has. The mutex is held.
func (v *setView) again(name setName) bool {
	p := v.part
	_, again := p.once.get(name)
	if !again && p.epoch == v.epoch {
		p.once.put(p, name, struct{}{})
	}
	return again
}

// typeRows is how many rows a type had when they were counted last.
func (v *setView) typeRows(ledger int64) (rows typeRows, counted bool) {
	v.look(func(p *partitionSets) { rows, counted = p.types.get(ledger) })
	return rows, counted
}

// noteTypeRows notes how many rows a type has.
func (v *setView) noteTypeRows(ledger int64, rows typeRows) {
	v.keep(func(p *partitionSets) { p.types.put(p, ledger, rows) })
}

// passed is up to which Sid it is known that the rows of a key that come first are superseded.
func (v *setView) passed(key int64) (upTo int64, known bool) {
	v.look(func(p *partitionSets) { upTo, known = p.passed.get(key) })
	return upTo, known
}

// notePassed notes that the rows of a key that come first are superseded.
func (v *setView) notePassed(key int64) {
	v.keep(func(p *partitionSets) { p.passed.put(p, key, v.Snapshot) })
}

// typeRows is how many rows of a type there were at a snapshot, counted up to a bound.
type typeRows struct {
	rows int
	more bool  // than the bound, which was the most that are not mostly superseded
	at   int64 // Sid
}

// prefetch has those of the sets of keys that are not in memory, and what is superseded, read in the background.
func (v *setView) prefetch(names []setName) {
	var tasks []task
	v.look(func(p *partitionSets) {
		if p.closed == nil {
			tasks = append(tasks, readClosed())
		}
		names = slices.DeleteFunc(names, func(name setName) bool { return p.keys[name] != nil })
	})
	keys := map[rowKind][]int64{}
	for _, name := range names {
		keys[name.rowKind] = append(keys[name.rowKind], name.key)
	}
	for in, list := range keys {
		tasks = append(tasks, readSets(in, list))
	}
	if len(tasks) > 0 {
		v.ask(tasks...)
	}
}

// currentOf are the versions of a type that are current at the snapshot, deletions among them; nil where they can't be had.
func (v *setView) currentOf(ledger int64) (*roaring.Bitmap, error) {
	name := rowKind{table: currentTable}.name(ledger)
	if k := v.setsOf(name.rowKind, []int64{ledger})[ledger]; k != nil && k.upTo == v.Snapshot {
		return k.has, nil
	}
	s, err := v.asOf(true)
	if s == nil || err != nil {
		return nil, err
	}
	all, err := s.having(rowKind{table: termTable}, []int64{ledger}, waitForIt)
	if all == nil || err != nil {
		return nil, err
	}
	found := all.Clone()
	s.leaveCurrent(found)
	if s.reopened == nil { // of the last snapshot that anybody knows
		v.keep(func(p *partitionSets) { p.put(name, newKeySet(found, v.Snapshot)) })
	}
	return found, nil
}
