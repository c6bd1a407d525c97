package sets

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// partition are the sets of one partition. Its owner's mutex guards it.
type partition struct {
	owner    *Memory
	epoch    int             // counts how often all was forgotten: what was begun to be read before is not kept
	last     int64           // when it was used, by the clock
	first    int64           // what Sids are counted from: bitmaps hold the difference
	upTo     int64           // Sid up to which closed is known
	closed   *roaring.Bitmap // what is superseded; nil: not known
	keys     map[Name]*Set
	ranges   map[Name]*Range
	mains    map[int64]*Block // by the number of the block
	words    map[int64]*Words // by text key
	once     notes[Name, struct{}]
	types    notes[int64, TypeRows] // by ledger
	passed   notes[int64, int64]    // by key: Sid up to which its rows that come first were seen to be superseded
	readings map[wanted]*reading    // under way, or waiting for their turn
	used     int64                  // bytes of all this but the readings
}

func newPartition(owner *Memory, first int64) *partition {
	p := &partition{owner: owner, first: first}
	p.empty()
	return p
}

// empty has nothing known.
func (p *partition) empty() {
	p.closed, p.upTo = nil, 0
	p.keys, p.ranges, p.mains, p.words = map[Name]*Set{}, map[Name]*Range{}, map[int64]*Block{}, map[int64]*Words{}
	p.once = notes[Name, struct{}]{bytes: 96}
	p.types = notes[int64, TypeRows]{bytes: 64}
	p.passed = notes[int64, int64]{bytes: 40}
	p.readings = map[wanted]*reading{}
}

// reset forgets all but the partition itself.
func (p *partition) reset() {
	p.epoch++
	p.use(-p.used)
	for _, w := range p.words { // which may grow where it is
		w.counted = 0
	}
	p.empty()
}

// use counts bytes that are used from now on, and with a negative number bytes that aren't any more.
func (p *partition) use(bytes int64) {
	p.used += bytes
	p.owner.used += bytes
}

// putClosed holds what is superseded up to a Sid, unless more is known.
func (p *partition) putClosed(closed *roaring.Bitmap, upTo int64) {
	if p.closed != nil && p.upTo >= upTo {
		return
	}
	if p.closed != nil {
		p.use(-bitmapBytes(p.closed))
	}
	p.closed, p.upTo = closed, upTo
	p.use(bitmapBytes(closed))
}

// put holds a set, unless a later one is there.
func (p *partition) put(name Name, k *Set) {
	if there := p.keys[name]; there != nil && there.UpTo > k.UpTo {
		return
	}
	p.dropKey(name)
	k.last = p.owner.tick()
	p.keys[name] = k
	p.use(k.bytes)
}

// putRange holds the rows of ranges, unless later ones are there.
func (p *partition) putRange(name Name, r *Range) {
	if there := p.ranges[name]; there != nil && there.upTo > r.upTo {
		return
	}
	p.dropRange(name)
	r.last = p.owner.tick()
	p.ranges[name] = r
	p.use(r.bytes())
}

// putRanges holds rows of ranges, unless later ones are there.
func (p *partition) putRanges(found map[Name]*Range) {
	for name, r := range found {
		p.putRange(name, r)
	}
}

// putBlock holds main dates, unless more of them are there.
func (p *partition) putBlock(number int64, b *Block) {
	if there := p.mains[number]; there != nil && there.len() > b.len() {
		return
	}
	p.dropBlock(number)
	b.last = p.owner.tick()
	p.mains[number] = b
	p.use(b.bytes())
}

// putMains adds to the blocks that end there the main dates of the versions after one.
func (p *partition) putMains(after int64, mains []int64) {
	for next := after + 1 - p.first; len(mains) > 0; {
		number, at := next/BlockSids, next%BlockSids
		more := mains[:min(int64(len(mains)), BlockSids-at)]
		if b := p.mains[number]; b != nil && int64(b.len()) >= at && int64(b.len()) < at+int64(len(more)) {
			p.putBlock(number, b.with(more[int64(b.len())-at:]))
		}
		next, mains = next+int64(len(more)), mains[len(more):]
	}
}

// putWords holds strings, and counts what they have grown by.
func (p *partition) putWords(key int64, w *Words) {
	if p.words[key] != w {
		p.dropWords(key)
		w.last = p.owner.tick()
		p.words[key] = w
	}
	bytes := w.bytes()
	p.use(bytes - w.counted)
	w.counted = bytes
}

func (p *partition) dropWords(key int64) {
	if w := p.words[key]; w != nil {
		p.use(-w.counted)
		w.counted = 0
		delete(p.words, key)
	}
}

func (p *partition) dropKey(name Name) {
	if k := p.keys[name]; k != nil {
		p.use(-k.bytes)
		delete(p.keys, name)
	}
}

func (p *partition) dropRange(name Name) {
	if r := p.ranges[name]; r != nil {
		p.use(-r.bytes())
		delete(p.ranges, name)
	}
}

func (p *partition) dropBlock(number int64) {
	if b := p.mains[number]; b != nil {
		p.use(-b.bytes())
		delete(p.mains, number)
	}
}

// dropOldest drops the quarter that was used longest ago; as much at once, so that it is seldom. What is superseded
// is needed by every other set: it goes when nothing else is left. It tells whether there was anything.
func (p *partition) dropOldest() bool {
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
	if len(ages) == 0 {
		was := p.used
		p.reset()
		return was > 0
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
	return true
}

// notes are small things that searches have found out. When there are too many of them all are forgotten: they are
// soon found out again.
type notes[K comparable, V any] struct {
	bytes int64 // of each
	all   map[K]V
}

const (
	notesBound = 10_000 // of one kind in a partition
	notesShare = 8      // and they take this part of the memory at the most
)

func (n *notes[K, V]) get(key K) (value V, there bool) {
	value, there = n.all[key]
	return value, there
}

// put notes something in a partition.
func (n *notes[K, V]) put(p *partition, key K, value V) {
	if _, there := n.all[key]; !there {
		count := int64(len(n.all))
		if n.all == nil || count >= notesBound || (count+1)*n.bytes > int64(p.owner.bounds.Memory)/notesShare {
			p.use(-count * n.bytes)
			n.all = map[K]V{}
		}
		p.use(n.bytes)
	}
	n.all[key] = value
	p.owner.makeRoom(p)
}
