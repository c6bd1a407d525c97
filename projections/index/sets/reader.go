package sets

import (
	"context"
	"maps"
	"slices"
	"time"

	"binnacle/projections/index/sql"
)

// wanted says what is read in the background, so that it is read once however many ask for it. Several things of one
// name are held: the versions with a key, and the rows themselves.
type wanted struct {
	what string
	name Name
}

// What is read in the background.
const (
	wantedClosed = "closed" // what is superseded
	wantedKeys   = "keys"   // the versions with a key
	wantedRanges = "ranges" // the rows of ranges
	wantedMains  = "mains"  // a block of main dates, whose number is the key
	wantedWords  = "words"  // strings
)

// reading is one thing being read, which all searches that need it wait for.
type reading struct {
	done  chan struct{}
	value any // there when it is done; nil where it could not be read
}

// task reads some things of one kind.
type task struct {
	wanted []wanted
	bytes  int64 // that the task itself takes, as far as these are many
	// read reads what is wanted and not yet under way, as of the snapshot of its view, and tells each thing that it
	// has read. What fails is not told.
	read func(v *View, wanted []wanted, tell tell)
}

// tell gives what has been read to those who wait for it. Before that put stores it, unless all has been forgotten
// meanwhile.
type tell func(w wanted, value any, put func(p *partition))

// one is a task that reads one thing; read tells whether it could.
func one[T any](w wanted, bytes int64, read func(v *View) (T, bool), put func(p *partition, value T)) task {
	return task{[]wanted{w}, bytes, func(v *View, _ []wanted, tell tell) {
		if value, there := read(v); there {
			tell(w, value, func(p *partition) { put(p, value) })
		}
	}}
}

// job is what one search has asked for at once.
type job struct {
	view     View // what is read is kept as it would be by the search that asked; its place is that of the reader
	tasks    []task
	readings map[wanted]*reading
	bytes    int64
}

const (
	// jobsBound is how many jobs wait; what is asked for beyond is not read, and asked for again by the next search
	// that could use it.
	jobsBound = 64
	// jobTime bounds a job.
	jobTime = 2 * time.Minute
	// readingBytes is what a reading takes until it has been done, beside what is read.
	readingBytes = 400
)

// ask has things read in the background, as far as that is not under way, and returns the readings; nil when too many
// others wait.
func (v *View) ask(tasks ...task) map[wanted]*reading {
	s, p := v.part.owner, v.part
	s.mu.Lock()
	defer s.mu.Unlock()
	j := job{readings: map[wanted]*reading{}}
	asked := map[wanted]*reading{}
	for _, t := range tasks {
		var missing []wanted
		for _, w := range t.wanted {
			if asked[w] = p.readings[w]; asked[w] == nil {
				asked[w] = &reading{done: make(chan struct{})}
				j.readings[w] = asked[w]
				missing = append(missing, w)
			}
		}
		if t.wanted = missing; len(missing) > 0 {
			j.tasks = append(j.tasks, t)
			j.bytes += t.bytes + readingBytes*int64(len(missing))
		}
	}
	if len(j.tasks) == 0 {
		return asked
	}
	if s.closed || len(s.queue) >= jobsBound {
		return nil
	}
	if p.epoch == v.epoch {
		maps.Copy(p.readings, j.readings)
	}
	j.view = View{&sql.At{DB: s.db, Dialect: v.Dialect, Partition: v.Partition}, p, v.epoch}
	s.queue = append(s.queue, j)
	s.used += j.bytes
	s.makeRoom(p)
	if s.working == nil {
		// not of the search that asks: others may wait for the same
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel, s.working = cancel, make(chan struct{})
		go s.work(ctx)
	}
	return asked
}

// wait has things read in the background and waits for them, if wait says so; nil where it does not wait, or too many
// others do.
func (v *View) wait(wait bool, tasks ...task) (map[wanted]*reading, error) {
	asked := v.ask(tasks...)
	if asked == nil || !wait {
		return nil, nil
	}
	for _, r := range asked {
		select {
		case <-r.done:
		case <-v.Ctx.Done():
			return nil, v.Ctx.Err()
		}
	}
	return asked, nil
}

// Stop ends what is read in the background, and has nothing read any more. It waits for nothing.
func (s *Memory) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
}

// Close is Stop, and waits until nothing is read.
func (s *Memory) Close() {
	s.Stop()
	_ = s.Idle(context.Background()) // which never ends
}

// Idle waits until nothing is being read in the background.
func (s *Memory) Idle(ctx context.Context) error {
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
func (s *Memory) work(ctx context.Context) {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.cancel()
			close(s.working)
			s.cancel, s.working, s.queue = nil, nil, nil
			s.mu.Unlock()
			return
		}
		j := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1) // which leaves nothing of it behind
		s.mu.Unlock()
		s.do(ctx, &j)
	}
}

// do reads what a job asks for, as of what is committed now. What fails is not kept, and tried again when a search
// asks for it again.
func (s *Memory) do(ctx context.Context, j *job) {
	ctx, cancel := context.WithTimeout(ctx, jobTime)
	defer cancel()
	v := &j.view
	v.Ctx = ctx
	if ctx.Err() == nil && v.CommittedNow() == nil {
		for _, t := range j.tasks {
			t.read(v, t.wanted, j.end)
		}
	}
	for w := range j.readings { // what has failed
		j.end(w, nil, nil)
	}
	v.look(func(*partition) { s.used -= j.bytes })
}

// end stores the value of a reading with put, and tells those who wait that the reading is done.
func (j *job) end(w wanted, value any, put func(p *partition)) {
	r := j.readings[w]
	select {
	case <-r.done:
		return
	default:
	}
	if put != nil {
		j.view.keep(put)
	}
	r.value = value
	j.view.look(func(p *partition) {
		if p.readings[w] == r {
			delete(p.readings, w)
		}
	})
	close(r.done)
}

// gathered is what a read holds that has not ended, which counts as what is kept does.
type gathered struct {
	view  *View
	bytes int64
}

// gather begins to count what is read.
func (v *View) gather() *gathered { return &gathered{view: v} }

// add counts more bytes, and makes room for them.
func (g *gathered) add(bytes int64) { g.is(g.bytes + bytes) }

// is counts so many bytes in place of those before, and makes room for them.
func (g *gathered) is(bytes int64) {
	g.view.look(func(p *partition) {
		p.owner.used += bytes - g.bytes
		g.bytes = bytes
		p.owner.makeRoom(p)
	})
}

// end counts them no more.
func (g *gathered) end() { g.is(0) }
