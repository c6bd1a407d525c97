package sqlterms

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// snapshotSets are the sets of a partition as of a snapshot, for which it is known what was superseded by then.
type snapshotSets struct {
	*setView
	without  *roaring.Bitmap // superseded by then
	reopened *roaring.Bitmap // of these, those that were current at the snapshot nevertheless; nil: none
}

// asOf returns the sets as of the snapshot, nil when they can't be had: when wait is false also where something would have to be read for long.
func (v *setView) asOf(wait bool) (*snapshotSets, error) {
	if v == nil {
		return nil, nil
	}
	most, behind := int64(v.bounds().Many), int64(v.bounds().Behind)
	closed, upTo := v.superseded()
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
	found := &snapshotSets{setView: v, without: closed}
	switch {
	case v.Snapshot-upTo > most, upTo-v.Snapshot > behind:
		return nil, nil
	case upTo < v.Snapshot:
		later, mains, err := v.readLater(closed, upTo)
		if later == nil || err != nil {
			return nil, err
		}
		v.keep(func(p *partitionSets) {
			p.putClosed(later, v.Snapshot)
			p.putMains(upTo, mains)
		})
		found.without = later
	case upTo > v.Snapshot:
		var err error
		if found.reopened, err = v.readReopened(upTo); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// isCurrent tells whether a version, which a set has, is current at the snapshot; it may be a deletion.
func (v *snapshotSets) isCurrent(bits uint32) bool {
	superseded := v.without.Contains(bits) && (v.reopened == nil || !v.reopened.Contains(bits))
	return !superseded && int64(bits) <= v.Snapshot-v.Origin()
}

// leaveCurrent leaves of versions those that are current at the snapshot; deletions may be among them.
func (v *snapshotSets) leaveCurrent(found *roaring.Bitmap) {
	if v.reopened != nil {
		back := roaring.And(found, v.reopened)
		found.AndNot(v.without)
		found.Or(back)
	} else {
		found.AndNot(v.without)
	}
	found.RemoveRange(uint64(v.Snapshot-v.Origin())+1, 1<<32)
}

// patience is how long a search waits for sets.
type patience uint8

const (
	goOn      patience = iota // it has what is missing read in the background and goes on without
	readFew                   // it reads what is missing itself: few rows
	waitForIt                 // it waits for the background
)

// having returns the versions that have a row with one of the keys in a table, all there are up to the snapshot at least; nil where they can't be had, or are
// not there and nobody waits for them. What is not far behind is brought up.
func (v *snapshotSets) having(in rowKind, keys []int64, p patience) (*roaring.Bitmap, error) {
	union := setName{}
	if len(keys) > 1 {
		union = in.union(keys)
		if u := v.setsOf(union.rowKind, []int64{union.key})[union.key]; u != nil && u.upTo >= v.Snapshot {
			return u.has, nil
		}
	}
	sets := v.setsOf(in, keys)
	stale, had, err := v.await(in, keys, sets, p)
	if !had || err != nil {
		return nil, err
	}
	if len(stale) > 0 {
		err := v.freshKeys(in, stale, sets, func(key int64, k *keySet) {
			sets[key] = k
			v.keep(func(p *partitionSets) { p.put(in.name(key), k) })
		})
		if err != nil {
			return nil, err
		}
	}
	if len(keys) == 1 {
		return sets[keys[0]].has, nil
	}
	bitmaps := make([]*roaring.Bitmap, len(keys))
	for i, key := range keys {
		bitmaps[i] = sets[key].has
	}
	all := newKeySet(roaring.FastOr(bitmaps...), v.Snapshot)
	v.keep(func(p *partitionSets) { p.put(union, all) })
	return all.has, nil
}

// await adds to sets those of keys that the background reads, as far as the search waits for it. It returns the keys whose sets the search brings up or reads itself; had is false where
// sets are missing that it neither reads nor waits for.
func (v *snapshotSets) await(in rowKind, keys []int64, sets map[int64]*keySet, p patience) (stale []int64, had bool, err error) {
	var missing []int64
	rows, behind := 0, int64(v.bounds().Behind)
	for _, key := range keys {
		switch k := sets[key]; {
		case k == nil || v.Snapshot-k.upTo > behind:
			missing = append(missing, key)
		case k.upTo < v.Snapshot:
			stale = append(stale, key)
			rows += min(k.count, anewPerVersion*int(v.Snapshot-k.upTo))
		}
	}
	if !v.soon(rows) {
		missing, stale = append(missing, stale...), nil
	}
	if len(missing) == 0 || p == readFew {
		return append(stale, missing...), true, nil
	}
	t := readSets(in, missing)
	asked, err := v.wait(p == waitForIt, t)
	if asked == nil || err != nil {
		return nil, false, err
	}
	for i, key := range missing {
		k, there := asked[t.wanted[i]].value.(*keySet)
		if !there || v.Snapshot-k.upTo > int64(v.bounds().Many) {
			return nil, false, nil
		}
		if sets[key] = k; k.upTo < v.Snapshot {
			stale = append(stale, key)
		}
	}
	return stale, true, nil
}

// all tells whether all sets are in memory, and not far behind.
func (v *snapshotSets) all(in rowKind, keys []int64) bool {
	sets, behind := v.setsOf(in, keys), int64(v.bounds().Behind)
	return !slices.ContainsFunc(keys, func(key int64) bool { return sets[key] == nil || v.Snapshot-sets[key].upTo > behind })
}

// missingMains is how many blocks of some versions' main dates are not in memory.
func (v *snapshotSets) missingMains(sids *roaring.Bitmap) (missing int) {
	v.look(func(p *partitionSets) {
		for _, number := range needed(sids) {
			if p.mains[number] == nil {
				missing++
			}
		}
	})
	return missing
}

// mainsOf returns the main dates of some versions; nil when they can't be had, or are not there and wait is false.
func (v *snapshotSets) mainsOf(sids *roaring.Bitmap, wait bool) (mainBlocks, error) {
	numbers := needed(sids)
	blocks := make(mainBlocks, int64(sids.Maximum())/blockSids+1)
	var missing []task
	v.look(func(p *partitionSets) {
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
			block, there := r.value.(*mainBlock)
			if !there {
				return nil, nil
			}
			blocks[w.name.key] = block
		}
	}
	for _, number := range numbers {
		b := blocks[number]
		whole := min(blockSids, v.Snapshot-v.Origin()+1-number*blockSids)
		if int64(b.len()) >= whole {
			continue
		}
		mains, err := v.readMains(number, int64(b.len()))
		if mains == nil || err != nil {
			return nil, err
		}
		blocks[number] = b.with(mains)
		v.keep(func(p *partitionSets) { p.putBlock(number, blocks[number]) })
	}
	return blocks, nil
}

// needed are the numbers of the blocks that some versions' main dates lie in.
func needed(sids *roaring.Bitmap) []int64 {
	var numbers []int64
	for i := sids.Iterator(); i.HasNext(); {
		number := int64(i.Next()) / blockSids
		numbers = append(numbers, number)
		i.AdvanceIfNeeded(uint32(min((number+1)*blockSids, math.MaxUint32)))
	}
	return numbers
}
