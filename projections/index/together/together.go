// Package together answers look-ups of current versions that come at the same time with one query, and remembers the answers.
//
// A read asks the index for one key. With many readers the price of a query, not that of a key, is what counts. A [Reader] therefore lets
// few queries run at once and gathers the keys that come meanwhile for the next one. Each time it first asks what was committed since the
// last time, whoever has written it; what it remembers is as new as that, and only the other keys are looked up.
//
// An answer is never older than its question: the query that it rests on begins after the key was asked for.
package together

import (
	"context"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

const (
	most    = 256              // keys of one query
	changed = 500              // versions since the last time that are still worth telling one by one; after more nothing is remembered
	bound   = 10 * time.Second // of one query; it belongs to no single caller
)

// Config tells how a reader works.
type Config struct {
	Lanes      int   // queries at once; at least 1
	Partitions int32 // of the log; at least 1
	Bytes      int64 // memory for remembered versions; 0: none is remembered
}

// Reader is a projections.Reader whose look-ups of single keys are gathered and remembered; everything else is the inner reader's.
type Reader struct {
	projections.Reader
	config Config
	memory *memory // nil: nothing is remembered

	mu      sync.Mutex
	waiting []*question
	running int // queries under way
}

var _ projections.Reader = (*Reader)(nil)

// question is one caller's key and its answer.
type question struct {
	key     projections.Key
	version projections.Version
	err     error
	done    chan struct{}
}

// New gathers look-ups of an index.
func New(inner projections.Reader, config Config) *Reader {
	config.Lanes, config.Partitions = max(1, config.Lanes), max(1, config.Partitions)
	r := &Reader{Reader: inner, config: config}
	if config.Bytes > 0 {
		r.memory = newMemory(config.Bytes)
	}
	return r
}

// Current is projections.Reader.Current. A caller whose context ends stops waiting; the query goes on for the others, and who has begun it
// sees it through.
func (r *Reader) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	if len(keys) != 1 {
		return r.Reader.Current(ctx, keys)
	}
	if err := ctx.Err(); err != nil {
		return nil, ended(err)
	}
	q := &question{key: keys[0], done: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, q)
	start := r.running < r.config.Lanes
	if start {
		r.running++
	}
	r.mu.Unlock()
	if start {
		r.begin()
	}
	select {
	case <-q.done:
		return []projections.Version{q.version}, q.err
	case <-ctx.Done():
		return nil, ended(ctx.Err())
	}
}

func ended(cause error) error {
	return events.Wrap(events.Transient, "together.Current", cause, "the call ended before the index had answered")
}

// begin answers the first batch on the caller's goroutine, which is cheaper than another one and wakes nobody for a caller that is alone.
func (r *Reader) begin() {
	if batch := r.next(); batch != nil {
		r.answer(batch)
		r.mu.Lock()
		more := len(r.waiting) > 0
		if !more {
			r.running--
		}
		r.mu.Unlock()
		if more {
			go r.ask()
		}
	}
}

// ask answers what waits until nothing does.
func (r *Reader) ask() {
	for batch := r.next(); batch != nil; batch = r.next() {
		r.answer(batch)
	}
}

// next takes what waits; nil, and the lane is free, when nothing does.
func (r *Reader) next() []*question {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.waiting[:min(len(r.waiting), most)]
	r.waiting = r.waiting[len(batch):]
	if len(batch) == 0 {
		r.waiting = nil
		r.running--
		return nil
	}
	return batch
}

// answer answers a batch: from memory where that is as new as the questions, else by the index. When that fails each key is asked for
// alone, so that nobody suffers from another's key.
func (r *Reader) answer(batch []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	asked := r.recall(ctx, batch)
	places := make(map[projections.Key]int, len(asked.rest))
	keys := make([]projections.Key, 0, len(asked.rest))
	for _, q := range asked.rest {
		if _, there := places[q.key]; !there {
			places[q.key] = len(keys)
			keys = append(keys, q.key)
		}
	}
	if len(keys) == 0 {
		return
	}
	versions, err := r.Reader.Current(ctx, keys)
	if err == nil {
		r.remember(asked, keys, versions)
	}
	for _, q := range asked.rest {
		switch {
		case err == nil:
			q.version = versions[places[q.key]]
		case len(keys) == 1 || events.KindOf(err) == events.Transient:
			q.err = err
		default:
			q.version, q.err = r.alone(ctx, q.key)
		}
		close(q.done)
	}
}

func (r *Reader) alone(ctx context.Context, key projections.Key) (projections.Version, error) {
	versions, err := r.Reader.Current(ctx, []projections.Key{key})
	if err != nil {
		return projections.Version{}, err
	}
	return versions[0], nil
}
