package current_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/current"
)

// index answers with the number that a key has at the moment of the query.
type index struct {
	projections.Reader // not used
	mu                 sync.Mutex
	numbers            map[string]int64
	bad                string // a key that makes every query with it fail
	kind               events.Kind
	queries, keys      atomic.Int64
	hold               chan struct{} // nil: queries don't wait
}

func (x *index) Current(_ context.Context, keys []projections.Key) ([]projections.Version, error) {
	x.queries.Add(1)
	x.keys.Add(int64(len(keys)))
	if x.hold != nil {
		<-x.hold
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	versions := make([]projections.Version, len(keys))
	for i, key := range keys {
		if key.ID == x.bad {
			return nil, events.Errorf(x.kind, "test", "a bad key")
		}
		versions[i] = projections.Version{Key: key, Number: x.numbers[key.ID]}
	}
	return versions, nil
}

func key(id string) projections.Key { return projections.Key{Tenant: "main", Type: "Patient", ID: id} }

func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	x := &index{numbers: map[string]int64{}}
	r := current.New(x, current.Config{Lanes: 2})
	var all sync.WaitGroup
	for c := range 16 {
		id := fmt.Sprint(c % 5) // several callers ask for the same key
		all.Go(func() {
			for range 500 {
				x.mu.Lock()
				x.numbers[id]++
				written := x.numbers[id]
				x.mu.Unlock()
				versions, err := r.Current(t.Context(), []projections.Key{key(id)})
				if err != nil || len(versions) != 1 || versions[0].Key != key(id) || versions[0].Number < written {
					t.Errorf("Current(%s) = %+v, %v; want at least version %d", id, versions, err, written)
					return
				}
			}
		})
	}
	all.Wait()
	if x.keys.Load() > 16*500 {
		t.Errorf("%d keys were asked for, %d wanted", x.keys.Load(), 16*500)
	}
}

func TestQuestionsThatComeDuringAQueryShareTheNextOne(t *testing.T) {
	synctest.Test(t, questionsShare)
}

func questionsShare(t *testing.T) {
	x := &index{numbers: map[string]int64{}, hold: make(chan struct{})}
	r := current.New(x, current.Config{Lanes: 1})
	var all sync.WaitGroup
	ask := func(id string) {
		all.Go(func() {
			if _, err := r.Current(t.Context(), []projections.Key{key(id)}); err != nil {
				t.Error(err)
			}
		})
	}
	ask("first")
	synctest.Wait() // the first query is under way
	for i := range 50 {
		ask(fmt.Sprint(i))
	}
	synctest.Wait() // all of them have asked
	close(x.hold)
	all.Wait()
	if got := x.queries.Load(); got != 2 {
		t.Errorf("51 questions took %d queries, want 2", got)
	}
}

func TestOneBadKeyHarmsNobodyElse(t *testing.T) {
	for _, kind := range []events.Kind{events.Invalid, events.Transient} {
		x := &index{numbers: map[string]int64{"good": 1}, bad: "bad", kind: kind}
		r := current.New(x, current.Config{Lanes: 1})
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, err := r.Current(t.Context(), []projections.Key{key("bad")}); events.KindOf(err) != kind {
					t.Errorf("the bad key: %v, want kind %v", err, kind)
				}
			})
			all.Go(func() {
				versions, err := r.Current(t.Context(), []projections.Key{key("good")})
				if kind == events.Invalid && (err != nil || versions[0].Number != 1) {
					t.Errorf("the good key: %+v, %v", versions, err)
				}
			})
		}
		all.Wait()
	}
}

func TestACallerThatLeavesIsNotWaitedFor(t *testing.T) {
	x := &index{numbers: map[string]int64{}, hold: make(chan struct{})}
	r := current.New(x, current.Config{Lanes: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Current(ctx, []projections.Key{key("1")}); events.KindOf(err) != events.Transient {
		t.Errorf("got %v, want kind transient", err)
	}
	close(x.hold)
	if _, err := r.Current(t.Context(), []projections.Key{key("1"), key("2")}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}
