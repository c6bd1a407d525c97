package postgres

import (
	"context"
	"sync"
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

func TestOfTwoProjectorsAtOnePlaceOneCommits(t *testing.T) {
	c := config(t)
	one, other := open(t, c).Live(), open(t, c).Live()
	f := newFeeder(0)
	for round := range 10 {
		commit := f.commit(5)
		var group sync.WaitGroup
		results := make([]error, 4)
		for i := range results {
			group.Go(func() {
				index := one
				if i%2 == 1 {
					index = other
				}
				results[i] = index.Commit(t.Context(), commit)
			})
		}
		group.Wait()
		won := 0
		for _, err := range results {
			switch {
			case err == nil:
				won++
			case events.KindOf(err) != events.Conflict:
				t.Fatalf("round %d: got %v, want kind conflict", round, err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d commits took effect, want 1", round, won)
		}
	}
	if got := total(t, one, 0); got != 50 {
		t.Errorf("%d resources, want 50", got)
	}
}

func TestWhatAServerForgotInACrashIsWrittenAgainWithItsCodings(t *testing.T) {
	c := config(t)
	g := open(t, c)
	index := g.Live()
	commit := newFeeder(0).commit(10)
	mustCommit(t, index, commit)
	// The commit did not wait for the disk: after a crash all of it may be gone.
	tables := g.tables(1)
	if _, err := g.work.Exec(t.Context(),
		"truncate "+tables+"version, "+tables+"term, "+tables+"span, "+tables+"text, "+tables+"coding, "+tables+"shape, "+tables+"ledger, "+tables+"counter, "+tables+"outcome, "+tables+"position"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, index, commit)
	page, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 20,
		Clauses: []projections.Clause{
			{Param: "status", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: "final"}}},
			{Param: "note", Kind: projections.String, Modifier: projections.Missing},
		}})
	if err != nil || len(page.Versions) != 10 {
		t.Errorf("got %d versions, %v, want 10", len(page.Versions), err)
	}
}

func TestAnotherNodesCommitOfNewCodingsIsNoReasonToLeaveThemOut(t *testing.T) {
	c := config(t)
	one, other := open(t, c).Live(), open(t, c).Live()
	f := newFeeder(0)
	first, second, third := f.commit(1), f.commit(1), f.commit(1)
	mustCommit(t, one, first)
	mustCommit(t, other, second)
	if err := one.Commit(t.Context(), second); events.KindOf(err) != events.Conflict {
		t.Fatalf("got %v, want kind conflict", err)
	}
	mustCommit(t, one, third)
	for _, code := range []string{"1", "2", "3"} {
		page, err := other.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 5,
			Clauses: []projections.Clause{
				{Param: "identifier", Kind: projections.Token, Values: []projections.Value{{AnySystem: true, Code: code}}},
			}})
		if err != nil || len(page.Versions) != 1 {
			t.Errorf("identifier %s: got %d versions, %v, want 1", code, len(page.Versions), err)
		}
	}
}

func TestAFailedCommitLeavesNothingAndTheNextOneWorks(t *testing.T) {
	c := config(t)
	index := open(t, c).Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(3))
	good := f.commit(3)
	bad := good
	bad.Rows = append([]projections.Row(nil), good.Rows...)
	bad.Rows[2].ID = "a\x00b" // which no column of text holds
	if err := index.Commit(t.Context(), bad); err == nil {
		t.Fatal("an id with a NUL was stored")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := index.Commit(ended, good); events.KindOf(err) != events.Transient {
		t.Errorf("a call that had ended: got %v, want kind transient", err)
	}
	if got := total(t, index, 0); got != 3 {
		t.Errorf("%d resources, want 3", got)
	}
	mustCommit(t, index, good)
	if got := total(t, index, 0); got != 6 {
		t.Errorf("%d resources, want 6", got)
	}
}
