package projectionstest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// currentWhileBuilding holds what a generation tells of current versions against the model, while its tables are bare,
// after somebody else has gone on with it, and when it is finished.
func currentWhileBuilding(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	b := build(t, g, "catalog-2")
	w := newWorld(t, b, 0)
	look := func(when string) {
		t.Helper()
		var wanted []projections.Key
		for k := range w.current {
			wanted = append(wanted, k)
		}
		for _, name := range []string{"Observation", "Patient", "Never"} {
			for i := range 25 {
				wanted = append(wanted, key(name, fmt.Sprint(i)))
			}
		}
		got, err := w.index.Current(ctx, wanted)
		if err != nil {
			t.Fatalf("%s: Current: %v", when, err)
		}
		for i, k := range wanted {
			if got[i] != w.current[k].Version {
				t.Fatalf("%s: %s/%s is %+v, want %+v", when, k.Type, k.ID, got[i], w.current[k].Version)
			}
		}
	}
	look("with nothing in it")
	for n := range uint64(3) {
		fill(w, 20+n, 40)
		look(fmt.Sprintf("after part %d", n))
	}
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	b = build(t, g, "catalog-2")
	w.index = b
	look("resumed")
	fill(w, 30, 40)
	look("after a part more")
	patient := key("Patient", "1")
	w.checkSpan(projections.Span{Tenant: "main", Types: []string{"Patient"}, Key: patient, Limit: 3, Count: true})
	w.checkSpan(projections.Span{Tenant: "main", Types: []string{"Patient", "Observation"}, Limit: 20, Count: true})
	w.check(projections.Query{Tenant: "main", Type: "Patient", Limit: 7, Clauses: []projections.Clause{{Param: "_id",
		Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "1"}}}}})
	fill(w, 31, 40)
	look("after a look at ids")
	finish(t, b)
	look("finished")
}

// repeatedWhileBuilding gives a generation that is being built a version that is there.
func repeatedWhileBuilding(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	b := build(t, g, "catalog-2")
	w := newWorld(t, b, 0)
	fill(w, 40, 30)
	again := w.rows[0]
	again.Sid, again.Supersedes = w.sid+1, 0
	err := b.Commit(ctx, projections.Commit{Expect: w.offset, Next: w.offset + 1, Time: w.now,
		Rows: []projections.Row{again}})
	if err == nil {
		t.Fatalf("%s/%s got its version %d twice", again.Type, again.ID, again.Number)
	}
	fill(w, 41, 30)
	finish(t, b)
	w.check(projections.Query{Tenant: "main", Type: again.Type, Limit: 7, Total: projections.TotalAccurate})
}

// interruptedFinish ends a Finish at one step after the other; the next one, of another process, goes on.
func interruptedFinish(t *testing.T, g projections.Generations) {
	live := newWorld(t, g.Live(), 0)
	fill(live, 50, 150)
	b := build(t, g, "catalog-2")
	w := replay(t, live, b, 20)
	for stop := 1; ; stop *= 3 {
		ctx, cancel := context.WithCancel(testContext(t))
		steps := 0
		err := b.Finish(ctx, func(int, int, string) {
			if steps++; steps == stop {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if kind := events.KindOf(err); kind != events.Transient {
			t.Fatalf("Finish that was ended after %d steps: %v of kind %v", stop, err, kind)
		}
		if err := b.Release(); err != nil {
			t.Fatal(err)
		}
		b = build(t, g, "catalog-2")
		w.index = b
	}
	want, wantDigests := scan(t, g.Live(), 0)
	got, gotDigests := scan(t, b, 0)
	if !slices.Equal(got, want) || !slices.Equal(gotDigests, wantDigests) {
		t.Fatal("a generation whose Finish was interrupted differs")
	}
	if audit, err := b.Audit(testContext(t)); err != nil || len(audit.Lacks) > 0 {
		t.Fatalf("it lacks %v, %v", audit.Lacks, err)
	}
	w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Total: projections.TotalAccurate})
}
