package projectionstest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"crypto/sha256"

	"binnacle/events"
	"binnacle/projections"
)

// scan returns what Scan visits.
func scan(
	t *testing.T, index projections.Index, partition int32,
) (versions []projections.Version, digests []events.Hash) {
	t.Helper()
	err := index.Scan(testContext(t), partition, func(v projections.Version, terms events.Hash) error {
		versions, digests = append(versions, v), append(digests, terms)
		return nil
	})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return versions, digests
}

// fill writes random versions, the same for the same seed.
func fill(w *world, seed uint64, n int) {
	m := maker{rand.New(rand.NewPCG(seed, 9))}
	for i := range n {
		k := key(pick(m, "Observation", "Patient"), fmt.Sprint(m.IntN(20)))
		if before, known := w.current[k]; known && !before.Deleted && m.IntN(5) == 0 {
			w.remove(k)
		} else {
			terms, main := m.ownTerms(true)
			w.put(k, main, terms...)
		}
		if i%9 == 8 {
			w.commit()
		}
	}
	w.commit()
}

func scans(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 2)
	fill(w, 1, 70)
	w.scribble(maker{rand.New(rand.NewPCG(7, 9))}, 40, true)
	versions, digests := scan(t, w.index, 2)
	if len(versions) != len(w.rows) {
		t.Fatalf("%d versions were visited, want %d", len(versions), len(w.rows))
	}
	seen := map[events.Hash]bool{}
	for i, r := range w.rows {
		if versions[i] != r.Version {
			t.Fatalf("version %d is %+v, want %+v", i, versions[i], r.Version)
		}
		if seen[digests[i]] {
			t.Fatalf("two versions have the digest %x", digests[i])
		}
		seen[digests[i]] = true
	}
	for _, size := range []int{1, 7, len(w.rows)} {
		for start := 0; start < len(w.rows); start += size {
			rows := w.rows[start:min(start+size, len(w.rows))]
			for i, told := range w.index.Digests(rows) {
				if told != digests[start+i] {
					t.Fatalf("Digests of %d rows tells %x of version %d, Scan tells %x", size, told, start+i,
						digests[start+i])
				}
			}
		}
	}
	if none, _ := scan(t, w.index, 0); len(none) != 0 {
		t.Fatalf("another partition has %d versions", len(none))
	}
	stop := events.Errorf(events.Gone, "test", "enough")
	err := w.index.Scan(testContext(t), 2, func(projections.Version, events.Hash) error { return stop })
	wantKind(t, err, events.Gone, "a visit that fails")
}

// The SHA-256 over the digests of the versions of fill with seed 4, the same on every day: of a driver with a row for
// each reference, and of one that has most of them on the versions' rows alone. They change only when the rows that
// terms become change, and then the schema version of the drivers has to change with them; when it is only that strings
// fold otherwise, the catalog's extractionVersion, so that a rebuild is due.
const (
	goldenDigest      = "2eecbdf53335872eb414e3ab5f1f6ca666d074958c28384aa942badf454a239a"
	goldenDigestOnRow = "569cdec305d72571b38387f74c6bb376f8e0ff716503253835e7e772e72d7dbb"
)

func goldenDigests(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	fill(w, 4, 120)
	_, digests := scan(t, w.index, 0)
	sum := sha256.New()
	for _, d := range digests {
		sum.Write(d[:])
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != goldenDigest && got != goldenDigestOnRow {
		t.Fatalf("the digest over all versions is %s, want %s or %s", got, goldenDigest, goldenDigestOnRow)
	}
}

func sizes(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 0)
	w.put(key("Patient", "1"), 5, projections.Term{Param: "gender", Kind: projections.Token, Code: "male"})
	w.put(key("Patient", "1"), 5, projections.Term{Param: "gender", Kind: projections.Token, Code: "female"})
	w.put(key("Patient", "2"), 5)
	w.remove(key("Patient", "2"))
	c := w.take()
	c.Quarantined = []projections.Quarantined{{Record: events.RawRecord{Position: events.Position{Offset: 1}},
		Reason: "broken"}}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	got, err := w.index.Sizes(testContext(t))
	// terms may be an estimate
	if err != nil || got.Versions != 4 || got.Resources != 1 || got.Quarantined != 1 || got.Terms < 0 ||
		got.Bytes <= 0 {
		t.Fatalf("Sizes = %+v, %v", got, err)
	}
}

func audits(t *testing.T, g projections.Generations) {
	audit := func(index projections.Auditor) projections.Audit {
		t.Helper()
		got, err := index.Audit(testContext(t))
		if err != nil {
			t.Fatalf("Audit: %v", err)
		}
		if len(got.Lacks) > 0 {
			t.Errorf("it lacks %q", got.Lacks)
		}
		return got
	}
	if got := audit(g.Live()); len(got.Living) > 0 || len(got.Next) > 0 {
		t.Errorf("a new index tells %+v", got)
	}
	w := newWorld(t, g.Live(), 0)
	for _, id := range []string{"1", "2", "3"} {
		w.observation(id)
	}
	w.commit()
	w.observation("1")
	w.remove(key("Observation", "2"))
	w.commit()
	want := projections.Audit{Next: map[int32]int64{0: w.offset}, NextSid: map[int32]int64{0: w.sid + 1},
		Living: map[projections.Ledger]int64{{Tenant: "main", Type: "Observation"}: 2}}
	if got := audit(g.Live()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b := build(t, g, "catalog-1")
	replay(t, w, b, 2)
	if err := b.Finish(testContext(t), func(int, int, string) {}); err != nil {
		t.Fatal(err)
	}
	if got := audit(b); !reflect.DeepEqual(got.Living, want.Living) {
		t.Errorf("a generation that was built tells %+v, want %+v", got.Living, want.Living)
	}
}

func build(t *testing.T, g projections.Generations, catalog string) projections.Building {
	t.Helper()
	b, err := g.Build(testContext(t), catalog)
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	t.Cleanup(func() { _ = b.Release() })
	return b
}

// replay writes what another world has written, in batches of its own size.
func replay(t *testing.T, from *world, into projections.Index, size int) *world {
	t.Helper()
	w := newWorld(t, into, from.partition)
	w.rows, w.current, w.sid, w.now = from.rows, from.current, from.sid, from.now
	for start := 0; start < len(from.rows); start += size {
		rows := from.rows[start:min(start+size, len(from.rows))]
		c := projections.Commit{Partition: w.partition, Expect: w.offset, Next: w.offset + 1,
			Time: rows[len(rows)-1].Time, Rows: rows}
		if err := into.Commit(testContext(t), c); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		w.offset = c.Next
	}
	return w
}

func finish(t *testing.T, b projections.Building) {
	t.Helper()
	last, all := -1, 0
	if err := b.Finish(testContext(t), func(done, of int, step string) {
		if done < last || done > of || step == "" {
			t.Errorf("progress went from %d to %d of %d, %q", last, done, of, step)
		}
		last, all = done, of
	}); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	if last != all {
		t.Errorf("progress ended at %d of %d", last, all)
	}
}

func buildAndSwitch(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	live := newWorld(t, g.Live(), 0)
	fill(live, 2, 100)
	b := build(t, g, "catalog-2")
	if b.Number() != 2 {
		t.Fatalf("the generation beside 1 is %d", b.Number())
	}
	next := replay(t, live, b, 17)
	if err := g.Live().Commit(ctx, projections.Commit{Partition: 7, Expect: 0, Next: 3}); err != nil {
		t.Fatalf("the live generation takes no commit during a build: %v", err)
	}
	if got := stateOf(t, b, 7); got.Next != 0 {
		t.Fatalf("a commit to the live generation shows in the other one: %+v", got)
	}
	finish(t, b)
	before, beforeDigests := scan(t, g.Live(), 0)
	after, afterDigests := scan(t, b, 0)
	for i := range before {
		if before[i] != after[i] || beforeDigests[i] != afterDigests[i] {
			t.Fatalf("version %d is %+v %x, and rebuilt %+v %x", i, before[i], beforeDigests[i], after[i],
				afterDigests[i])
		}
	}
	if err := b.Switch(ctx); err != nil {
		t.Fatalf("Switch: %v", err)
	}
	if err := b.Release(); err != nil {
		t.Fatalf("Release after Switch: %v", err)
	}
	if got := stateOf(t, live.index, 7); got.Next != 0 {
		t.Fatalf("the index that follows the pointer still answers from the old generation: %+v", got)
	}
	next.index = live.index
	next.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Total: projections.TotalAccurate})
	stateOf(t, live.index, 0)
	next.put(key("Observation", "after"), 5)
	next.commit()
	next.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 7, Total: projections.TotalAccurate})
	list, err := g.List(ctx)
	if err != nil || len(list) != 2 || list[0].State != "old" || list[1].State != "live" ||
		list[1].Catalog != "catalog-2" || list[1].Number != 2 {
		t.Fatalf("List = %+v, %v", list, err)
	}
}

func fencedBySwitch(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	index := g.Live()
	stateOf(t, index, 0)
	b := build(t, g, "catalog-1")
	finish(t, b)
	if err := b.Switch(ctx); err != nil {
		t.Fatal(err)
	}
	commit := projections.Commit{Expect: 0, Next: 1, Time: time.UnixMilli(1e12)}
	wantKind(t, index.Commit(ctx, commit), events.Conflict, "a commit based on the state before the switch")
	if got := stateOf(t, index, 0); got.Next != 0 {
		t.Fatalf("a fenced commit has moved the position to %d", got.Next)
	}
	if err := index.Commit(ctx, commit); err != nil {
		t.Fatalf("a commit based on the state after the switch: %v", err)
	}
	commit.Expect, commit.Next = 1, 2
	wantKind(t, b.Commit(ctx, commit), events.Conflict, "a commit to a generation as one being built, which is live")
	wantKind(t, b.Switch(ctx), events.Conflict, "a second switch")
}

func exclusiveBuild(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	b := build(t, g, "catalog-2")
	_, err := g.Build(ctx, "catalog-2")
	wantKind(t, err, events.Conflict, "a second build")
	w := newWorld(t, b, 0)
	fill(w, 5, 20)
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	again := build(t, g, "catalog-2")
	if again.Number() != b.Number() {
		t.Fatalf("an unfinished build of the same catalog goes on as generation %d, want %d", again.Number(),
			b.Number())
	}
	if got := stateOf(t, again, 0); got.Next != w.offset || got.NextSid != w.sid+1 {
		t.Fatalf("the resumed build stands at %+v, want offset %d", got, w.offset)
	}
	w.index = again
	fill(w, 6, 30)
	finish(t, again)
	w.check(projections.Query{Tenant: "main", Type: "Observation", Limit: 7})
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
	other := build(t, g, "catalog-3")
	if got := stateOf(t, other, 0); got.Next != 0 || other.Number() == again.Number() {
		t.Fatalf("a build of another catalog went on with what was there: generation %d at %+v", other.Number(), got)
	}
	list, err := g.List(ctx)
	if err != nil || len(list) != 2 || list[1].State != "building" || list[1].Catalog != "catalog-3" {
		t.Fatalf("List = %+v, %v", list, err)
	}
}

func dropGenerations(t *testing.T, g projections.Generations) {
	ctx := testContext(t)
	w := newWorld(t, g.Live(), 0)
	fill(w, 8, 20)
	wantKind(t, g.Drop(ctx, 1), events.Conflict, "dropping the live generation")
	wantKind(t, g.Drop(ctx, 9), events.NotFound, "dropping what is not there")
	b := build(t, g, "catalog-2")
	next := replay(t, w, b, 1000)
	finish(t, b)
	if err := b.Switch(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.Drop(ctx, 1); err != nil {
		t.Fatalf("dropping the old generation: %v", err)
	}
	next.index = w.index
	next.check(projections.Query{Tenant: "main", Type: "Patient", Limit: 7})
	list, err := g.List(ctx)
	if err != nil || len(list) != 1 || list[0].Number != 2 {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if b := build(t, g, "catalog-2"); b.Number() != 3 {
		t.Fatalf("the generation after 2 is %d", b.Number())
	}
}

func searchWhileBuilding(t *testing.T, g projections.Generations) {
	b := build(t, g, "catalog-2")
	w := newWorld(t, b, 0)
	fill(w, 11, 30)
	q := projections.Query{Tenant: "main", Type: "Observation", Limit: 7,
		Clauses: []projections.Clause{{Param: "status", Kind: projections.Token,
			Values: []projections.Value{{AnySystem: true, Code: "final"}}}}}
	w.check(q)
	fill(w, 12, 30)
	w.check(q)
	finish(t, b)
	fill(w, 13, 30)
	w.check(q)
	keys := []projections.Key{key("Patient", "1"), key("Patient", "never")}
	got, err := b.Current(testContext(t), keys)
	if err != nil || got[0] != w.current[keys[0]].Version || got[1].Number != 0 {
		t.Fatalf("Current = %+v, %v", got, err)
	}
}
