// Package current answers look-ups of current versions that come at the same time with one query, and remembers the
// answers.
//
// A read asks the index for one key. With many readers the price of a query, not that of a key, is what counts. A
// [Reader] therefore lets few queries run at once and gathers the keys that come meanwhile for the next one. What it
// remembers it holds against what was committed since, whoever has written it: one small query, one at a time, for
// all that have asked before it begins. Only keys that are not remembered are looked up.
//
// An answer is never older than its question: the query that it rests on begins after the key was asked for.
package current

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

const (
	most = 256 // keys of one query
	// versions since the last time that are still worth telling one by one; after more nothing is remembered
	changed = 500
	bound   = 10 * time.Second // of one query; it belongs to no single caller
)

// Config tells how a reader works.
type Config struct {
	Lanes      int   // look-ups at once; at least 1
	Partitions int32 // of the log; at least 1
	Bytes      int64 // memory for remembered versions; 0: none is remembered
}

// Reader is a projections.Reader whose look-ups of single keys are gathered and remembered; everything else is the
// inner reader's.
type Reader struct {
	projections.Reader
	config Config
	memory *memory // nil: nothing is remembered
	// of what is remembered; a second one beside it would be one more for the index and make nobody's wait shorter
	checks  *gathering
	lookups *gathering
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
	r.lookups = &gathering{lanes: config.Lanes, answer: r.lookUp}
	if config.Bytes > 0 {
		r.memory = newMemory(config.Bytes)
		r.checks = &gathering{lanes: 1, answer: r.check}
	}
	return r
}

// Current is projections.Reader.Current. A caller whose context ends stops waiting; the query goes on for the others,
// and who has begun it sees it through.
func (r *Reader) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	if len(keys) != 1 {
		return r.Reader.Current(ctx, keys)
	}
	if err := ctx.Err(); err != nil {
		return nil, ended(err)
	}
	q := &question{key: keys[0], done: make(chan struct{})}
	first := r.lookups
	if r.memory != nil {
		first = r.checks
	}
	if first.join(q) {
		first.begin()
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

// check answers what is remembered, and leaves the rest to look-ups.
func (r *Reader) check(batch []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if rest := r.recall(ctx, batch); len(rest) > 0 && r.lookups.join(rest...) {
		go r.lookups.ask()
	}
}

// lookUp answers a batch by one query. When that fails each key is asked for alone, so that nobody suffers from
// another's key.
func (r *Reader) lookUp(batch []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	places := make(map[projections.Key]int, len(batch))
	keys := make([]projections.Key, 0, len(batch))
	for _, q := range batch {
		if _, there := places[q.key]; !there {
			places[q.key] = len(keys)
			keys = append(keys, q.key)
		}
	}
	before := r.marks()
	versions, err := r.Reader.Current(ctx, keys)
	if err == nil {
		r.remember(before, keys, versions)
	}
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
