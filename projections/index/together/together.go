// Package together answers look-ups of current versions that come at the same time with one query.
//
// A read asks the index for one key. With many readers the price of a query, not that of a key, is what counts: a batch of keys costs
// little more than one. A [Reader] therefore lets few queries run at once and gathers the keys that come meanwhile for the next one. An
// answer is never older than its question: the query of a key begins after the key was asked for.
package together

import (
	"context"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

const (
	most  = 256              // keys of one query
	bound = 10 * time.Second // of one query; it belongs to no single caller
)

// Reader is a projections.Reader whose look-ups of single keys are gathered; everything else is the inner reader's.
type Reader struct {
	projections.Reader
	lanes int

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

// New gathers look-ups of an index into at most so many queries at once.
func New(inner projections.Reader, lanes int) *Reader {
	return &Reader{Reader: inner, lanes: max(1, lanes)}
}

// Current is projections.Reader.Current. A caller whose context ends stops waiting; the query goes on for the others.
func (r *Reader) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	if len(keys) != 1 {
		return r.Reader.Current(ctx, keys)
	}
	q := &question{key: keys[0], done: make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, q)
	start := r.running < r.lanes
	if start {
		r.running++
	}
	r.mu.Unlock()
	if start {
		go r.ask()
	}
	select {
	case <-q.done:
		return []projections.Version{q.version}, q.err
	case <-ctx.Done():
		return nil, events.Wrap(events.Transient, "together.Current", ctx.Err(), "the call ended before the index had answered")
	}
}

// ask answers what waits until nothing does.
func (r *Reader) ask() {
	for {
		r.mu.Lock()
		batch := r.waiting[:min(len(r.waiting), most)]
		r.waiting = r.waiting[len(batch):]
		if len(batch) == 0 {
			r.waiting = nil
			r.running--
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.answer(batch)
	}
}

// answer asks the index for a batch. When that fails each key is asked for alone, so that nobody suffers from another's key.
func (r *Reader) answer(batch []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	places := make(map[projections.Key]int, len(batch))
	keys := make([]projections.Key, 0, len(batch))
	for _, q := range batch {
		if _, asked := places[q.key]; !asked {
			places[q.key] = len(keys)
			keys = append(keys, q.key)
		}
	}
	versions, err := r.Reader.Current(ctx, keys)
	for _, q := range batch {
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
