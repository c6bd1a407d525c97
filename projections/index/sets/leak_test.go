package sets

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// clause stands for what a search gives the reader to read with.
type clause struct{ keys [1_000]int64 }

// askFor has a set read with a clause that nothing else holds.
func askFor(v *View, key int64) weak.Pointer[clause] {
	c := &clause{}
	v.AskForSet(Kind{Table: FollowTable}.Name(key), 8_000, func(*sql.At, int) (*roaring.Bitmap, error) {
		if key%2 == 1 {
			return nil, errors.New("the disk is gone")
		}
		return roaring.BitmapOf(uint32(c.keys[0])), nil
	})
	return weak.Make(c)
}

func TestWhatASetIsReadWithIsHeldNoLongerThanTheJobWaits(t *testing.T) {
	db := newSlowDB()
	sets := New(db, Bounds{})
	t.Cleanup(sets.Close)
	v := opened(sets)
	closedOf(v)
	<-db.began // and is held back
	clauses := map[string]weak.Pointer[clause]{"one that was read": askFor(v, 0), "one that failed": askFor(v, 1)}
	v.ask(readSets(Kind{Table: TermTable}, []int64{1})) // which is held back, too
	early := maps.Clone(clauses)
	sets.Forget()
	clauses["one of an earlier epoch"] = askFor(v, 2)
	v = opened(sets)
	for n := range int64(jobsBound + 10) {
		clauses[fmt.Sprintf("the %d. that waited, or was refused", n)] = askFor(v, 4+n)
	}
	if waiting := int64(len(sets.queue)); waiting != jobsBound || sets.used < 8_000*waiting {
		t.Errorf("%d jobs wait, %d bytes are counted", waiting, sets.used)
	}
	gone := func(clauses map[string]weak.Pointer[clause]) {
		t.Helper()
		runtime.GC()
		for which, c := range clauses {
			if c.Value() != nil {
				t.Errorf("the clause of %s is still held", which)
			}
		}
	}
	db.let <- struct{}{}
	<-db.began // others wait
	gone(early)
	db.let <- struct{}{}
	if err := sets.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(clauses)
	counted := int64(0)
	for _, k := range v.part.keys {
		counted += k.bytes
	}
	if sets.used != counted || counted == 0 {
		t.Errorf("%d bytes are counted, %d are those of sets", sets.used, counted)
	}
	runtime.KeepAlive(sets)
}

func TestWhatIsReadIsCountedWhileItIsRead(t *testing.T) {
	sets := New(nil, Bounds{Memory: 100_000})
	v := opened(sets)
	v.KeepSet(Kind{Table: TermTable}.Name(1), NewSet(roaring.BitmapOf(1, 2, 3), 7))
	kept := sets.used
	g := v.gather()
	if g.add(50_000); sets.used != kept+50_000 {
		t.Errorf("%d bytes are counted, want %d", sets.used, kept+50_000)
	}
	if g.add(49_999); sets.used != 99_999 { // what is held has made room
		t.Errorf("%d bytes are counted, want what is being read alone, 99,999", sets.used)
	}
	if g.end(); sets.used != 0 {
		t.Errorf("%d bytes are counted after the end", sets.used)
	}
}

func TestWhatManySearchesKeepWhileAllIsForgottenIsNeverOfAnEarlierEpoch(t *testing.T) {
	db := newSlowDB()
	close(db.let)
	go func() {
		for range db.began { // nobody else looks
		}
	}()
	t.Cleanup(func() { close(db.began) })
	sets := New(db, Bounds{Memory: 20_000})
	t.Cleanup(sets.Close) // before
	var wg sync.WaitGroup
	for n := range uint64(4) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(n, 2))
			for range 300 {
				v := sets.Open(&sql.At{Ctx: t.Context(), DB: db, Dialect: plain{}, Partition: 0, Snapshot: 90})
				key := random.Int64N(20)
				s, err := v.AsOf(random.IntN(2) == 0)
				if err != nil {
					t.Error(err)
				}
				if s != nil {
					_, err = s.Having(Kind{Table: TermTable}, []int64{key, key + 1}, Patience(random.IntN(3)))
				}
				if _, known := v.TypeRows(key); err == nil && !known {
					v.NoteTypeRows(key, TypeRows{Rows: 1})
					v.NotePassed(key)
					v.SetOrAsk(Kind{Table: FollowTable}.Name(key))
					_ = askFor(v, 2*key)
				}
				if err != nil {
					t.Error(err)
				}
				if random.IntN(20) == 0 {
					sets.Forget()
				}
			}
		})
	}
	wg.Wait()
	if err := sets.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	sets.mu.Lock()
	used, bound := sets.used, int64(sets.bounds.Memory)
	sets.mu.Unlock()
	if used < 0 || used > bound {
		t.Errorf("%d bytes are counted, %d are allowed", used, bound)
	}
	if sets.Forget(); sets.used != 0 {
		t.Errorf("%d bytes are counted of nothing: something of an earlier epoch was kept, or counted twice", sets.used)
	}
}
