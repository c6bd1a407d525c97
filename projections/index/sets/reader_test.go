package sets

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"binnacle/projections/index/sql"
)

// slowDB answers what the background asks once it is let: version 90 is what is committed last, and every set holds
// versions 1, 2 and 3.
type slowDB struct {
	let    chan struct{} // closed, or one for each statement that reads a set
	began  chan struct{}
	asked  atomic.Int64
	failed error
}

func newSlowDB() *slowDB {
	return &slowDB{let: make(chan struct{}, 1_000), began: make(chan struct{}, 1_000)}
}

func (d *slowDB) Query(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error {
	if strings.Contains(sql, "next_sid") {
		return row(func(into ...any) error {
			*into[0].(*int64) = 91 //nolint:forcetypeassert // see CommittedNow
			return nil
		})
	}
	d.asked.Add(1)
	d.began <- struct{}{}
	select {
	case <-d.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.failed != nil {
		return d.failed
	}
	list, several := args[0].([]int64)
	if !several {
		list = []int64{args[0].(int64)} //nolint:forcetypeassert // the key
	}
	for _, key := range list {
		err := row(func(into ...any) error {
			for _, v := range into {
				switch v := v.(type) {
				case *int64:
					*v = key
				case *[]byte:
					*v = []byte("1,2,3")
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func ends(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end", what)
	}
}

// opened is a view of the first partition.
func opened(s *Memory) *View { return s.Open(&sql.At{Dialect: plain{}}) }

// closedOf has it read what is superseded.
func closedOf(v *View) *reading { return v.ask(readClosed())[wanted{what: wantedClosed}] }

// told is what a reading has told to be superseded; nil: nothing.
func told(r *reading) *roaring.Bitmap {
	known, _ := r.value.(closedUpTo)
	return known.closed
}

func TestWhatTwoSearchesNeedIsReadOnceAndKept(t *testing.T) {
	db := newSlowDB()
	sets := New(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	v := opened(sets)
	one := closedOf(v)
	<-db.began
	two := closedOf(opened(sets))
	if one == nil || one != two {
		t.Fatal("two searches wait for two readings of one set")
	}
	if _, known := v.Count(nil); !known { // nobody holds the sets meanwhile
		t.Error("the sets cannot be looked at while something is read")
	}
	close(db.let)
	ends(t, "the reading", one.done)
	read, _ := one.value.(closedUpTo)
	if kept, upTo := v.Superseded(); db.asked.Load() != 1 || read.upTo != 90 || read.closed.GetCardinality() != 3 ||
		kept != read.closed || upTo != 90 {
		t.Errorf("read %d times, up to %d, kept %v up to %d; want once, up to 90, three versions", db.asked.Load(),
			read.upTo, kept, upTo)
	}
	if err := sets.Idle(t.Context()); err != nil || sets.working != nil || len(v.part.readings) > 0 {
		t.Errorf("the reader goes on after its last job: %v", err)
	}
}

func TestWhatWasBegunBeforeAllWasForgottenIsToldAndNotKept(t *testing.T) {
	db := newSlowDB()
	sets := New(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	before := opened(sets)
	old := closedOf(before)
	<-db.began
	sets.Forget()
	after := opened(sets)
	fresh := closedOf(after)
	if fresh == old {
		t.Fatal("a search waits for what was read before all was forgotten")
	}
	late := closedOf(before) // of a search that began before
	close(db.let)
	for _, r := range []*reading{old, fresh, late} {
		ends(t, "a reading", r.done)
		if told(r) == nil {
			t.Error("who waits is told nothing")
		}
	}
	if err := sets.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	was, _ := before.Superseded()
	if is, _ := after.Superseded(); was != nil || is != told(fresh) || sets.used != bitmapBytes(is) {
		t.Errorf("what was begun before is kept: %v, %v, %d bytes", was, is, sets.used)
	}
}

func TestWhatFailsToBeReadIsNotKeptAndReadWhenItIsAskedForAgain(t *testing.T) {
	db := newSlowDB()
	db.failed = errors.New("the disk is gone")
	close(db.let)
	sets := New(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	v := opened(sets)
	for n := range int64(2) {
		r := closedOf(v)
		ends(t, "the reading", r.done)
		if err := sets.Idle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept, _ := v.Superseded(); r.value != nil || kept != nil || db.asked.Load() != n+1 ||
			len(v.part.readings) > 0 {
			t.Errorf("after %d errors: told %v, kept %v, asked %d times", n+1, r.value, kept, db.asked.Load())
		}
	}
}

func TestSoManyJobsWaitAndNoMoreAndNoneAfterTheEnd(t *testing.T) {
	db := newSlowDB()
	sets := New(db, Bounds{}.OrDefault())
	v := opened(sets)
	ask := func(key int64) *reading {
		t := readSets(Kind{Table: TermTable}, []int64{key})
		return v.ask(t)[t.wanted[0]]
	}
	under := ask(1)
	<-db.began
	var last *reading
	for n := range int64(jobsBound) {
		if last = ask(2 + n); last == nil {
			t.Fatalf("job %d is refused", n+1)
		}
	}
	if ask(1_000) != nil {
		t.Errorf("more than %d jobs wait", jobsBound)
	}
	if ask(1) != under {
		t.Error("what is being read is not found where too many jobs wait")
	}
	sets.Close()
	ends(t, "the reading under way", under.done)
	ends(t, "a reading that waited", last.done)
	if under.value != nil || last.value != nil || sets.working != nil || db.asked.Load() != 1 {
		t.Errorf("something was read after the end: %d statements", db.asked.Load())
	}
	if ask(1) != nil {
		t.Error("something is read after the end")
	}
}

func TestASearchWaitsForASetAsLongAsItsContextLasts(t *testing.T) {
	db := newSlowDB()
	sets := New(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	ctx, cancel := context.WithCancel(t.Context())
	v := sets.Open(&sql.At{Ctx: ctx, DB: db, Dialect: plain{}, Snapshot: 90})
	if s, err := v.AsOf(false); s != nil || err != nil {
		t.Fatalf("got %v, %v where nothing is known and nobody waits", s, err)
	}
	<-db.began
	cancel()
	if s, err := v.AsOf(true); s != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v after the end of the context", s, err)
	}
	v.Ctx = t.Context()
	db.let <- struct{}{}
	s, err := v.AsOf(true)
	if s == nil || err != nil || s.Without.GetCardinality() != 3 || db.asked.Load() != 1 {
		t.Errorf("got %v, %v and %d statements", s, err, db.asked.Load())
	}
}
