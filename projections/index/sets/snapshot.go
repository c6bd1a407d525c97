package sets

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Snapshot are the sets of a partition as of a snapshot, for which it is known what was superseded by then.
type Snapshot struct {
	*View
	Without  *roaring.Bitmap // superseded by then
	reopened *roaring.Bitmap // of these, those that were current at the snapshot nevertheless; nil: none
}

// AsOf returns the sets as of the snapshot, nil when they can't be had: when wait is false also where something would
// have to be read for long.
func (v *View) AsOf(wait bool) (*Snapshot, error) {
	if v == nil {
		return nil, nil
	}
	most, behind := int64(v.Bounds().Many), int64(v.Bounds().Behind)
	closed, upTo := v.Superseded()
	if closed == nil || v.Snapshot-upTo > most {
		t := readClosed()
		asked, err := v.wait(wait, t)
		if asked == nil || err != nil {
			return nil, err
		}
		known, there := asked[t.wanted[0]].value.(closedUpTo)
		if !there {
			return nil, nil
		}
		closed, upTo = known.closed, known.upTo
	}
	found := &Snapshot{View: v, Without: closed}
	switch {
	case v.Snapshot-upTo > most, upTo-v.Snapshot > behind:
		return nil, nil
	case upTo < v.Snapshot:
		later, mains, err := v.readLater(closed, upTo)
		if later == nil || err != nil {
			return nil, err
		}
		v.keep(func(p *partition) {
			p.putClosed(later, v.Snapshot)
			p.putMains(upTo, mains)
		})
		found.Without = later
	case upTo > v.Snapshot:
		var err error
		if found.reopened, err = v.readReopened(upTo); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// IsCurrent tells whether a version, which a set has, is current at the snapshot; it may be a deletion.
func (v *Snapshot) IsCurrent(bits uint32) bool {
	superseded := v.Without.Contains(bits) && (v.reopened == nil || !v.reopened.Contains(bits))
	return !superseded && int64(bits) <= v.Snapshot-v.Origin()
}

// LeaveCurrent leaves of versions those that are current at the snapshot; deletions may be among them.
func (v *Snapshot) LeaveCurrent(found *roaring.Bitmap) {
	if v.reopened != nil {
		back := roaring.And(found, v.reopened)
		found.AndNot(v.Without)
		found.Or(back)
	} else {
		found.AndNot(v.Without)
	}
	found.RemoveRange(uint64(v.Snapshot-v.Origin())+1, 1<<32)
}

// Patience is how long a search waits for sets.
type Patience uint8

const (
	GoOn    Patience = iota // it has what is missing read in the background and goes on without
	ReadFew                 // it reads what is missing itself: few rows
	Wait                    // it waits for the background
)

// Having returns the versions that have a row with one of the keys, all there are up to the snapshot at least. Sets
// that are not far behind are brought up. It is nil where sets can't be had, or are missing and nobody waits for them.
func (v *Snapshot) Having(in Kind, keys []int64, p Patience) (*roaring.Bitmap, error) {
	union := Name{}
	if len(keys) > 1 {
		union = in.union(keys)
		if u := v.SetsOf(union.Kind, []int64{union.key})[union.key]; u != nil && u.UpTo >= v.Snapshot {
			return u.Has, nil
		}
	}
	sets := v.SetsOf(in, keys)
	stale, had, err := v.await(in, keys, sets, p)
	if !had || err != nil {
		return nil, err
	}
	if len(stale) > 0 {
		err := v.freshKeys(in, stale, sets, func(key int64, k *Set) {
			sets[key] = k
			v.keep(func(p *partition) { p.put(in.Name(key), k) })
		})
		if err != nil {
			return nil, err
		}
	}
	if len(keys) == 1 {
		return sets[keys[0]].Has, nil
	}
	bitmaps := make([]*roaring.Bitmap, len(keys))
	for i, key := range keys {
		bitmaps[i] = sets[key].Has
	}
	all := NewSet(roaring.FastOr(bitmaps...), v.Snapshot)
	v.keep(func(p *partition) { p.put(union, all) })
	return all.Has, nil
}

// await waits, as far as the search does, for sets that the background reads, and adds them to sets. It returns the
// keys whose sets the search has to bring up or read itself. had is false where other sets are still missing.
func (v *Snapshot) await(in Kind, keys []int64, sets map[int64]*Set, p Patience) (stale []int64, had bool, err error) {
	var missing []int64
	rows, behind := 0, int64(v.Bounds().Behind)
	for _, key := range keys {
		switch k := sets[key]; {
		case k == nil || v.Snapshot-k.UpTo > behind:
			missing = append(missing, key)
		case k.UpTo < v.Snapshot:
			stale = append(stale, key)
			rows += min(k.Count, anewPerVersion*int(v.Snapshot-k.UpTo))
		}
	}
	if !v.Soon(rows) {
		missing, stale = append(missing, stale...), nil
	}
	if len(missing) == 0 || p == ReadFew {
		return append(stale, missing...), true, nil
	}
	t := readSets(in, missing)
	asked, err := v.wait(p == Wait, t)
	if asked == nil || err != nil {
		return nil, false, err
	}
	for i, key := range missing {
		k, there := asked[t.wanted[i]].value.(*Set)
		if !there || v.Snapshot-k.UpTo > int64(v.Bounds().Many) {
			return nil, false, nil
		}
		if sets[key] = k; k.UpTo < v.Snapshot {
			stale = append(stale, key)
		}
	}
	return stale, true, nil
}

// All tells whether all sets are in memory, and not far behind.
func (v *Snapshot) All(in Kind, keys []int64) bool {
	sets, behind := v.SetsOf(in, keys), int64(v.Bounds().Behind)
	return !slices.ContainsFunc(keys, func(key int64) bool {
		return sets[key] == nil ||
			v.Snapshot-sets[key].UpTo > behind
	})
}

// MissingMains is how many blocks of some versions' main dates are not in memory.
func (v *Snapshot) MissingMains(sids *roaring.Bitmap) (missing int) {
	v.look(func(p *partition) {
		for _, number := range needed(sids) {
			if p.mains[number] == nil {
				missing++
			}
		}
	})
	return missing
}

// MainsOf returns the main dates of some versions; nil when they can't be had, or are not there and wait is false.
func (v *Snapshot) MainsOf(sids *roaring.Bitmap, wait bool) (Mains, error) {
	numbers := needed(sids)
	blocks := make(Mains, int64(sids.Maximum())/BlockSids+1)
	var missing []task
	v.look(func(p *partition) {
		now := p.owner.tick()
		for _, number := range numbers {
			if b := p.mains[number]; b != nil {
				b.last, blocks[number] = now, b
			} else {
				missing = append(missing, readMainBlock(number))
			}
		}
	})
	if len(missing) > 0 {
		asked, err := v.wait(wait, missing...)
		if asked == nil || err != nil {
			return nil, err
		}
		for w, r := range asked {
			block, there := r.value.(*Block)
			if !there {
				return nil, nil
			}
			blocks[w.name.key] = block
		}
	}
	for _, number := range numbers {
		b := blocks[number]
		whole := min(BlockSids, v.Snapshot-v.Origin()+1-number*BlockSids)
		if int64(b.len()) >= whole {
			continue
		}
		mains, err := v.readMains(number, int64(b.len()))
		if mains == nil || err != nil {
			return nil, err
		}
		blocks[number] = b.with(mains)
		v.keep(func(p *partition) { p.putBlock(number, blocks[number]) })
	}
	return blocks, nil
}

// needed are the numbers of the blocks that some versions' main dates lie in.
func needed(sids *roaring.Bitmap) []int64 {
	var numbers []int64
	for i := sids.Iterator(); i.HasNext(); {
		number := int64(i.Next()) / BlockSids
		numbers = append(numbers, number)
		i.AdvanceIfNeeded(uint32(min((number+1)*BlockSids, math.MaxUint32)))
	}
	return numbers
}
