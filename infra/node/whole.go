package node

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"binnacle/events"
	"binnacle/projections"
)

// wholeIndex is the live index as the doors read it, while it holds everything that was acknowledged. An index may lack
// some of it: one that was lost and is being filled anew from the log, one whose server lost its last commits in a
// crash, one that a node finds behind when it starts. What isn't there then is not answered with "not found" but with
// kind Transient, until the index has reached what the log held.
//
// In quiet times that costs nothing. A read that fails, and a watch that sees the index fail or go back, raise a doubt;
// the next read then compares the index with the log before it goes on.
type wholeIndex struct {
	reader projections.Reader
	log    events.Log
	index  projections.Scanner

	doubts atomic.Int64 // how often something has raised a doubt; 1 at the start
	solved atomic.Int64 // the doubts at the time of a comparison that found nothing missing

	comparing singleflight.Group // by the doubts that a comparison is to solve

	mu       sync.Mutex
	asked    int64           // the doubts for which need was asked
	need     map[int32]int64 // the next offset that each partition must have reached
	reached  map[int32]int64 // the most that each had reached when nothing was missing
	compared time.Time
	missing  error // of the last comparison, for the doubts asked
}

var _ projections.Reader = (*wholeIndex)(nil)

// Times of a comparison.
const (
	compareEvery   = 50 * time.Millisecond // bounds how often reads that wait for an index compare it
	compareTimeout = 2 * time.Second       // bounds one comparison
)

func newWholeIndex(reader projections.Reader, log events.Log, index projections.Scanner) *wholeIndex {
	w := &wholeIndex{reader: reader, log: log, index: index}
	w.doubts.Store(1)
	return w
}

// Whole compares the index with the log when there is a doubt. An error of kind Transient tells what is missing. All
// who ask meanwhile share one comparison. It is made apart from any of them, so that one who leaves spoils it for
// nobody.
func (w *wholeIndex) Whole(ctx context.Context) error {
	doubts := w.doubts.Load()
	if w.solved.Load() >= doubts {
		return nil
	}
	answer := w.comparing.DoChan(strconv.FormatInt(doubts, 10), func() (any, error) { return nil, w.compareFor(doubts) })
	select {
	case told := <-answer:
		return told.Err
	case <-ctx.Done():
		return events.Wrap(events.Transient, "infra.wholeIndex", ctx.Err(), "the caller left before the index was compared with the log")
	}
}

// compareFor compares unless somebody has just done so for the same doubts.
func (w *wholeIndex) compareFor(doubts int64) error {
	w.mu.Lock()
	recent, missing := w.asked == doubts && time.Since(w.compared) < compareEvery, w.missing
	w.mu.Unlock()
	if w.solved.Load() >= doubts {
		return nil
	}
	if recent && missing != nil {
		return missing
	}
	ctx, cancel := context.WithTimeout(context.Background(), compareTimeout)
	defer cancel()
	err := w.compare(ctx, doubts)
	w.mu.Lock()
	defer w.mu.Unlock()
	if doubts >= w.asked {
		w.missing, w.compared = err, time.Now()
	}
	if err == nil {
		w.solved.Store(max(w.solved.Load(), doubts))
	}
	return err
}

// compare asks the log how far the index must be, once for each doubt, and the index how far it is.
func (w *wholeIndex) compare(ctx context.Context, doubts int64) error {
	need, err := w.needed(ctx, doubts)
	if err != nil {
		return err
	}
	const op = "infra.wholeIndex"
	states, err := w.index.Partitions(ctx)
	if err != nil {
		return events.Wrap(events.Transient, op, err, "the index does not answer")
	}
	missing := int64(0)
	for partition, next := range need {
		missing += max(0, next-states[partition].Next)
	}
	if missing > 0 {
		return events.Errorf(events.Transient, op, "the index lacks %d events of the log, which are being projected; it is read again when they are there", missing)
	}
	reached := make(map[int32]int64, len(states))
	for partition, state := range states {
		reached[partition] = state.Next
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = reached
	return nil
}

// needed is the next offset that each partition must have reached.
func (w *wholeIndex) needed(ctx context.Context, doubts int64) (map[int32]int64, error) {
	w.mu.Lock()
	asked, need, reached := w.asked, w.need, maps.Clone(w.reached)
	w.mu.Unlock()
	if asked >= doubts && need != nil {
		return need, nil
	}
	ends, err := w.log.Ends(ctx)
	switch {
	case err == nil:
		need = make(map[int32]int64, len(ends))
		for _, end := range ends {
			need[end.Partition] = end.Next
		}
	case reached != nil:
		need = reached // the log is away: what the index had held must do
	default:
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if doubts > w.asked || w.need == nil {
		w.asked, w.need = doubts, need
	}
	return need, nil
}

// observe is told what the index says of itself from time to time, and that it says nothing.
func (w *wholeIndex) observe(states map[int32]projections.State, err error) {
	if err != nil {
		w.doubts.Add(1)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for partition, next := range w.reached {
		state := states[partition]
		if state.Next < next {
			w.doubts.Add(1)
			return
		}
	}
	if w.reached != nil {
		for partition, state := range states {
			w.reached[partition] = max(w.reached[partition], state.Next)
		}
	}
}

// judged raises a doubt when a read has failed by the index's fault.
func (w *wholeIndex) judged(ctx context.Context, err error) error {
	if kind := events.KindOf(err); err != nil && ctx.Err() == nil && (kind == events.Transient || kind == events.Internal) {
		w.doubts.Add(1)
	}
	return err
}

// Current is projections.Reader.Current.
func (w *wholeIndex) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	if err := w.Whole(ctx); err != nil {
		return nil, err
	}
	versions, err := w.reader.Current(ctx, keys)
	return versions, w.judged(ctx, err)
}

// Search is projections.Reader.Search.
func (w *wholeIndex) Search(ctx context.Context, query projections.Query) (projections.Page, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.Page{}, err
	}
	page, err := w.reader.Search(ctx, query)
	return page, w.judged(ctx, err)
}

// State is projections.Reader.State.
func (w *wholeIndex) State(ctx context.Context, partition int32) (projections.State, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.State{}, err
	}
	state, err := w.reader.State(ctx, partition)
	return state, w.judged(ctx, err)
}

// Version is projections.Reader.Version.
func (w *wholeIndex) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.Version{}, err
	}
	version, err := w.reader.Version(ctx, key, number)
	return version, w.judged(ctx, err)
}

// Versions is projections.Reader.Versions.
func (w *wholeIndex) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.SpanPage{}, err
	}
	page, err := w.reader.Versions(ctx, span)
	return page, w.judged(ctx, err)
}

// Since is projections.Reader.Since.
func (w *wholeIndex) Since(ctx context.Context, partition int32, mark projections.Mark, limit int) (projections.Changes, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.Changes{}, err
	}
	changes, err := w.reader.Since(ctx, partition, mark, limit)
	return changes, w.judged(ctx, err)
}

// SnapshotAt is projections.Reader.SnapshotAt.
func (w *wholeIndex) SnapshotAt(ctx context.Context, position events.Position) (int64, error) {
	if err := w.Whole(ctx); err != nil {
		return 0, err
	}
	snapshot, err := w.reader.SnapshotAt(ctx, position)
	return snapshot, w.judged(ctx, err)
}
