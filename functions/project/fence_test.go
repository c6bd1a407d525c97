package project_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"binnacle/functions/functionstest"
	"binnacle/functions/project"
	memoryblobs "binnacle/projections/blobs/memory"
)

// Two projectors hold the same partition: one was stopped (SIGSTOP) while it had a batch in hand, and does not know
// that another one has gone on. Whoever finds another position than it has read loses: it writes nothing, and looks for
// its place again.
func TestAProjectorThatWasAsleepIsFencedAndLosesNothingForOthers(t *testing.T) {
	const count = 300
	for seed := range uint64(4) {
		records := functionstest.RandomRecords(t, seed, count)
		clean := functionstest.NewIndex()
		if err := functionstest.NewProject(clean, memoryblobs.New()).Handle(
			functionstest.Batch(records...)); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 3))
		x, blobs := functionstest.NewIndex(), memoryblobs.New()
		var reseeks atomic.Int32
		type follower struct {
			project *project.Projector
			next    int64 // of what it is given
			lost    bool
		}
		followers := make([]*follower, 2)
		for i := range followers {
			f := &follower{project: functionstest.NewProject(x, blobs), lost: true}
			f.project.Reseek = func() { f.lost = true; reseeks.Add(1) }
			followers[i] = f
		}
		for step := 0; ; step++ {
			state, err := x.State(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if state.Next == count {
				break
			}
			if step > 50*count {
				t.Fatalf("seed %d: the line stands at %d", seed, state.Next)
			}
			f := followers[random.IntN(2)] // the other one sleeps
			if f.lost {
				f.lost = false
				if f.next, err = f.project.Seek(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			end := min(count, f.next+int64(1+random.IntN(12)))
			if f.next == end {
				continue
			}
			before := x.Dump()
			if err := f.project.Handle(functionstest.Batch(records[f.next:end]...)); err != nil {
				t.Fatal(err)
			}
			if f.lost {
				if x.Dump() != before {
					t.Fatalf("seed %d: a projector that has lost its place has written", seed)
				}
				continue
			}
			f.next = end
		}
		if got, want := x.Dump(), clean.Dump(); got != want {
			t.Errorf("seed %d: two projectors made\n%s\nwant\n%s", seed, got, want)
		}
		if reseeks.Load() == 0 {
			t.Errorf("seed %d: nobody was fenced", seed)
		}
	}
}
