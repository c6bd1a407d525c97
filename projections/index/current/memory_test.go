package current_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/current"
)

// ledger is an index that others write to: the versions of one generation, by Sid. Answers take a while, so that
// writes come between.
type ledger struct {
	projections.Reader // not used
	mu                 sync.Mutex
	generation         int
	versions           []projections.Version
	lookups            atomic.Int64 // keys that were looked up
	failing            atomic.Bool
	hold               chan struct{} // nil: look-ups don't wait
}

func (l *ledger) write(id string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	sid := int64(len(l.versions)) + 1
	l.versions = append(l.versions, projections.Version{Key: key(id), Sid: sid, Number: sid})
	return sid
}

func (l *ledger) Current(_ context.Context, keys []projections.Key) ([]projections.Version, error) {
	l.lookups.Add(int64(len(keys)))
	found := make([]projections.Version, len(keys))
	l.mu.Lock()
	for i, k := range keys {
		for _, v := range l.versions {
			if v.Key == k {
				found[i] = v
			}
		}
	}
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
	time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
	return found, nil
}

func (l *ledger) Since(_ context.Context, _ int32, mark projections.Mark, limit int) (projections.Changes, error) {
	if l.failing.Load() {
		return projections.Changes{}, events.Errorf(events.Transient, "test", "away")
	}
	defer time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := projections.Changes{Mark: projections.Mark{Generation: l.generation, Sid: int64(len(l.versions))}}
	if more := c.Mark.Sid - mark.Sid; mark.Generation == l.generation && more >= 0 && more <= int64(limit) {
		c.Known, c.Versions = true, append(c.Versions, l.versions[mark.Sid:]...)
	}
	return c, nil
}

func ask(t *testing.T, r *current.Reader, id string) int64 {
	t.Helper()
	versions, err := r.Current(t.Context(), []projections.Key{key(id)})
	if err != nil || len(versions) != 1 {
		t.Fatalf("Current(%s) = %v, %v", id, versions, err)
	}
	return versions[0].Sid
}

func TestWhatIsRememberedIsNotLookedUpAgainAndIsAsNewAsTheIndex(t *testing.T) {
	l := &ledger{generation: 1}
	r := current.New(l, current.Config{Lanes: 2, Bytes: 1 << 20})
	written := l.write("1")
	for range 5 {
		if got := ask(t, r, "1"); got != written {
			t.Fatalf("version %d, want %d", got, written)
		}
	}
	if got := ask(t, r, "unknown"); got != 0 {
		t.Fatalf("what was never written has version %d", got)
	}
	if got := l.lookups.Load(); got != 2 {
		t.Fatalf("two resources took %d look-ups", got)
	}
	for _, id := range []string{"1", "unknown", "1"} { // another process writes
		written = l.write(id)
		if got := ask(t, r, id); got != written {
			t.Fatalf("%s has version %d, want %d", id, got, written)
		}
	}
	if got := l.lookups.Load(); got != 2 {
		t.Fatalf("changes were looked up: %d look-ups", got)
	}
}

func TestWhatIsRememberedWaitsForNoLookUp(t *testing.T) {
	l := &ledger{generation: 1}
	r := current.New(l, current.Config{Lanes: 1, Bytes: 1 << 20})
	written := l.write("1")
	ask(t, r, "1")
	hold := make(chan struct{})
	l.mu.Lock()
	l.hold = hold
	l.mu.Unlock()
	var slow sync.WaitGroup
	slow.Go(func() { ask(t, r, "unknown") })
	for l.lookups.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	if got := ask(t, r, "1"); got != written {
		t.Errorf("version %d, want %d", got, written)
	}
	close(hold)
	slow.Wait()
}

func TestNothingIsRememberedAcrossGenerationsOrTooManyChanges(t *testing.T) {
	l := &ledger{generation: 1}
	r := current.New(l, current.Config{Lanes: 2, Bytes: 1 << 20})
	l.write("1")
	ask(t, r, "1")
	l.mu.Lock()
	l.generation, l.versions = 2, nil
	l.mu.Unlock()
	if got := ask(t, r, "1"); got != 0 {
		t.Fatalf("the new generation is empty, but 1 has version %d", got)
	}
	for range 2_000 {
		l.write("1")
	}
	if got := ask(t, r, "1"); got != 2_000 {
		t.Fatalf("version %d, want 2000", got)
	}
	l.failing.Store(true)
	written := l.write("1")
	if got := ask(t, r, "1"); got != written {
		t.Fatalf("version %d while the index does not tell its changes, want %d", got, written)
	}
}

// Readers, writers and switches of the generation run against each other; no reader may see less than what was
// written before it asked.
func TestAMemoryUnderWritesIsNeverOlderThanTheQuestion(t *testing.T) {
	l := &ledger{generation: 1}
	r := current.New(l, current.Config{Lanes: 3, Bytes: 1 << 20})
	var newest [7]atomic.Int64
	stop := make(chan struct{})
	var all, writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(rand.IntN(200)) * time.Microsecond):
				}
				id := (n*2 + w) % len(newest)
				sid := l.write(fmt.Sprint(id))
				for old := newest[id].Load(); sid > old && !newest[id].CompareAndSwap(old,
					sid); old = newest[id].Load() {
				}
				if n%97 == 0 {
					l.mu.Lock()
					l.generation++ // a rebuild: the same versions
					l.mu.Unlock()
				}
			}
		})
	}
	for range 12 {
		all.Go(func() {
			for range 300 {
				id := rand.IntN(len(newest))
				least := newest[id].Load()
				versions, err := r.Current(t.Context(), []projections.Key{key(fmt.Sprint(id))})
				if err != nil || versions[0].Sid < least {
					t.Errorf("Current(%d) = %+v, %v; version %d had been written", id, versions, err, least)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	writers.Wait()
	if looked := l.lookups.Load(); looked >= 12*300 {
		t.Errorf("nothing was remembered: %d look-ups", looked)
	}
}
