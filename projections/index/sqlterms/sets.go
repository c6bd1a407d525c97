package sqlterms

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
)

// Sets keeps in memory, shared by the searches of a generation, what makes common values cheap to combine: of keys of the term table the
// versions that have them, as compressed bitmaps; which versions are superseded; and the main dates of versions. They are read when a
// search first needs them and are as exact as the tables: rows are only ever inserted, with ascending Sids, so a set that is known up to
// a Sid is brought up to a later one by looking at the versions between alone. What is used least goes first when the memory is used up.
// A nil *Sets knows nothing. It is safe for concurrent use.
type Sets struct {
	bound int64        // bytes
	clock atomic.Int64 // counts what is used, so that what was used longest ago is known

	mu         sync.Mutex
	partitions map[int64]*partitionSets
	used       *atomic.Int64 // bytes of these partitions
}

// NewSets returns Sets that know nothing yet and hold as many bytes as the bounds say.
func NewSets(bounds Bounds) *Sets {
	return &Sets{bound: int64(bounds.Memory), partitions: map[int64]*partitionSets{}, used: new(atomic.Int64)}
}

// Forget drops everything: the tables may be others now.
func (s *Sets) Forget() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions, s.used = map[int64]*partitionSets{}, new(atomic.Int64) // searches that are under way end with those they have
}

// holds tells whether the main dates of so many versions leave room for sets. Where they don't, each search would read again what the one before it
// has displaced: seconds at ten million versions, where walking takes a fraction of one.
func (s *Sets) holds(versions int64) bool { return 4*versions <= s.bound/4*3 }

// count tells how many rows some keys had when their sets were read; known is false when one of them is not there, or somebody reads.
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

// haveRanges tells whether some ranges are in memory; false when somebody reads.
func (s *Sets) haveRanges(partition int64, names []setName) bool {
	return s.look(partition, func(p *partitionSets) bool {
		return !slices.ContainsFunc(names, func(name setName) bool { return p.ranges[name] == nil })
	})
}

// look asks a partition that nobody holds; false when somebody does.
func (s *Sets) look(partition int64, ask func(*partitionSets) bool) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	p := s.partitions[partition]
	s.mu.Unlock()
	if p == nil {
		return false
	}
	select {
	case p.held <- struct{}{}:
		defer func() { <-p.held }()
		return ask(p)
	default:
		return false
	}
}

// of returns the sets of a partition, to be used and changed until the function it returns is called.
func (s *Sets) of(ctx context.Context, partition int64) (*partitionSets, func(), error) {
	s.mu.Lock()
	p := s.partitions[partition]
	if p == nil {
		p = &partitionSets{owner: s, total: s.used, held: make(chan struct{}, 1), first: partition << projections.SidBits, keys: map[setName]*keySet{}, ranges: map[setName]*rangeSet{}, mains: map[int64]*mainBlock{}, once: map[setName]struct{}{}}
		s.partitions[partition] = p
	}
	s.mu.Unlock()
	select {
	case p.held <- struct{}{}:
		p.last.Store(s.clock.Add(1))
		return p, func() { <-p.held }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// resetOther forgets all of the partition that was used longest ago, besides one and those that somebody holds. It tells whether there was one.
func (s *Sets) resetOther(but *partitionSets) bool {
	s.mu.Lock()
	others := slices.Collect(maps.Values(s.partitions))
	s.mu.Unlock()
	slices.SortFunc(others, func(a, b *partitionSets) int { return cmp.Compare(a.last.Load(), b.last.Load()) })
	for _, p := range others {
		if p == but || p.total != but.total {
			continue
		}
		select {
		case p.held <- struct{}{}:
		default:
			continue
		}
		had := p.used > 0
		p.reset()
		<-p.held
		if had {
			return true
		}
	}
	return false
}

// partitionSets are the sets of one partition. Who holds it may change the maps; bitmaps and blocks are replaced, never changed, so that
// they can be used without holding it.
type partitionSets struct {
	owner  *Sets
	total  *atomic.Int64 // bytes of all partitions
	held   chan struct{}
	last   atomic.Int64 // when it was used, by the clock
	first  int64        // what Sids are counted from: bitmaps hold the difference
	upTo   int64        // Sid up to which closed and mains are known
	closed *roaring.Bitmap
	keys   map[setName]*keySet
	ranges map[setName]*rangeSet
	mains  map[int64]*mainBlock // by the number of the block
	once   map[setName]struct{} // ranges that a search has asked for and that were not read for it
	used   int64                // bytes of keys, ranges and mains
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
	upTo  int64 // Sid
	bytes int64
	last  int64 // when it was used, by the clock
}

// use counts bytes that are used from now on, and with a negative number bytes that aren't any more.
func (p *partitionSets) use(bytes int64) {
	p.used += bytes
	p.total.Add(bytes)
}

func (p *partitionSets) put(name setName, has *roaring.Bitmap, upTo int64) *keySet {
	p.dropKey(name)
	k := &keySet{has: has, count: int(has.GetCardinality()), upTo: upTo, bytes: int64(has.GetSizeInBytes()) + 200, last: p.owner.clock.Add(1)}
	p.keys[name] = k
	p.use(k.bytes)
	return k
}

func (p *partitionSets) putBlock(number int64, b *mainBlock) {
	p.dropBlock(number)
	b.last = p.owner.clock.Add(1)
	p.mains[number] = b
	p.use(b.bytes())
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
	p.use(-p.used)
	p.closed, p.upTo = nil, 0
	clear(p.keys)
	clear(p.ranges)
	clear(p.mains)
}

// trim drops what has not been used for the longest time until the rest fits the bound: other partitions first, then of this one.
func (p *partitionSets) trim() {
	for p.total.Load() > p.owner.bound && p.used > 0 {
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
}

// blockSids is how many versions' main dates lie in one block.
const blockSids = 1 << 14

// mainBlock holds the main dates of versions that follow each other, exactly: as steps of a unit from the earliest of them where these
// fit 32 bits, which dates to the second do over 136 years.
type mainBlock struct {
	low, unit int64
	steps     []uint32 // 0: none, MinTime
	whole     []int64  // in place of steps where those do not fit
	last      int64    // when it was used
}

// units are the microseconds of a second, a millisecond.
var units = [...]int64{1_000_000, 1_000} //nolint:gochecknoglobals // a constant that Go can't write as one

func newMainBlock(mains []int64) *mainBlock {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, m := range mains {
		if m != projections.MinTime {
			low, high = min(low, m), max(high, m)
		}
	}
	if low > high {
		low, high = 0, 0
	}
	for _, unit := range units {
		if (high-low)/unit >= math.MaxUint32 || slices.ContainsFunc(mains, func(m int64) bool { return m != projections.MinTime && (m-low)%unit != 0 }) {
			continue
		}
		b := &mainBlock{low: low, unit: unit, steps: make([]uint32, len(mains))}
		for i, m := range mains {
			if m != projections.MinTime {
				b.steps[i] = uint32((m-low)/unit) + 1
			}
		}
		return b
	}
	return &mainBlock{whole: slices.Clone(mains)}
}

func (b *mainBlock) bytes() int64 { return 100 + 4*int64(len(b.steps)) + 8*int64(len(b.whole)) }

func (b *mainBlock) len() int { return max(len(b.steps), len(b.whole)) }

func (b *mainBlock) at(i int64) int64 {
	if b.whole != nil {
		return b.whole[i]
	}
	if step := b.steps[i]; step != 0 {
		return b.low + int64(step-1)*b.unit
	}
	return projections.MinTime
}

// with is the block with more main dates at its end.
func (b *mainBlock) with(mains []int64) *mainBlock {
	all := make([]int64, 0, b.len()+len(mains))
	for i := range b.len() {
		all = append(all, b.at(int64(i)))
	}
	return newMainBlock(append(all, mains...))
}

// bitmapOf makes a bitmap of numbers in any order.
func bitmapOf(numbers []uint32) *roaring.Bitmap {
	if len(numbers) < 10_000 {
		slices.Sort(numbers)
		return roaring.BitmapOf(numbers...)
	}
	words := make([]uint64, slices.Max(numbers)/64+1)
	for _, n := range numbers {
		words[n/64] |= 1 << (n % 64)
	}
	b := roaring.FromDense(words, true)
	b.RunOptimize()
	return b
}
