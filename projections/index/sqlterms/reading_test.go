package sqlterms

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowDB answers what the background asks once it is let: version 90 is what is committed last, and every set holds versions 1, 2 and 3.
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
		return row(func(into ...any) error { *into[0].(*int64) = 91; return nil }) //nolint:forcetypeassert // see committedNow
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
	return row(func(into ...any) error {
		for _, v := range into {
			switch v := v.(type) {
			case *int64:
				*v = args[0].(int64) //nolint:forcetypeassert // the key
			case *[]byte:
				*v = []byte("1,2,3")
			}
		}
		return nil
	})
}

func ends(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end", what)
	}
}

func closedOf(p *partitionSets, epoch int) map[wanted]*reading {
	return p.ask(epoch, plain{}, []wanted{{form: closedVersions}})
}

func TestWhatTwoSearchesNeedIsReadOnceAndKept(t *testing.T) {
	db := newSlowDB()
	sets := NewSets(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	p := sets.of(0)
	want := wanted{form: closedVersions}
	one := closedOf(p, 0)[want]
	<-db.began
	two := closedOf(p, 0)[want]
	if one == nil || one != two {
		t.Fatal("two searches wait for two readings of one set")
	}
	if _, known := sets.count(0, nil); !known { // nobody holds the sets meanwhile
		t.Error("the sets cannot be looked at while something is read")
	}
	close(db.let)
	ends(t, "the reading", one.done)
	if asked := db.asked.Load(); asked != 1 || one.upTo != 90 || one.closed.GetCardinality() != 3 || p.closed != one.closed || p.upTo != 90 {
		t.Errorf("read %d times, up to %d, kept %v up to %d; want once, up to 90, three versions", asked, one.upTo, p.closed, p.upTo)
	}
	if err := sets.Idle(t.Context()); err != nil || sets.working != nil || len(p.readings) > 0 {
		t.Errorf("the reader goes on after its last job: %v", err)
	}
}

func TestWhatWasBegunBeforeAllWasForgottenIsToldAndNotKept(t *testing.T) {
	db := newSlowDB()
	sets := NewSets(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	before := sets.of(0)
	old := closedOf(before, 0)[wanted{form: closedVersions}]
	<-db.began
	sets.Forget()
	after := sets.of(0)
	fresh := closedOf(after, after.epoch)[wanted{form: closedVersions}]
	if fresh == old {
		t.Fatal("a search waits for what was read before all was forgotten")
	}
	late := closedOf(before, 0)[wanted{form: closedVersions}] // of a search that began before
	close(db.let)
	for _, r := range []*reading{old, fresh, late} {
		ends(t, "a reading", r.done)
		if r.closed == nil {
			t.Error("who waits is told nothing")
		}
	}
	if before.closed != nil || after.closed != fresh.closed || sets.used != 0 {
		t.Errorf("what was begun before is kept: %v, %v", before.closed, after.closed)
	}
}

func TestWhatFailsToBeReadIsNotKeptAndReadWhenItIsAskedForAgain(t *testing.T) {
	db := newSlowDB()
	db.failed = errors.New("the disk is gone")
	close(db.let)
	sets := NewSets(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	p := sets.of(0)
	for n := range int64(2) {
		r := closedOf(p, 0)[wanted{form: closedVersions}]
		ends(t, "the reading", r.done)
		if err := sets.Idle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.closed != nil || p.closed != nil || db.asked.Load() != n+1 || len(p.readings) > 0 {
			t.Errorf("after %d errors: told %v, kept %v, asked %d times", n+1, r.closed, p.closed, db.asked.Load())
		}
	}
}

func TestSoManyJobsWaitAndNoMoreAndNoneAfterTheEnd(t *testing.T) {
	db := newSlowDB()
	sets := NewSets(db, Bounds{}.OrDefault())
	p := sets.of(0)
	in := keyed{table: "term", order: "sort"}
	ask := func(key int64) *reading {
		list := wantedKeys(in, []int64{key})
		return p.ask(0, plain{}, list)[list[0]]
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
	if under.key != nil || last.key != nil || sets.working != nil || db.asked.Load() != 1 {
		t.Errorf("something was read after the end: %d statements", db.asked.Load())
	}
	if ask(1) != nil {
		t.Error("something is read after the end")
	}
}

func TestASearchWaitsForASetAsLongAsItsContextLasts(t *testing.T) {
	db := newSlowDB()
	sets := NewSets(db, Bounds{}.OrDefault())
	t.Cleanup(sets.Close)
	ctx, cancel := context.WithCancel(t.Context())
	x := &search{at: at{ctx: ctx, db: db, Dialect: plain{}, snapshot: 90}, Engine: Engine{Sets: sets, Bounds: Bounds{}.OrDefault()}, committed: true}
	if v, err := x.openSets(false); v != nil || err != nil {
		t.Fatalf("got %v, %v where nothing is known and nobody waits", v, err)
	}
	<-db.began
	cancel()
	if v, err := x.openSets(true); v != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v after the end of the context", v, err)
	}
	x.ctx = t.Context()
	db.let <- struct{}{}
	v, err := x.openSets(true)
	if v == nil || err != nil || v.without.GetCardinality() != 3 || db.asked.Load() != 1 {
		t.Errorf("got %v, %v and %d statements", v, err, db.asked.Load())
	}
	x.committed = false
	if v, err := x.openSets(true); v != nil || err != nil {
		t.Errorf("sets are used as of what is not committed: %v, %v", v, err)
	}
}
