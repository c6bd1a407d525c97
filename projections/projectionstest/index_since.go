package projectionstest

import (
	"slices"
	"testing"

	"binnacle/projections"
)

// since tells what a cache of current versions rests on: nothing that was committed between two marks is missing.
func since(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	ask := func(mark projections.Mark, limit int) projections.Changes {
		t.Helper()
		changes, err := g.Live().Since(ctx, 0, mark, limit)
		if err != nil {
			t.Fatalf("Since(%+v): %v", mark, err)
		}
		return changes
	}
	w := newWorld(t, g.Live(), 0)
	start := ask(projections.Mark{}, 10)
	if start.Known || start.Mark.Generation != 1 {
		t.Fatalf("Since the zero mark = %+v; nothing is known then, and generation 1 is live", start)
	}
	if again := ask(start.Mark, 0); !again.Known || again.Mark != start.Mark || len(again.Versions) != 0 {
		t.Fatalf("Since = %+v although nothing was committed", again)
	}
	want := []projections.Version{
		w.put(projections.Key{Tenant: "main", Type: "Patient", ID: "1"}, 5),
		w.put(projections.Key{Tenant: "other", Type: "Observation", ID: "1"}, 6),
		w.put(projections.Key{Tenant: "main", Type: "Patient", ID: "1"}, 7),
		w.remove(projections.Key{Tenant: "other", Type: "Observation", ID: "1"}),
	}
	w.commit()
	got := ask(start.Mark, len(want))
	if !got.Known || got.Mark.Sid != want[len(want)-1].Sid || !slices.Equal(got.Versions, want) {
		t.Fatalf("Since = %+v, want the versions %+v", got, want)
	}
	if few := ask(start.Mark, len(want)-1); few.Known || few.Mark != got.Mark || len(few.Versions) != 0 {
		t.Fatalf("more versions than the limit: %+v; want none, not known, and the mark", few)
	}
	if rest := ask(projections.Mark{Generation: 1, Sid: want[2].Sid}, 10); !rest.Known ||
		!slices.Equal(rest.Versions, want[3:]) {
		t.Fatalf("Since a Sid in between = %+v", rest)
	}
	b := build(t, g, "catalog-2")
	replay(t, w, b, 2)
	finish(t, b)
	if err := b.Switch(ctx); err != nil {
		t.Fatalf("Switch: %v", err)
	}
	stateOf(t, g.Live(), 0)
	if moved := ask(got.Mark, 10); moved.Known || moved.Mark.Generation != 2 {
		t.Fatalf("after a switch: %+v; want nothing known, and generation 2", moved)
	}
}
