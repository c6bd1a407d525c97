package sqlterms

import (
	"context"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
)

// Sets keeps in memory, shared by the searches of a generation, what makes common values cheap to combine: of keys of the term table the
// versions that have them, as compressed bitmaps; which versions are superseded; the main dates of versions; and the rows of ranges. They are as
// exact as the tables: rows are only ever inserted, with ascending Sids, so what is known up to a Sid is brought up to a later one by looking at
// the versions between alone. What is used least goes first when the memory is used up.
//
// What is missing is read in the background, one thing after the other, while searches go on; a search that cannot do without waits for the
// reading of that very thing, others for the same reading (reading.go). Bitmaps, blocks and ranges are replaced, never changed, so that they can
// be used without holding anything. A nil *Sets knows nothing. It is safe for concurrent use.
type Sets struct {
	db     DB // of the background
	bounds Bounds
	bound  int64 // bytes

	mu         sync.Mutex // held for moments, never while something is read
	clock      int64      // counts what is used, so that what was used longest ago is known
	partitions map[int64]*partitionSets
	used       int64 // bytes of these partitions
	queue      []job
	cancel     context.CancelFunc // of the reading that is under way
	working    chan struct{}      // closed when the reader ends; nil: there is none
	closed     bool
}

// NewSets returns Sets that know nothing yet and hold as many bytes as the bounds say. They read with statements of their own, one at a time, on db: searches that
// wait for them may hold every connection of another pool. Close ends that.
func NewSets(db DB, bounds Bounds) *Sets {
	return &Sets{db: db, bounds: bounds, bound: int64(bounds.Memory), partitions: map[int64]*partitionSets{}}
}

// Forget drops everything: the tables may be others now. What is being read is not kept.
func (s *Sets) Forget() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions { // searches that are under way end with what they have
		p.reset()
	}
	s.partitions = map[int64]*partitionSets{}
}

// holds tells whether the main dates of so many versions leave room for sets. Where they don't, each search would read again what the one before it
// has displaced: seconds at ten million versions, where walking takes a fraction of one.
func (s *Sets) holds(versions int64) bool { return 4*versions <= s.bound/4*3 }

// count tells how many rows some keys had when their sets were read; known is false when one of them is not there.
func (s *Sets) count(partition int64, names []setName) (count int, known bool) {
	known = s.look(partition, func(p *partitionSets) bool {
		return !slices.ContainsFunc(names, func(name setName) bool {
			k := p.keys[name]
			if k != nil {
				count += k.count
			}
			return k == nil
		})
	})
	return count, known
}

// begun tells whether it is known of a partition what is superseded.
func (s *Sets) begun(partition int64) bool {
	return s.look(partition, func(p *partitionSets) bool { return p.closed != nil })
}

// haveRanges tells whether some ranges are in memory.
func (s *Sets) haveRanges(partition int64, names []setName) bool {
	return s.look(partition, func(p *partitionSets) bool {
		return !slices.ContainsFunc(names, func(name setName) bool { return p.ranges[name] == nil })
	})
}

// again tells whether a search has asked for something before.
func (p *partitionSets) again(name setName) bool {
	_, again := p.once[name]
	if !again {
		if len(p.once) >= askedOnce {
			clear(p.once)
		}
		p.once[name] = struct{}{}
	}
	return again
}

// look asks a partition; false when nothing is known of it.
func (s *Sets) look(partition int64, ask func(*partitionSets) bool) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[partition]
	return p != nil && ask(p)
}

// of returns the sets of a partition.
func (s *Sets) of(partition int64) *partitionSets {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[partition]
	if p == nil {
		p = &partitionSets{owner: s, first: partition << projections.SidBits, keys: map[setName]*keySet{}, ranges: map[setName]*rangeSet{}, mains: map[int64]*mainBlock{}, words: map[int64]*wordSet{},
			once: map[setName]struct{}{}, types: map[int64]typeRows{}, passed: map[int64]int64{}, readings: map[wanted]*reading{}, follows: map[setName]heldFollow{}}
		s.partitions[partition] = p
	}
	p.last = s.tick()
	return p
}

// tick is now, by the clock.
func (s *Sets) tick() int64 {
	s.clock++
	return s.clock
}

// resetOther forgets all of the partition that was used longest ago, besides one. It tells whether there was one.
func (s *Sets) resetOther(but *partitionSets) bool {
	var oldest *partitionSets
	for _, p := range s.partitions {
		if p != but && p.used > 0 && (oldest == nil || p.last < oldest.last) {
			oldest = p
		}
	}
	if oldest != nil {
		oldest.reset()
	}
	return oldest != nil
}

// partitionSets are the sets of one partition. Its owner's mutex guards it.
type partitionSets struct {
	owner    *Sets
	epoch    int             // counts how often all was forgotten: what was begun to be read before is not kept
	last     int64           // when it was used, by the clock
	first    int64           // what Sids are counted from: bitmaps hold the difference
	upTo     int64           // Sid up to which closed is known
	closed   *roaring.Bitmap // what is superseded; nil: not known
	keys     map[setName]*keySet
	ranges   map[setName]*rangeSet
	mains    map[int64]*mainBlock   // by the number of the block
	words    map[int64]*wordSet     // by text key
	once     map[setName]struct{}   // ranges, and what clauses find that follow references, that a search has asked for
	types    map[int64]typeRows     // by ledger
	passed   map[int64]int64        // by key: Sid up to which its rows that come first were seen to be superseded
	readings map[wanted]*reading    // under way, or waiting for their turn
	follows  map[setName]heldFollow // clauses whose sets are waiting for their turn
	used     int64                  // bytes of keys, ranges and mains
}

// setName says what rows the versions of a set have.
type setName struct {
	table  string
	key    int64
	high   int64 // with isHigh
	isHigh bool
}

// keySet are the versions that have a key, superseded ones too.
type keySet struct {
	has   *roaring.Bitmap
	count int
	large bool  // of a clause that follows references: there are more than are held
	upTo  int64 // Sid
	bytes int64
	last  int64 // when it was used, by the clock
}

func newKeySet(has *roaring.Bitmap, upTo int64) *keySet {
	return &keySet{has: has, count: int(has.GetCardinality()), upTo: upTo, bytes: int64(has.GetSizeInBytes()) + 200}
}

// setsOf are those sets of keys that are there.
func (p *partitionSets) setsOf(in keyed, keys []int64) map[int64]*keySet {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	sets := make(map[int64]*keySet, len(keys))
	now := p.owner.tick()
	for _, key := range keys {
		if k := p.keys[in.name(key)]; k != nil {
			k.last, sets[key] = now, k
		}
	}
	return sets
}

// rangeOf are the rows of ranges that are there; nil: none.
func (p *partitionSets) rangeOf(name setName) *rangeSet {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	return p.ranges[name]
}

// use counts bytes that are used from now on, and with a negative number bytes that aren't any more.
func (p *partitionSets) use(bytes int64) {
	p.used += bytes
	p.owner.used += bytes
}

// keep holds what has been read since an epoch, but for what has been forgotten meanwhile, and then makes room.
func (p *partitionSets) keep(epoch int, put func()) {
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	if p.epoch == epoch {
		put()
		p.trim()
	}
}

// putClosed holds what is superseded up to a Sid, unless more is known.
func (p *partitionSets) putClosed(closed *roaring.Bitmap, upTo int64) {
	if p.closed == nil || p.upTo < upTo {
		p.closed, p.upTo = closed, upTo
	}
}

// put holds a set, unless a later one is there.
func (p *partitionSets) put(name setName, k *keySet) {
	if there := p.keys[name]; there != nil && there.upTo > k.upTo {
		return
	}
	p.dropKey(name)
	k.last = p.owner.tick()
	p.keys[name] = k
	p.use(k.bytes)
}

// putRange holds the rows of ranges, unless later ones are there.
func (p *partitionSets) putRange(name setName, r *rangeSet) {
	if there := p.ranges[name]; there != nil && there.upTo > r.upTo {
		return
	}
	p.dropRange(name)
	r.last = p.owner.tick()
	p.ranges[name] = r
	p.use(r.bytes())
}

// putRanges holds rows of ranges, unless later ones are there.
func (p *partitionSets) putRanges(found map[setName]*rangeSet) {
	for name, r := range found {
		p.putRange(name, r)
	}
}

// putBlock holds main dates, unless more of them are there.
func (p *partitionSets) putBlock(number int64, b *mainBlock) {
	if there := p.mains[number]; there != nil && there.len() > b.len() {
		return
	}
	p.dropBlock(number)
	b.last = p.owner.tick()
	p.mains[number] = b
	p.use(b.bytes())
}

// putMains adds to the blocks that end there the main dates of the versions after one.
func (p *partitionSets) putMains(after int64, mains []int64) {
	for next := after + 1 - p.first; len(mains) > 0; {
		number, at := next/blockSids, next%blockSids
		more := mains[:min(int64(len(mains)), blockSids-at)]
		if b := p.mains[number]; b != nil && int64(b.len()) >= at && int64(b.len()) < at+int64(len(more)) {
			p.putBlock(number, b.with(more[int64(b.len())-at:]))
		}
		next, mains = next+int64(len(more)), mains[len(more):]
	}
}

// putWords holds strings, and counts what they have grown by.
func (p *partitionSets) putWords(key int64, w *wordSet) {
	if p.words[key] != w {
		p.dropWords(key)
		w.last = p.owner.tick()
		p.words[key] = w
	}
	bytes := w.bytes()
	p.use(bytes - w.counted)
	w.counted = bytes
}

func (p *partitionSets) dropWords(key int64) {
	if w := p.words[key]; w != nil {
		p.use(-w.counted)
		w.counted = 0
		delete(p.words, key)
	}
}

func (p *partitionSets) dropKey(name setName) {
	if k := p.keys[name]; k != nil {
		p.use(-k.bytes)
		delete(p.keys, name)
	}
}

func (p *partitionSets) dropRange(name setName) {
	if r := p.ranges[name]; r != nil {
		p.use(-r.bytes())
		delete(p.ranges, name)
	}
}

func (p *partitionSets) dropBlock(number int64) {
	if b := p.mains[number]; b != nil {
		p.use(-b.bytes())
		delete(p.mains, number)
	}
}

// reset forgets all but the partition itself.
func (p *partitionSets) reset() {
	p.epoch++
	p.use(-p.used)
	p.closed, p.upTo = nil, 0
	clear(p.keys)
	clear(p.ranges)
	clear(p.mains)
	for _, w := range p.words {
		w.counted = 0
	}
	clear(p.words)
	clear(p.types)
	clear(p.passed)
	clear(p.readings)
	clear(p.follows)
}

// trim drops what has not been used for the longest time until the rest fits the bound: other partitions first, then of this one.
func (p *partitionSets) trim() {
	for p.owner.used > p.owner.bound && p.used > 0 {
		if !p.owner.resetOther(p) {
			p.dropOldest()
		}
	}
}

// dropOldest drops the quarter that was used longest ago; as much at once, so that it is seldom.
func (p *partitionSets) dropOldest() {
	var ages []int64
	for _, k := range p.keys {
		ages = append(ages, k.last)
	}
	for _, b := range p.mains {
		ages = append(ages, b.last)
	}
	for _, r := range p.ranges {
		ages = append(ages, r.last)
	}
	for _, w := range p.words {
		ages = append(ages, w.last)
	}
	slices.Sort(ages)
	oldest := ages[len(ages)/4]
	for name, k := range p.keys {
		if k.last <= oldest {
			p.dropKey(name)
		}
	}
	for name, r := range p.ranges {
		if r.last <= oldest {
			p.dropRange(name)
		}
	}
	for number, b := range p.mains {
		if b.last <= oldest {
			p.dropBlock(number)
		}
	}
	for key, w := range p.words {
		if w.last <= oldest {
			p.dropWords(key)
		}
	}
}
