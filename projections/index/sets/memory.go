package sets

import (
	"context"
	"sync"

	"binnacle/projections"
	"binnacle/projections/index/sql"
)

// Memory keeps the sets of a generation, by partitions. A search opens a view of them. What is used least goes first
// when the memory is used up. A nil *Memory is not opened. It is safe for concurrent use.
type Memory struct {
	db     sql.DB // of the background
	bounds Bounds

	mu         sync.Mutex // held for moments, never while something is read
	clock      int64      // counts what is used, so that what was used longest ago is known
	partitions map[int64]*partition
	used       int64 // bytes of these partitions, of what is being read and of what waits to be read
	queue      []job
	cancel     context.CancelFunc // of the reading that is under way
	working    chan struct{}      // closed when the reader ends; nil: there is none
	closed     bool
}

// New returns a Memory that knows nothing yet and holds as many bytes as the bounds say. It reads with statements of
// its own, one at a time, on db: searches that wait for it may hold every connection of another pool. Close ends that.
func New(db sql.DB, bounds Bounds) *Memory {
	return &Memory{db: db, bounds: bounds.OrDefault(), partitions: map[int64]*partition{}}
}

// Forget drops everything: the tables may be others now. What is being read is not kept.
func (s *Memory) Forget() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions { // searches that are under way end with what they have
		p.reset()
	}
	s.partitions = map[int64]*partition{}
}

// Open returns what a read sees of the sets of its partition. What the read keeps is kept as long as nothing has been
// forgotten since.
func (s *Memory) Open(x *sql.At) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[x.Partition]
	if p == nil {
		p = newPartition(s, x.Partition<<projections.SidBits)
		s.partitions[x.Partition] = p
	}
	p.last = s.tick()
	return &View{At: x, part: p, epoch: p.epoch}
}

// tick is now, by the clock.
func (s *Memory) tick() int64 {
	s.clock++
	return s.clock
}

// resetOther forgets all of the partition that was used longest ago, besides one. It tells whether there was one.
func (s *Memory) resetOther(but *partition) bool {
	var oldest *partition
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

// makeRoom drops what has not been used for the longest time until the rest fits the bound: other partitions first,
// then of this one.
func (s *Memory) makeRoom(p *partition) {
	for s.used > int64(s.bounds.Memory) && (s.resetOther(p) || p.dropOldest()) {
	}
}
