package sqlterms

import (
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// snapshotSets are the sets of the query's partition as of its snapshot.
type snapshotSets struct {
	*search
	part     *partitionSets
	epoch    int             // what is read is kept unless all has been forgotten since
	without  *roaring.Bitmap // superseded by then
	reopened *roaring.Bitmap // of these, those that were current at the snapshot nevertheless; nil: none
}

// mayUseSets tells whether sets can tell of the snapshot: one that is not committed would end what they know where nothing is.
func (x *search) mayUseSets() bool {
	return x.Sets != nil && x.committed && x.snapshot >= x.origin() && x.snapshot-x.origin() < math.MaxUint32
}

// openSets returns the sets as of the snapshot, nil when they can't be had: when wait is false also where something would have to be read for long.
func (x *search) openSets(wait bool) (*snapshotSets, error) {
	if !x.mayUseSets() {
		return nil, nil
	}
	v := &snapshotSets{search: x, part: x.Sets.of(x.partition)}
	x.Sets.mu.Lock()
	closed, upTo := v.part.closed, v.part.upTo
	v.epoch = v.part.epoch
	x.Sets.mu.Unlock()
	if closed == nil || x.snapshot-upTo > int64(x.Bounds.Many) {
		r, err := v.read([]wanted{{form: closedVersions}}, wait)
		if r == nil || err != nil || r[0].closed == nil {
			return nil, err
		}
		closed, upTo = r[0].closed, r[0].upTo
	}
	switch {
	case x.snapshot-upTo > int64(x.Bounds.Many), upTo-x.snapshot > int64(x.Bounds.Behind):
		return nil, nil
	case upTo < x.snapshot:
		later, mains, err := x.readLater(closed, upTo)
		if later == nil || err != nil {
			return nil, err
		}
		v.part.keep(v.epoch, func() {
			v.part.putClosed(later, x.snapshot)
			v.part.putMains(upTo, mains)
		})
		closed = later
	case upTo > x.snapshot:
		var err error
		if v.reopened, err = x.readReopened(upTo); err != nil {
			return nil, err
		}
	}
	v.without = closed
	return v, nil
}

// read has something read in the background and waits for it, if wait says so; nil where it does not wait, or too many others do.
func (v *snapshotSets) read(list []wanted, wait bool) ([]*reading, error) {
	asked := v.part.ask(v.epoch, v.Dialect, list)
	if asked == nil || !wait {
		return nil, nil
	}
	found := make([]*reading, len(list))
	for i, w := range list {
		select {
		case <-asked[w].done:
			found[i] = asked[w]
		case <-v.ctx.Done():
			return nil, v.ctx.Err()
		}
	}
	return found, nil
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
func (v *snapshotSets) having(in keyed, keys []int64, p patience) (*roaring.Bitmap, error) {
	union := setName{}
	if len(keys) > 1 {
		union = in.union(keys)
		if u := v.part.setsOf(union.in(), []int64{union.key})[union.key]; u != nil && u.upTo >= v.snapshot {
			return u.has, nil
		}
	}
	sets := v.part.setsOf(in, keys)
	var missing, stale []int64
	rows := 0
	for _, key := range keys {
		switch k := sets[key]; {
		case k == nil || v.snapshot-k.upTo > int64(v.Bounds.Behind):
			missing = append(missing, key)
		case k.upTo < v.snapshot:
			stale = append(stale, key)
			rows += min(k.count, anewPerVersion*int(v.snapshot-k.upTo))
		}
	}
	if !v.soon(rows) {
		missing, stale = append(missing, stale...), nil
	}
	if len(missing) > 0 && p != readFew {
		found, err := v.read(wantedKeys(in, missing), p == waitForIt)
		if found == nil || err != nil {
			return nil, err
		}
		for i, key := range missing {
			k := found[i].key
			if k == nil || v.snapshot-k.upTo > int64(v.Bounds.Many) {
				return nil, nil
			}
			if sets[key] = k; k.upTo < v.snapshot {
				stale = append(stale, key)
			}
		}
	} else {
		stale = append(stale, missing...)
	}
	if len(stale) > 0 {
		err := v.freshKeys(in, stale, sets, func(key int64, k *keySet) {
			sets[key] = k
			v.part.keep(v.epoch, func() { v.part.put(in.name(key), k) })
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
	all := newKeySet(roaring.FastOr(bitmaps...), v.snapshot)
	v.part.keep(v.epoch, func() { v.part.put(union, all) })
	return all.has, nil
}

// all tells whether all sets are in memory, and not far behind.
func (v *snapshotSets) all(in keyed, keys []int64) bool {
	sets := v.part.setsOf(in, keys)
	return !slices.ContainsFunc(keys, func(key int64) bool { return sets[key] == nil || v.snapshot-sets[key].upTo > int64(v.Bounds.Behind) })
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

// missingMains are the blocks of some versions' main dates that are not in memory.
func (v *snapshotSets) missingMains(sids *roaring.Bitmap) []wanted {
	var missing []wanted
	v.Sets.mu.Lock()
	defer v.Sets.mu.Unlock()
	for _, number := range needed(sids) {
		if v.part.mains[number] == nil {
			missing = append(missing, wanted{form: mainDates, block: number})
		}
	}
	return missing
}

// mainsOf returns the main dates of some versions; nil when they can't be had, or are not there and wait is false.
func (v *snapshotSets) mainsOf(sids *roaring.Bitmap, wait bool) (mainBlocks, error) {
	numbers := needed(sids)
	blocks := make(mainBlocks, int64(sids.Maximum())/blockSids+1)
	missing := []wanted{}
	v.Sets.mu.Lock()
	now := v.Sets.tick()
	for _, number := range numbers {
		if b := v.part.mains[number]; b != nil {
			b.last, blocks[number] = now, b
		} else {
			missing = append(missing, wanted{form: mainDates, block: number})
		}
	}
	v.Sets.mu.Unlock()
	if len(missing) > 0 {
		found, err := v.read(missing, wait)
		if found == nil || err != nil {
			return nil, err
		}
		for i, w := range missing {
			if blocks[w.block] = found[i].block; blocks[w.block] == nil {
				return nil, nil
			}
		}
	}
	for _, number := range numbers {
		b := blocks[number]
		whole := min(blockSids, v.snapshot-v.origin()+1-number*blockSids)
		if int64(b.len()) >= whole {
			continue
		}
		mains, err := v.readMains(number, int64(b.len()))
		if mains == nil || err != nil {
			return nil, err
		}
		blocks[number] = b.with(mains)
		v.part.keep(v.epoch, func() { v.part.putBlock(number, blocks[number]) })
	}
	return blocks, nil
}
