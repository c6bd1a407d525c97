package project_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/project"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

func TestTheSameLogGivesTheSameRowsWhateverTheBatches(t *testing.T) {
	const count = 400
	for seed := range uint64(5) {
		records := functionstest.RandomRecords(t, seed, count)
		var want string
		var accepted, removed int
		for run := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(run)))
			x, blobs := functionstest.NewIndex(), memoryblobs.New()
			failures := errors.New("now and then")
			if run == 3 {
				x.Fail = func(string) error {
					if random.IntN(20) == 0 {
						return events.Wrap(events.Transient, "index", failures, "away")
					}
					return nil
				}
			}
			p := functionstest.NewProject(x, blobs)
			for {
				if _, err := p.Seek(t.Context(), 0); err == nil {
					break
				}
			}
			for rest := records; len(rest) > 0; {
				size := []int{1, count, 1 + random.IntN(40), 1 + random.IntN(40)}[run]
				size = min(size, len(rest))
				for {
					err := p.Handle(functionstest.Batch(rest[:size]...))
					if err == nil {
						break
					}
					if !errors.Is(err, failures) {
						t.Fatal(err)
					}
				}
				rest = rest[size:]
			}
			x.Fail = nil
			got := x.Dump()
			if run == 0 {
				want = got
				for _, o := range x.Decided {
					if o.Refusal == nil {
						accepted++
					}
					for _, r := range o.Results {
						removed += len(r.Removed)
					}
				}
				if removed < count/80 {
					t.Fatalf("seed %d: deletes took %d resources beside those they name: too few to test anything",
						seed, removed)
				}
				if accepted < count/4 || accepted > count*9/10 {
					t.Fatalf("seed %d: %d of %d events were accepted: too few or too many to test anything", seed,
						accepted, count)
				}
				continue
			}
			if got != want {
				t.Fatalf("seed %d, run %d differs from run 0: %s", seed, run, functionstest.FirstDifference(got, want))
			}
		}
	}
}

// deliver hands records to a projector as a follower does: in batches, from where Seek says whenever a reseek is asked,
// and the same batch again after an error.
func deliver(t *testing.T, p *project.Projector, records []events.RawRecord, size func() int, expected error) {
	t.Helper()
	reseek := make(chan struct{}, 1000)
	p.Reseek = func() { reseek <- struct{}{} }
	next := int64(-1)
	for next < int64(len(records)) {
		if next < 0 {
			var err error
			if next, err = p.Seek(t.Context(), 0); err != nil {
				next = -1
				continue
			}
		}
		rest := records[next:]
		rest = rest[:min(size(), len(rest))]
		if len(rest) > 0 {
			if err := p.Handle(functionstest.Batch(rest...)); err == nil {
				next += int64(len(rest))
			} else if !errors.Is(err, expected) {
				t.Fatal(err)
			}
		}
		if next == int64(len(records)) {
			if err := p.Settle(t.Context()); err != nil {
				if !errors.Is(err, expected) {
					t.Fatal(err)
				}
				next = -1
			}
		}
		select {
		case <-reseek:
			next = -1
		default:
		}
	}
}

func TestDecidingAheadOfTheCommitChangesNothing(t *testing.T) {
	const count = 200
	for seed := range uint64(2) {
		records := functionstest.RandomRecords(t, seed, count)
		var want string
		for run := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(run)))
			x := functionstest.NewIndex()
			away := events.Errorf(events.Transient, "index", "away")
			slow := func(method string) error {
				if method == "Commit" {
					time.Sleep(time.Millisecond)
				}
				return nil
			}
			x.Fail = slow
			if run == 3 {
				var mu sync.Mutex
				x.Fail = func(method string) error {
					mu.Lock()
					defer mu.Unlock()
					if random.IntN(15) == 0 {
						return away
					}
					return slow(method)
				}
			}
			p := functionstest.NewProject(x, memoryblobs.New())
			p.Ahead = run > 0
			sizes := rand.New(rand.NewPCG(seed, uint64(10+run)))
			deliver(t, p, records, func() int { return 1 + sizes.IntN(20) }, away)
			x.Fail = nil
			if got := x.Dump(); run == 0 {
				want = got
			} else if got != want {
				t.Fatalf("seed %d, run %d differs from the one that waits for each commit: %s", seed, run,
					functionstest.FirstDifference(got, want))
			}
		}
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	x := functionstest.NewIndex()
	p := functionstest.NewProject(x, memoryblobs.New())
	functionstest.MustSeek(t, p)
	if err := p.Handle(functionstest.Batch(functionstest.RandomRecords(t, 5, 200)...)); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, row := range x.Rows {
		if row.Time.Before(last) || row.Time.Location() != time.UTC {
			t.Fatalf("%v comes after %v", row.Time, last)
		}
		last = row.Time
	}
}

func TestARealIndexDecidesLikeTheSimpleOne(t *testing.T) {
	const count = 300
	for seed := range uint64(2) {
		records := functionstest.RandomRecords(t, seed, count)
		random := rand.New(rand.NewPCG(seed, 9))
		simple, real := functionstest.NewIndex(), functionstest.OpenIndex(t).Live()
		for _, x := range []projections.Index{simple, real} {
			p := functionstest.NewProject(x, memoryblobs.New())
			functionstest.MustSeek(t, p)
			for rest := records; len(rest) > 0; {
				size := min(1+random.IntN(30), len(rest))
				if err := p.Handle(functionstest.Batch(rest[:size]...)); err != nil {
					t.Fatal(err)
				}
				rest = rest[size:]
			}
		}
		var got, want []string
		for _, row := range simple.Rows {
			want = append(want, fmt.Sprintf("%+v", row.Version))
		}
		if err := real.Scan(t.Context(), 0, func(v projections.Version, _ events.Hash) error {
			got = append(got, fmt.Sprintf("%+v", v))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %s", seed, functionstest.FirstDifference(strings.Join(got, "\n"),
				strings.Join(want, "\n")))
		}
		ids := slices.Collect(maps.Keys(simple.Decided))
		outcomes, err := real.Outcomes(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if got, want := outcomes[i], simple.Decided[id]; got == nil || !reflect.DeepEqual(*got, *want) {
				t.Fatalf("seed %d, event %s: got %+v, want %+v", seed, id, got, want)
			}
		}
	}
}
