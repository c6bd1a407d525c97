package sqlterms

import (
	"context"
	"sync"

	"binnacle/projections"
	"binnacle/projections/index/sql"
)

// Sets keeps in memory, shared by the searches of a generation, what makes common values cheap to combine: of keys of the term table the versions that have them, as compressed
// bitmaps; which versions are superseded; the main dates of versions; the rows of ranges; and the strings of parameters. They are as exact as the tables: rows are only ever inserted,
// with ascending Sids, so what is known up to a Sid is brought up to a later one by looking at the versions between alone.
//
// All that it holds is counted, what is being read and what waits to be read included. What is used least goes first when the memory is used up.
//
// What is missing is read in the background, one thing after the other, while searches go on; a search that cannot do without waits for the reading of that very thing, others for the
// same reading (reading.go). Bitmaps, blocks and ranges are replaced, never changed, so that they can be used without holding anything. A nil *Sets knows nothing. It is safe for
// concurrent use.
type Sets struct {
	db     sql.DB // of the background
	bounds Bounds

	mu         sync.Mutex // held for moments, never while something is read
	clock      int64      // counts what is used, so that what was used longest ago is known
	partitions map[int64]*partitionSets
	used       int64 // bytes of these partitions, of what is being read and of what waits to be read
	queue      []job
	cancel     context.CancelFunc // of the reading that is under way
	working    chan struct{}      // closed when the reader ends; nil: there is none
	closed     bool
}

// NewSets returns Sets that know nothing yet and hold as many bytes as the bounds say. They read with statements of their own, one at a time, on db: searches that wait for them may
// hold every connection of another pool. Close ends that.
func NewSets(db sql.DB, bounds Bounds) *Sets {
	return &Sets{db: db, bounds: bounds.OrDefault(), partitions: map[int64]*partitionSets{}}
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

// open returns what a read sees of the sets of its partition. What the read keeps is kept as long as nothing has been forgotten since.
func (s *Sets) open(x *sql.At) *setView {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[x.Partition]
	if p == nil {
		p = newPartitionSets(s, x.Partition<<projections.SidBits)
		s.partitions[x.Partition] = p
	}
	p.last = s.tick()
	return &setView{At: x, part: p, epoch: p.epoch}
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

// makeRoom drops what has not been used for the longest time until the rest fits the bound: other partitions first, then of this one.
func (s *Sets) makeRoom(p *partitionSets) {
	for s.used > int64(s.bounds.Memory) && (s.resetOther(p) || p.dropOldest()) {
	}
}
