package projectionstest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// horizon forgets all snapshots before the latest.
func (w *world) horizon(g projections.Generations) {
	w.t.Helper()
	if err := g.Sweeper().Horizon(testContext(w.t), w.partition, w.sid); err != nil {
		w.t.Fatalf("Horizon: %v", err)
	}
}

// portions returns a function that sweeps up to so many portions, and tells whether nothing is left.
func portions(t *testing.T, g projections.Generations) func(n int) bool {
	sweeper := g.Sweeper()
	return func(n int) (done bool) {
		t.Helper()
		ctx := testContext(t)
		sweep, err := sweeper.Sweep(ctx)
		if err != nil {
			t.Fatalf("Sweep: %v", err)
		}
		for range n {
			portion, err := sweep.Portion(ctx)
			if err != nil {
				t.Fatalf("Portion: %v", err)
			}
			if done = portion.Done; done {
				break
			}
		}
		if err := sweep.Release(); err != nil {
			t.Fatalf("Release: %v", err)
		}
		return done
	}
}

// superseding writes n resources, and then as often again as rounds tells, with terms of all kinds.
func superseding(w *world, n, rounds int) {
	for round := range 1 + rounds {
		for i := range n {
			terms := []projections.Term{
				{Param: "code", Kind: projections.Token, System: "s", Code: "a"},
				{Param: "status", Kind: projections.Token, Code: fmt.Sprint(round)},
				{Param: "name", Kind: projections.String, Text: fmt.Sprintf("Anna %d", round)},
				{Param: "probability", Kind: projections.Number, Low: float64(round), High: float64(round)},
				{Param: "period", Kind: projections.Date, Start: day(2020, 1, 1), End: day(2021, 1, 1+round)},
				{Param: "subject", Kind: projections.Reference, System: "Patient", Code: fmt.Sprint(i % 7)},
				{Param: "encounter", Kind: projections.Reference, System: "Encounter", Code: fmt.Sprint((i +
					round) % 3)}, {Param: "_profile", Kind: projections.URI, Text: fmt.Sprintf("http://a/%d", round)},
			}
			w.put(key("Observation", fmt.Sprint(i)), day(2020, 1, 1+i%20), terms...)
		}
		w.commit()
	}
}

func (w *world) terms() int64 {
	w.t.Helper()
	sizes, err := w.index.Sizes(testContext(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	return sizes.Terms
}

func wantWaste(t *testing.T, g projections.Generations, want projections.Waste) {
	t.Helper()
	if got, err := g.Sweeper().Waste(testContext(t)); err != nil || got != want {
		t.Fatalf("Waste = %+v, %v; want %+v", got, err, want)
	}
}

func sweeps(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 1)
	superseding(w, 60, 0)
	once, before := w.terms(), w.sid
	superseding(w, 60, 1)
	for i := range 10 {
		w.remove(key("Observation", fmt.Sprint(i)))
	}
	w.commit()
	_, unswept := scan(t, w.index, 1)
	wantWaste(t, g, projections.Waste{Living: 50})
	w.horizon(g)
	wantWaste(t, g, projections.Waste{Superseded: 130, Living: 50})
	if !portions(t, g)(1_000) {
		t.Fatal("a sweep comes to no end")
	}
	wantWaste(t, g, projections.Waste{Living: 50})
	if got, want := w.terms(), once*50/60; got != want {
		t.Errorf("%d rows are left of 50 resources, want %d", got, want)
	}
	codes := projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Total: projections.TotalAccurate,
		Clauses: []projections.Clause{
			{Param: "code", Kind: projections.Token, Values: []projections.Value{{System: "s", Code: "a"}}}}}
	w.check(codes)
	for _, c := range []projections.Clause{
		{Param: "encounter", Kind: projections.Reference, Values: []projections.Value{{System: "Encounter",
			Code: "1"}}}, {Param: "_profile", Kind: projections.URI, Values: []projections.Value{{Text: "http://a/1"}}},
		{Param: "_profile", Kind: projections.URI, Modifier: projections.Below,
			Values: []projections.Value{{Text: "http://a"}}},
	} {
		w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Total: projections.TotalAccurate,
			Clauses: []projections.Clause{c}})
	}
	for _, sort := range []projections.SortKey{{Param: projections.ParamID, Kind: projections.Token},
		{Param: projections.ParamLastUpdated, Kind: projections.Date}, {Param: "name", Kind: projections.String},
		{Param: "status", Kind: projections.Token}, {Param: "period", Kind: projections.Date}} {
		w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 11, Sort: []projections.SortKey{sort}})
	}
	codes.Snapshot = before
	_, err := w.index.Search(testContext(t), codes)
	wantKind(t, err, events.Gone, "a search at a snapshot that is swept")
	_, err = w.index.SnapshotAt(testContext(t), events.Position{Partition: 1, Offset: 3})
	wantKind(t, err, events.Gone, "a position that is swept")
	for _, k := range []projections.Key{{}, key("Observation", "3")} {
		w.checkSpan(projections.Span{Tenant: "main", Types: []string{"Observation"}, Key: k, Limit: 1_000, Count: true})
		w.checkSpan(projections.Span{Tenant: "main", Types: []string{"Observation"}, Key: k, Limit: 1_000, Count: true,
			At: w.rows[len(w.rows)/2].Time})
	}
	versions, swept := scan(t, w.index, 1)
	current := map[projections.Key]int64{}
	for _, v := range versions {
		current[v.Key] = v.Sid
	}
	for i, v := range versions {
		want := unswept[i]
		if current[v.Key] != v.Sid {
			want = events.Hash{}
		}
		if swept[i] != want {
			t.Fatalf("version %d has the digest %x after a sweep, want %x", v.Sid, swept[i], want)
		}
	}
	w.put(key("Observation", "0"), 5, projections.Term{Param: "code", Kind: projections.Token, System: "s", Code: "a"})
	w.commit()
	codes.Snapshot = 0
	w.check(codes)
}

func sweepGoesOn(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	superseding(w, 700, 0)
	once := w.terms()
	superseding(w, 700, 1)
	w.horizon(g)
	stopped := 0
	patience := time.Duration(0)
	for done := false; !done; stopped++ {
		ctx, cancel := context.WithTimeout(testContext(t), patience)
		patience += 200*time.Microsecond + patience/8 // a slow machine must come to an end, too
		// it may stop before it has begun, inside a portion, and between two
		if sweep, err := g.Sweeper().Sweep(ctx); err == nil {
			if portion, err := sweep.Portion(ctx); err == nil {
				done = portion.Done
			}
			if err := sweep.Release(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if stopped > 0 && !done {
			if waste, err := g.Sweeper().Waste(testContext(t)); err != nil || waste.Superseded != 1400 {
				t.Fatalf("Waste = %+v, %v in the middle of a sweep; want 1400 versions", waste, err)
			}
		}
	}
	if stopped < 3 {
		t.Errorf("it was stopped %d times: too few", stopped)
	}
	if got := w.terms(); got != once {
		t.Errorf("%d rows are left, want %d", got, once)
	}
	w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 100, Total: projections.TotalAccurate})
}

func sweepBesideWrites(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	superseding(w, 40, 1)
	w.horizon(g)
	sweeper := g.Sweeper()
	sweep, err := sweeper.Sweep(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sweep.Release() }()
	snapshot := w.sid
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 100,
		Clauses: []projections.Clause{{Param: "status", Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "1"}}}}}
	for done := false; !done; {
		superseding(w, 10, 0)
		portion, err := sweep.Portion(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		done = portion.Done
	}
	q.Snapshot = snapshot
	if got, want := w.search(q).Versions, w.expect(q, snapshot); !slices.Equal(got, want) {
		t.Errorf("a search at the horizon finds %v, want %v", names(got), names(want))
	}
	if waste, err := sweeper.Waste(testContext(t)); err != nil || waste.Superseded != 0 || waste.Begun {
		t.Errorf("Waste = %+v, %v; want none: what was superseded since lies behind the horizon", waste, err)
	}
	_ = sweep.Release()
	w.horizon(g)
	if !portions(t, g)(1_000) {
		t.Fatal("the next sweep comes to no end")
	}
	_, err = w.index.Search(testContext(t), q)
	wantKind(t, err, events.Gone, "a search before the horizon that has moved")
	if err := sweeper.Horizon(testContext(t), 0, snapshot); err != nil {
		t.Fatal(err)
	}
	_, err = w.index.Search(testContext(t), q)
	wantKind(t, err, events.Gone, "a search before a horizon that was asked to go back")
}

func sweepIsExclusive(t *testing.T, g projections.Generations) {
	sweeper := g.Sweeper()
	first, err := sweeper.Sweep(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = sweeper.Sweep(testContext(t))
	wantKind(t, err, events.Conflict, "a second sweep")
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if !portions(t, g)(10) {
		t.Error("a sweep of an empty index comes to no end")
	}
}
