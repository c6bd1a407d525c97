package node

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// standIn is a log and an index of which a test sets what they say.
type standIn struct {
	events.Log
	projections.Index
	end    int64
	next   int64
	logErr error
	err    error

	hold  chan struct{} // when set, Partitions answers once it is closed
	asked atomic.Int64  // how often Partitions was asked
}

func (s *standIn) Ends(context.Context) ([]events.End, error) {
	return []events.End{{Next: s.end}}, s.logErr
}

func (s *standIn) Partitions(context.Context) (map[int32]projections.State, error) {
	s.asked.Add(1)
	if s.hold != nil {
		<-s.hold
	}
	return map[int32]projections.State{0: {Next: s.next}}, s.err
}

func (s *standIn) Current(context.Context, []projections.Key) ([]projections.Version, error) {
	return []projections.Version{{}}, s.err
}

func TestAnIndexThatLacksWhatTheLogHoldsIsNotRead(t *testing.T) {
	away := events.Errorf(events.Transient, "test", "away")
	s := &standIn{end: 10, next: 4}
	w := newWholeIndex(s, s, s)
	read := func(when string, want events.Kind, fails bool) {
		t.Helper()
		w.mu.Lock()
		w.compared = w.compared.Add(-compareEvery)
		w.mu.Unlock()
		_, err := w.Current(t.Context(), nil)
		if fails != (err != nil) || fails && events.KindOf(err) != want {
			t.Errorf("%s a read gives %v, want an error: %v", when, err, fails)
		}
	}
	read("of an index that is behind at the start", events.Transient, true)
	s.end = 20 // what is written meanwhile is not waited for
	s.next = 10
	read("of an index that has caught up", 0, false)
	s.next = 11
	read("in quiet times", 0, false)
	s.err = away
	read("of an index that is away", events.Transient, true)
	s.err, s.next = nil, 0
	read("of an index that was made anew, and is empty", events.Transient, true)
	s.next = 20
	read("of an index that was filled again", 0, false)
	s.next = 3
	w.observe(map[int32]projections.State{0: {Next: 3}}, nil)
	read("of an index that was seen to go back", events.Transient, true)
	s.next, s.logErr = 19, away
	s.err = away
	read("with log and index away", events.Transient, true)
	s.err = nil
	read("with the log away, and less than was there", events.Transient, true)
	s.next = 20
	read("with the log away, and all that was there", 0, false)
	w.observe(nil, away)
	s.logErr, s.end = nil, 21
	read("after the watch was not answered", events.Transient, true)
}

func TestReadersOfAnIndexInDoubtShareOneComparisonAndNobodySpoilsIt(t *testing.T) {
	s := &standIn{end: 10, next: 10, hold: make(chan struct{})}
	w := newWholeIndex(s, s, s)
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- w.Whole(leaving) }()
	for s.asked.Load() == 0 {
		runtime.Gosched()
	}
	const readers = 200
	waiting := make(chan error, readers)
	for range readers {
		go func() {
			_, err := w.Current(t.Context(), nil)
			waiting <- err
		}()
	}
	leave()
	if err := <-left; events.KindOf(err) != events.Transient {
		t.Errorf("the one who left is told %v", err)
	}
	close(s.hold)
	for range readers {
		if err := <-waiting; err != nil {
			t.Fatalf("a reader is told %v", err)
		}
	}
	if asked := s.asked.Load(); asked != 1 {
		t.Errorf("the index was asked %d times", asked)
	}
}

func TestEveryReadOfAnIndexThatLacksSomethingIsRefused(t *testing.T) {
	s := &standIn{end: 10}
	w := newWholeIndex(s, s, s)
	ctx := t.Context()
	for name, read := range map[string]func() error{
		"Current":    func() error { _, err := w.Current(ctx, nil); return err },
		"Search":     func() error { _, err := w.Search(ctx, projections.Query{}); return err },
		"State":      func() error { _, err := w.State(ctx, 0); return err },
		"Since":      func() error { _, err := w.Since(ctx, 0, projections.Mark{}, 1); return err },
		"SnapshotAt": func() error { _, err := w.SnapshotAt(ctx, events.Position{}); return err },
		"Version":    func() error { _, err := w.Version(ctx, projections.Key{}, 1); return err },
		"Versions":   func() error { _, err := w.Versions(ctx, projections.Span{}); return err },
	} {
		if err := read(); events.KindOf(err) != events.Transient {
			t.Errorf("%s gives %v", name, err)
		}
	}
}
