package sqlterms

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections"
)

// A form of what sets hold.
type form uint8

const (
	closedVersions   form = iota
	keyVersions           // of a setName
	rangeRows             // of a setName
	mainDates             // of a block
	followedVersions      // of a setName
	distinctTexts         // of a setName
)

// wanted is one thing that is read in the background.
type wanted struct {
	form  form
	name  setName
	block int64
}

func wantedKeys(in keyed, keys []int64) []wanted {
	list := make([]wanted, len(keys))
	for i, key := range keys {
		list[i] = wanted{form: keyVersions, name: in.name(key)}
	}
	return list
}

// reading is what searches wait for that need the same thing. One of its values is there when it is done, none where it could not be read.
type reading struct {
	done   chan struct{}
	closed *roaring.Bitmap
	upTo   int64 // of closed
	key    *keySet
	ranges *rangeSet
	block  *mainBlock
	words  *wordSet
}

// job is what one search has asked for at once.
type job struct {
	of       *partitionSets
	epoch    int
	dialect  Dialect
	readings map[wanted]*reading
}

const (
	// jobsBound is how many jobs wait; what is asked for beyond is not read, and asked for again by the next search that could use it.
	jobsBound = 64
	// jobTime bounds a job.
	jobTime = 2 * time.Minute
)

// ask has what is wanted read in the background, as far as that is not under way, and returns the readings; nil when too many others wait. It is kept if
// nothing has been forgotten since the epoch.
func (p *partitionSets) ask(epoch int, dialect Dialect, list []wanted) map[wanted]*reading {
	s := p.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	j := job{of: p, epoch: epoch, dialect: dialect, readings: map[wanted]*reading{}}
	asked := map[wanted]*reading{}
	for _, w := range list {
		r := p.readings[w]
		if r == nil {
			r = &reading{done: make(chan struct{})}
			j.readings[w] = r
		}
		asked[w] = r
	}
	if len(j.readings) == 0 {
		return asked
	}
	if s.closed || len(s.queue) >= jobsBound {
		return nil
	}
	if p.epoch == epoch {
		maps.Copy(p.readings, j.readings)
	}
	s.queue = append(s.queue, j)
	if s.working == nil {
		ctx, cancel := context.WithCancel(context.Background()) // not of the search that asks: others may wait for the same
		s.cancel, s.working = cancel, make(chan struct{})
		go s.work(ctx)
	}
	return asked
}

// Stop ends what is read in the background, and has nothing read any more. It waits for nothing.
func (s *Sets) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
}

// Close is Stop, and waits until nothing is read.
func (s *Sets) Close() {
	s.Stop()
	_ = s.Idle(context.Background()) // which never ends
}

// Idle waits until nothing is being read in the background.
func (s *Sets) Idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		working := s.working
		s.mu.Unlock()
		if working == nil {
			return nil
		}
		select {
		case <-working:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// work does the jobs until there are none left.
func (s *Sets) work(ctx context.Context) {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.cancel()
			close(s.working)
			s.cancel, s.working = nil, nil
			s.mu.Unlock()
			return
		}
		j := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.do(ctx, j)
	}
}

// do reads what a job asks for, as of what is committed now. What fails is not kept, and tried again when a search asks for it again.
func (s *Sets) do(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	x := &search{
		at:     at{ctx: ctx, db: s.db, Dialect: j.dialect, partition: j.of.first >> projections.SidBits},
		Engine: Engine{Bounds: s.bounds}, // nothing is read here by way of what is being filled
		q:      &projections.Query{},
	}
	if ctx.Err() == nil && x.committedNow() == nil {
		j.read(x)
	}
	for w, r := range j.readings {
		j.end(w, r, func() {}) // what has failed
	}
}

// end tells those who wait that a reading is done, whose value put holds.
func (j job) end(w wanted, r *reading, put func()) {
	select {
	case <-r.done:
		return
	default:
	}
	j.of.keep(j.epoch, put)
	s := j.of.owner
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.of.readings[w] == r {
		delete(j.of.readings, w)
	}
	close(r.done)
}

// read reads what it can; what is there already is brought up where that costs less.
func (j job) read(x *search) {
	keys := map[keyed][]int64{}
	for _, w := range slices.SortedFunc(maps.Keys(j.readings), func(a, b wanted) int { return cmp.Compare(a.block, b.block) }) {
		r := j.readings[w]
		switch w.form {
		case keyVersions:
			keys[w.name.in()] = append(keys[w.name.in()], w.name.key)
		case closedVersions:
			if closed, err := x.readClosed(); err == nil {
				r.closed, r.upTo = closed, x.snapshot
				j.end(w, r, func() { j.of.putClosed(closed, x.snapshot) })
			}
		case rangeRows:
			if ranges, err := x.freshRanges(j.of, w.name); err == nil {
				r.ranges = ranges[w.name]
				j.end(w, r, func() { j.of.putRanges(ranges) })
			}
		case followedVersions:
			if f, there := j.of.takeFollowed(w.name); there {
				if k, err := x.readFollowed(f); err == nil {
					r.key = k
					j.end(w, r, func() { j.of.put(w.name, k) })
				}
			}
		case distinctTexts:
			if found, err := x.readWords(w.name.key); err == nil {
				r.words = found
				j.end(w, r, func() { j.of.putWords(w.name.key, found) })
			}
		case mainDates:
			if block, err := x.readBlock(w.block); err == nil && block != nil {
				r.block = block
				j.end(w, r, func() { j.of.putBlock(w.block, block) })
			}
		}
	}
	for in, list := range keys {
		_ = x.freshKeys(in, list, j.of.setsOf(in, list), func(key int64, k *keySet) { // those that fail are ended without a value
			w := wanted{form: keyVersions, name: in.name(key)}
			r := j.readings[w]
			r.key = k
			j.end(w, r, func() { j.of.put(w.name, k) })
		})
	}
}
