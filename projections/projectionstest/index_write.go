package projectionstest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

func wantKind(t *testing.T, err error, want events.Kind, what string) {
	t.Helper()
	if err == nil || events.KindOf(err) != want {
		t.Fatalf("%s: got error %v of kind %s, want kind %s", what, err, events.KindOf(err), want)
	}
}

func stateOf(t *testing.T, index projections.Index, partition int32) projections.State {
	t.Helper()
	state, err := index.State(testContext(t), partition)
	if err != nil {
		t.Fatalf("State: %v", err)
	}
	return state
}

func startsEmpty(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	for _, partition := range []int32{0, 5} {
		want := projections.State{NextSid: int64(partition)<<projections.SidBits + 1}
		if got := stateOf(t, g.Live(), partition); got != want {
			t.Fatalf("State(%d) = %+v, want %+v", partition, got, want)
		}
	}
	if states, err := g.Live().Partitions(ctx); err != nil || len(states) != 0 {
		t.Fatalf("Partitions = %v, %v", states, err)
	}
	if page := newWorld(t, g.Live(), 0).search(projections.Query{Tenant: "main", Type: "Patient", Limit: 5}); len(
		page.Versions) != 0 || page.Total != 0 || page.Next != "" {
		t.Fatalf("a search found %+v", page)
	}
	if err := g.Ready(ctx); err != nil {
		t.Fatalf("Ready: %v", err)
	}
	list, err := g.List(ctx)
	if err != nil || len(list) != 1 || list[0].Number != 1 || list[0].State != "live" ||
		list[0].Catalog != "catalog-1" || list[0].Made.IsZero() {
		t.Fatalf("List = %+v, %v", list, err)
	}
}

func commitTwice(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.put(key("Patient", "1"), 5)
	w.put(key("Patient", "1"), 6)
	c := w.take()
	c.Origin = projections.Origin{Log: "log-1/1/cluster", Last: events.Hash{1, 31: 2}}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.index.Commit(testContext(t), c), events.Conflict, "the same commit again")
	w.checkSpan(projections.Span{Tenant: "main", Types: []string{"Patient"}, Key: key("Patient", "1"), Limit: 10})
	if got := stateOf(t, w.index, 0); got.Next != c.Next || got.NextSid != 3 || !got.Time.Equal(c.Time) ||
		got.Origin != c.Origin {
		t.Fatalf("State = %+v after a commit to %d at %s of %+v", got, c.Next, c.Time, c.Origin)
	}
	if states, err := w.index.Partitions(testContext(t)); err != nil || states[0] != stateOf(t, w.index, 0) {
		t.Fatalf("Partitions = %+v, %v", states, err)
	}
	earlier := projections.Commit{Partition: 0, Expect: c.Next, Next: c.Next + 1, Time: c.Time.Add(-time.Hour)}
	if err := w.index.Commit(testContext(t), earlier); err != nil {
		t.Fatal(err)
	}
	if got := stateOf(t, w.index, 0); !got.Time.Equal(c.Time) {
		t.Fatalf("State.Time = %s, it went back from %s", got.Time, c.Time)
	}
}

func contentsFirst(later bool) func(t *testing.T, g projections.Generations) {
	if later {
		return contentsTogether
	}
	return contentsBefore
}

// contentsTogether asks for what waits when the store is away, and when it is back.
func contentsTogether(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.put(key("Patient", "1"), 5)
	c := w.take()
	var away atomic.Bool
	away.Store(true)
	c.Contents = []projections.Blob{{Content: []byte("x")}}
	c.Store = func(context.Context, []projections.Blob) error {
		if away.Load() {
			return events.Errorf(events.Transient, "test", "the blobs are away")
		}
		return nil
	}
	must(t, w.index.Commit(testContext(t), c), "Commit")
	all := projections.Query{Tenant: "main", Type: "Patient", Limit: 1, Total: projections.TotalNone}
	_, err := w.index.Search(testContext(t), all)
	wantKind(t, err, events.Transient, "a search of what can't be stored")
	w.put(key("Patient", "2"), 5)
	wantKind(t, w.index.Commit(testContext(t), w.take()), events.Transient, "a commit after one that can't be stored")
	away.Store(false)
	for ctx := testContext(t); ; {
		page, err := w.index.Search(ctx, all)
		if events.KindOf(err) == events.Transient && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil || len(page.Versions) != 1 {
			t.Fatalf("a search when the store is back: %+v, %v", page.Versions, err)
		}
		return
	}
}

func contentsBefore(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.put(key("Patient", "1"), 5)
	c := w.take()
	c.Contents = []projections.Blob{{Content: []byte("x")}}
	c.Store = func(context.Context, []projections.Blob) error {
		return events.Errorf(events.Transient, "test", "the blobs are away")
	}
	wantKind(t, w.index.Commit(testContext(t), c), events.Transient, "a commit whose contents cannot be stored")
	if versions, err := w.index.Current(testContext(t), []projections.Key{key("Patient", "1")}); err != nil ||
		versions[0].Number != 0 {
		t.Fatalf("Current = %+v, %v; a version is there without its content", versions, err)
	}
	if got := stateOf(t, w.index, 0); got.Next == c.Next {
		t.Fatalf("State = %+v after a commit that failed", got)
	}
	stored := false
	c.Store = func(context.Context, []projections.Blob) error { stored = true; return nil }
	if err := w.index.Commit(testContext(t), c); err != nil || !stored {
		t.Fatalf("Commit = %v, contents stored: %v", err, stored)
	}
	if versions, err := w.index.Current(testContext(t), []projections.Key{key("Patient", "1")}); err != nil ||
		versions[0].Number != 1 {
		t.Fatalf("Current = %+v, %v; want the version", versions, err)
	}
}

func writersRace(t *testing.T, g projections.Generations) {
	live := g.Live()
	for round := range int64(5) {
		commits := make([]projections.Commit, 4)
		for i := range commits {
			v := projections.Version{Key: key("Patient", fmt.Sprint(round)), Sid: round + 1, Number: 1,
				Position: events.Position{Offset: round}, Change: i, Time: time.UnixMilli(1e12)}
			commits[i] = projections.Commit{Expect: round, Next: round + 1, Time: v.Time,
				Rows: []projections.Row{{Version: v, Terms: []projections.Term{{Param: "who", Kind: projections.Token,
					Code: fmt.Sprint(i)}}}}}
		}
		errs := make([]error, len(commits))
		var all sync.WaitGroup
		for i := range commits {
			all.Go(func() { errs[i] = live.Commit(testContext(t), commits[i]) })
		}
		all.Wait()
		won := slices.Index(errs, nil)
		for i, err := range errs {
			if i != won {
				wantKind(t, err, events.Conflict, "a writer that came second")
			}
		}
		if won < 0 {
			t.Fatalf("no writer won: %v", errs)
		}
		page := newWorld(t, live, 0).search(projections.Query{Tenant: "main", Type: "Patient", Limit: 9,
			Clauses: []projections.Clause{{Param: "who", Kind: projections.Token,
				Values: []projections.Value{{Code: fmt.Sprint(won)}}},
				{Param: projections.ParamID, Kind: projections.Token,
					Values: []projections.Value{{Code: fmt.Sprint(round)}}}}})
		if len(page.Versions) != 1 || page.Versions[0].Change != won {
			t.Fatalf("the winner's version is not what was written: %+v", page.Versions)
		}
	}
}

func emptyCommit(t *testing.T, g projections.Generations) {
	live := g.Live()
	if err := live.Commit(testContext(t), projections.Commit{Partition: 2, Expect: 0, Next: 10,
		Time: time.UnixMilli(1e12)}); err != nil {
		t.Fatal(err)
	}
	want := projections.State{Next: 10, NextSid: 2<<projections.SidBits + 1, Time: time.UnixMilli(1e12).UTC()}
	if got := stateOf(t, live, 2); got != want {
		t.Fatalf("State = %+v, want %+v", got, want)
	}
	states, err := live.Partitions(testContext(t))
	if err != nil || len(states) != 1 || states[2] != want {
		t.Fatalf("Partitions = %v, %v", states, err)
	}
}

func sidsWithGap(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.put(key("Patient", "1"), 5)
	w.put(key("Patient", "2"), 5)
	c := w.take()
	c.Rows[1].Sid++
	if err := w.index.Commit(testContext(t), c); err == nil {
		t.Fatal("a gap in the Sids was accepted")
	}
	if got := stateOf(t, w.index, 0); got.Next != 0 || got.NextSid != 1 {
		t.Fatalf("State = %+v after a refused commit", got)
	}
	if found, err := w.index.Current(testContext(t), []projections.Key{key("Patient", "1")}); err != nil ||
		found[0].Number != 0 {
		t.Fatalf("Current = %+v, %v after a refused commit", found, err)
	}
}

func partitions(t *testing.T, g projections.Generations) {
	live := g.Live()
	worlds := []*world{newWorld(t, live, 0), newWorld(t, live, 1), newWorld(t, live, 70_000)}
	for i, w := range worlds {
		k := key("Patient", "1")
		k.Tenant = fmt.Sprint("tenant", i)
		for range i + 1 {
			w.put(k, day(2020, 1, 1+i))
		}
		w.commit()
	}
	for i, w := range worlds {
		w.check(projections.Query{Tenant: fmt.Sprint("tenant", i), Type: "Patient", Limit: 10})
		unnamed, err := live.Search(testContext(t), projections.Query{Tenant: fmt.Sprint("tenant", i), Type: "Patient",
			Limit: 10})
		if err != nil || len(unnamed.Versions) != 1 || unnamed.Snapshot != w.sid {
			t.Fatalf("a search that does not name partition %d found %+v, %v", w.partition, unnamed, err)
		}
		if got := stateOf(t, live, w.partition); got.NextSid != w.sid+1 || got.Next != w.offset {
			t.Fatalf("State(%d) = %+v", w.partition, got)
		}
	}
}

func currentVersions(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	var keys []projections.Key
	var want []projections.Version
	for i := range 1_200 {
		k := key([]string{"Patient", "Observation", "Encounter"}[i%3], fmt.Sprint("id-", i/2))
		keys = append(keys, k)
		switch {
		case i%7 == 0:
		case i%11 == 0:
			w.put(k, 0)
			w.remove(k)
		case i%5 == 0:
			w.put(k, 0)
			w.put(k, 0)
		default:
			w.put(k, 0)
		}
	}
	w.commit()
	keys = append(keys, keys[3], projections.Key{Tenant: "other", Type: "Patient", ID: "id-1"}, projections.Key{})
	for _, k := range keys {
		want = append(want, w.current[k].Version)
	}
	got, err := w.index.Current(testContext(t), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("Current(%v) = %+v, want %+v", keys[i], got[i], want[i])
		}
	}
	one, err := w.index.Current(testContext(t), keys[3:4])
	if err != nil || len(one) != 1 || one[0] != want[3] {
		t.Fatalf("Current of one key = %+v, %v", one, err)
	}
	if none, err := w.index.Current(testContext(t), nil); err != nil || len(none) != 0 {
		t.Fatalf("Current of no keys = %v, %v", none, err)
	}
}

func outcomes(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	at := time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC)
	want := []events.Outcome{
		{EventID: "event-1", Tenant: "main", Position: events.Position{Offset: 3}, Time: at, Results: []events.Result{
			{Disposition: events.Created, Type: "Patient", ID: "1", Version: 1, Hash: events.Hash{1, 2, 3}, Time: at,
				Links: []string{"Organization/1", "Patient/2"}},
			{Disposition: events.NoEffect, Type: "Patient", ID: "2", Time: at.Add(time.Millisecond)},
			{Disposition: events.NoEffect, Type: "Patient", ID: "3"},
		}},
		{EventID: "event-2", Tenant: "other", Position: events.Position{Partition: 3, Offset: 1 << 40}, Time: at,
			Refusal: &events.Refusal{Kind: events.Precondition, Change: 2, Text: "stale \xff ✓",
				Expression: "Bundle.entry[2]"}},
		{EventID: "event-3", Time: at, Repeats: "event-1"},
		{EventID: "event-4", Tenant: "main", Position: events.Position{Offset: 4}, Time: at, Results: []events.Result{
			{Disposition: events.Deleted, Type: "Patient", ID: "1", Version: 2, Time: at, Removed: []events.Removed{
				{Type: "Encounter", ID: "1", Version: 2}, {Type: "Observation", ID: "2", Version: 1 << 40}}},
			{Disposition: events.Created, Type: "Patient", ID: "4", Version: 1, Hash: events.Hash{4}, Time: at},
			{Disposition: events.Deleted, Type: "Patient", Removed: []events.Removed{{Type: "Patient", ID: "5",
				Version: 3}}},
		}},
	}
	w.outcomes = slices.Clone(want)
	w.commit()
	w.outcomes = []events.Outcome{{EventID: "event-1", Tenant: "again", Time: at}}
	w.commit()
	want[1].Refusal.Text = "stale \uFFFD ✓"
	got, err := w.index.Outcomes(testContext(t), []string{"event-2", "unknown", "event-1", "event-3", "event-2",
		"event-4"})
	if err != nil {
		t.Fatal(err)
	}
	for i, expect := range []*events.Outcome{&want[1], nil, &want[0], &want[2], &want[1], &want[3]} {
		if !reflect.DeepEqual(got[i], expect) {
			t.Errorf("outcome %d is %+v, want %+v", i, got[i], expect)
		}
	}
	if one, err := w.index.Outcomes(testContext(t), []string{"event-3"}); err != nil ||
		!reflect.DeepEqual(one[0], &want[2]) {
		t.Errorf("Outcomes of one event = %+v, %v", one, err)
	}
}

func claims(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	one := projections.Claim{ClaimName: projections.ClaimName{Tenant: "a", Key: "k\"1"}, EventID: "event-1",
		Request: events.Hash{1, 31: 2}, Until: w.now.Add(time.Hour)}
	part := projections.Claim{ClaimName: projections.ClaimName{Tenant: "a", Key: "k\"1", Part: 1}, EventID: "event-2",
		Request: events.Hash{3}, Until: w.now.Add(time.Minute)}
	c := w.take()
	c.Claims = []projections.Claim{one, part}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	var none projections.Claim
	others := []projections.ClaimName{{Tenant: "b", Key: "k\"1"}, {Tenant: "ak", Key: "\"1"},
		{Tenant: "a", Key: "k\"1", Part: 2}}
	asked := append([]projections.ClaimName{part.ClaimName, one.ClaimName}, others...)
	got, err := w.index.Claims(testContext(t), asked)
	if err != nil || !slices.Equal(got, []projections.Claim{part, one, none, none, none}) {
		t.Fatalf("Claims = %+v, %v", got, err)
	}
	later := one
	later.EventID, later.Until = "event-9", w.now.Add(2*time.Hour)
	c = w.take()
	c.Claims = []projections.Claim{later}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	if got, err := w.index.Claims(testContext(t), []projections.ClaimName{one.ClaimName}); err != nil ||
		got[0] != later {
		t.Fatalf("Claims = %+v, %v; want %+v", got, err, later)
	}
	if got, err := w.index.Claims(testContext(t), nil); err != nil || len(got) != 0 {
		t.Fatalf("Claims of nothing = %+v, %v", got, err)
	}
}

func tenants(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	term := projections.Term{Param: "code", Kind: projections.Token, Code: "x"}
	for _, k := range []projections.Key{{Tenant: "a", Type: "bPatient", ID: "1"}, {Tenant: "ab", Type: "Patient",
		ID: "1"}, {Tenant: "a", Type: "Patient", ID: "1"}, {Tenant: "", Type: "abPatient", ID: "1"}} {
		w.put(k, 7, term)
	}
	w.commit()
	for _, r := range w.rows {
		for _, clauses := range [][]projections.Clause{nil,
			{{Param: "code", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "x"}}}},
			{{Param: projections.ParamID, Kind: projections.Token, Values: []projections.Value{{Code: "1"}}}}} {
			page := w.search(projections.Query{Tenant: r.Tenant, Type: r.Type, Limit: 10, Clauses: clauses})
			if len(page.Versions) != 1 || page.Versions[0] != r.Version {
				t.Fatalf("tenant %q, type %q, %+v: found %+v", r.Tenant, r.Type, clauses, page.Versions)
			}
		}
	}
}
