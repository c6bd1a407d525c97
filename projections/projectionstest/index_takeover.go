package projectionstest

import (
	"context"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// taken commits nothing but a position and a digest.
func taken(t *testing.T, index projections.Writer, next int64, digest byte) error {
	t.Helper()
	state, err := index.State(testContext(t), 0)
	if err != nil {
		return err
	}
	return index.Commit(testContext(t), projections.Commit{Expect: state.Next, Next: next, Time: time.UnixMilli(1e12),
		Digest: events.Hash{digest}})
}

func must(t *testing.T, err error, what string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func digestsOfStates(t *testing.T, g projections.Generations) {
	must(t, taken(t, g.Live(), 5, 7), "Commit")
	want := projections.State{Next: 5, NextSid: 1, Time: time.UnixMilli(1e12).UTC(), Digest: events.Hash{7}}
	if got := stateOf(t, g.Live(), 0); got != want {
		t.Fatalf("State = %+v, want %+v", got, want)
	}
	for name, auditor := range map[string]projections.Auditor{"the live index": g.Live(),
		"the auditor of its generation": g.Auditor(1)} {
		states, err := auditor.Partitions(testContext(t))
		if err != nil || len(states) != 1 || states[0] != want {
			t.Fatalf("%s tells %+v, %v; want %+v", name, states, err, want)
		}
	}
	_, err := g.Auditor(9).Partitions(testContext(t))
	wantKind(t, err, events.NotFound, "a generation that is not there")
}

func pauses(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	live := g.Live()
	must(t, taken(t, live, 1, 1), "a commit before the pause")
	b := build(t, g, "catalog-1")
	must(t, taken(t, b, 1, 1), "a commit to the other generation")
	must(t, b.Pause(ctx, time.Hour), "Pause")
	wantKind(t, taken(t, live, 2, 1), events.Transient, "a commit during a pause")
	if got := stateOf(t, live, 0); got.Next != 1 {
		t.Fatalf("a commit during a pause has moved the position to %d", got.Next)
	}
	must(t, taken(t, b, 2, 1), "a commit to the other generation during a pause")
	must(t, b.Resume(ctx), "Resume")
	must(t, taken(t, live, 2, 1), "a commit after the pause")
	must(t, b.Resume(ctx), "Resume without a pause")

	must(t, b.Pause(ctx, time.Millisecond), "a short Pause")
	time.Sleep(5 * time.Millisecond)
	must(t, taken(t, live, 3, 1), "a commit after the pause has run out")
	finish(t, b)
	wantKind(t, b.Switch(ctx), events.Conflict, "a switch after the pause has run out")
	if got := stateOf(t, live, 0); got.Next != 3 {
		t.Fatalf("the live generation stands at %d after a switch that was refused", got.Next)
	}
	must(t, b.Resume(ctx), "Resume")
	must(t, b.Pause(ctx, time.Hour), "Pause")
	must(t, b.Switch(ctx), "Switch in the pause")
	if got := stateOf(t, live, 0); got.Next != 2 {
		t.Fatalf("after the switch the live generation stands at %d, want 2", got.Next)
	}
	must(t, taken(t, live, 3, 1), "a commit after the switch, which ends the pause")
}

func reopens(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	w := newWorld(t, g.Live(), 0)
	fill(w, 21, 30)
	_, err := g.Reopen(ctx, 1)
	wantKind(t, err, events.Conflict, "reopening the live generation")
	_, err = g.Reopen(ctx, 9)
	wantKind(t, err, events.NotFound, "reopening what is not there")
	b := build(t, g, "catalog-2")
	_, err = g.Reopen(ctx, b.Number())
	wantKind(t, err, events.Conflict, "reopening while somebody builds")
	replay(t, w, b, 1000)
	finish(t, b)
	must(t, b.Switch(ctx), "Switch")

	old, err := g.Reopen(ctx, 1)
	must(t, err, "Reopen")
	defer func() { _ = old.Release() }()
	if got := stateOf(t, old, 0); old.Number() != 1 || got.Next != w.offset {
		t.Fatalf("generation %d was reopened at %+v, want 1 at %d", old.Number(), got, w.offset)
	}
	if holder, err := g.Builder(ctx); err != nil || holder == "" {
		t.Fatalf("the builder is %q, %v", holder, err)
	}
	_, err = g.Build(ctx, "catalog-2")
	wantKind(t, err, events.Conflict, "a build beside it")
	wantKind(t, g.Drop(ctx, 1), events.Conflict, "dropping it meanwhile")
	w.index = old
	w.put(key("Patient", "after"), 5)
	w.commit()
	finish(t, old)
	must(t, old.Switch(ctx), "Switch back")
	w.index = g.Live()
	w.check(projections.Query{Tenant: "main", Type: "Patient", Limit: 7, Total: projections.TotalAccurate})
	stateOf(t, w.index, 0)
	w.put(key("Patient", "later"), 5)
	w.commit()
	list, err := g.List(ctx)
	if err != nil || len(list) != 2 || list[0].State != "live" || list[1].State != "old" {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if holder, err := g.Builder(ctx); err != nil || holder != "" {
		t.Fatalf("nobody builds, and the builder is %q, %v", holder, err)
	}
}

func keepsDefinitions(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	wants := func(catalog, want string) {
		t.Helper()
		got, err := g.Definitions(ctx, catalog)
		if want == "" {
			wantKind(t, err, events.NotFound, "definitions of "+catalog)
		} else if err != nil || string(got) != want {
			t.Fatalf("Definitions(%s) = %q, %v; want %q", catalog, got, err, want)
		}
	}
	wants("catalog-1", "")
	must(t, g.Keep(ctx, "catalog-1", []byte("one")), "Keep")
	must(t, g.Keep(ctx, "catalog-1", []byte("another one")), "Keep again")
	wants("catalog-1", "one")
	b := build(t, g, "catalog-2")
	must(t, g.Keep(ctx, "catalog-2", []byte{0, 1, 0xff}), "Keep")
	finish(t, b)
	must(t, b.Switch(ctx), "Switch")
	wants("catalog-1", "one")
	must(t, g.Drop(ctx, 1), "Drop")
	wants("catalog-1", "")
	wants("catalog-2", "\x00\x01\xff")
}

func boundToACatalog(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	first, second := g.Bound("catalog-1"), g.Bound("catalog-2")
	must(t, taken(t, first, 1, 1), "a commit in terms of the live catalog")
	calls := func(index projections.Index) map[string]error {
		_, state := index.State(ctx, 0)
		_, current := index.Current(ctx, []projections.Key{key("Patient", "1")})
		_, search := index.Search(ctx, projections.Query{Tenant: "main", Type: "Patient", Limit: 1,
			Total: projections.TotalNone})
		commit := index.Commit(context.WithoutCancel(ctx),
			projections.Commit{Partition: 5, Next: 1, Time: time.UnixMilli(1e12)})
		return map[string]error{"State": state, "Current": current, "Search": search, "Commit": commit}
	}
	for name, err := range calls(second) {
		wantKind(t, err, events.Transient, name+" in terms of a catalog that is not live")
	}
	b := build(t, g, "catalog-2")
	must(t, taken(t, b, 1, 1), "a commit to the next generation")
	finish(t, b)
	must(t, b.Switch(ctx), "Switch")
	for name, err := range calls(second) {
		must(t, err, name+" in terms of the catalog that is live now")
	}
	for name, err := range calls(first) {
		wantKind(t, err, events.Transient, name+" in terms of the catalog that was live before")
	}
}
