package infra

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// wholeIndex is the live index as the doors read it, while it holds everything that was acknowledged. An index may lack some of it: one that was
// lost and is being filled anew from the log, one whose server lost its last commits in a crash, one that a node finds behind when it starts. What
// isn't there then is not answered with "not found" but with kind Transient, until the index has reached what the log held.
//
// In quiet times that costs nothing. A read that fails, and a watch that sees the index fail or go back, raise a doubt; the next read then compares
// the index with the log before it goes on.
type wholeIndex struct {
	projections.Reader
	log   events.Log
	index projections.Auditor

	doubts atomic.Int64 // how often something has raised a doubt; 1 at the start
	solved atomic.Int64 // the doubts at the time of a comparison that found nothing missing

	mu       sync.Mutex
	asked    int64           // the doubts for which need was asked
	need     map[int32]int64 // the next offset that each partition must have reached
	reached  map[int32]int64 // the most that each had reached when nothing was missing
	compared time.Time
	missing  error // of the last comparison
}

var _ projections.Reader = (*wholeIndex)(nil)

// compareEvery bounds how often reads that wait for an index compare it.
const compareEvery = 50 * time.Millisecond

func newWholeIndex(reader projections.Reader, log events.Log, index projections.Auditor) *wholeIndex {
	w := &wholeIndex{Reader: reader, log: log, index: index}
	w.doubts.Store(1)
	return w
}

// Whole compares the index with the log when there is a doubt. An error of kind Transient tells what is missing.
func (w *wholeIndex) Whole(ctx context.Context) error {
	doubts := w.doubts.Load()
	if w.solved.Load() == doubts {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing != nil && w.asked == doubts && time.Since(w.compared) < compareEvery {
		return w.missing
	}
	w.missing = w.compare(ctx, doubts)
	w.compared = time.Now()
	if w.missing == nil {
		w.solved.Store(doubts)
	}
	return w.missing
}

func (w *wholeIndex) compare(ctx context.Context, doubts int64) error {
	const op = "infra.wholeIndex"
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if w.asked != doubts || w.need == nil {
		ends, err := w.log.Ends(ctx)
		switch {
		case err == nil:
			w.need = make(map[int32]int64, len(ends))
			for _, end := range ends {
				w.need[end.Partition] = end.Next
			}
		case w.reached != nil:
			w.need = maps.Clone(w.reached) // the log is away: what the index had held must do
		default:
			return err
		}
		w.asked = doubts
	}
	states, err := w.index.Partitions(ctx)
	if err != nil {
		return events.Wrap(events.Transient, op, err, "the index does not answer")
	}
	missing := int64(0)
	for partition, next := range w.need {
		missing += max(0, next-states[partition].Next)
	}
	if missing > 0 {
		return events.Errorf(events.Transient, op, "the index lacks %d events of the log, which are being projected; it is read again when they are there", missing)
	}
	w.reached = make(map[int32]int64, len(states))
	for partition, state := range states {
		w.reached[partition] = state.Next
	}
	return nil
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
	versions, err := w.Reader.Current(ctx, keys)
	return versions, w.judged(ctx, err)
}

// Search is projections.Reader.Search.
func (w *wholeIndex) Search(ctx context.Context, query projections.Query) (projections.Page, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.Page{}, err
	}
	page, err := w.Reader.Search(ctx, query)
	return page, w.judged(ctx, err)
}

// State is projections.Reader.State.
func (w *wholeIndex) State(ctx context.Context, partition int32) (projections.State, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.State{}, err
	}
	state, err := w.Reader.State(ctx, partition)
	return state, w.judged(ctx, err)
}

// History is projections.Reader.History.
func (w *wholeIndex) History(ctx context.Context, key projections.Key, span projections.HistorySpan) (projections.HistoryPage, error) {
	if err := w.Whole(ctx); err != nil {
		return projections.HistoryPage{}, err
	}
	page, err := w.Reader.History(ctx, key, span)
	return page, w.judged(ctx, err)
}
