package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// blocked holds a lock on a table, so that everybody who reads it waits.
func blocked(t *testing.T, g *Generations, c Config, table string) (release func()) {
	t.Helper()
	tx, err := admin(t, c).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "lock table "+g.tables(1)+table+" in access exclusive mode")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(context.Background()) }
}

func TestASearchThatTakesTooLongIsTooCostlyAndKeepsNoCommitWaiting(t *testing.T) {
	c := config(t)
	c.SearchTimeout = 300 * time.Millisecond
	c.Connections = leastConnections
	g := open(t, c)
	index := g.Live()
	f := newFeeder(0)
	mustCommit(t, index, f.commit(2))
	release := blocked(t, g, c, "counter")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation", Limit: 10})
			if kind := events.KindOf(err); kind != events.TooCostly && kind != events.Transient {
				t.Errorf("got %v, want kind too costly, or transient for one that found no connection", err)
			}
		})
	}
	if _, err := index.Current(t.Context(), []projections.Key{{Tenant: "main", Type: "Observation",
		ID: "x"}}); err != nil {
		t.Errorf("Current meanwhile: %v", err)
	}
	group.Wait()
	if _, err := index.Search(t.Context(), projections.Query{Tenant: "main", Type: "Observation",
		Limit: 10}); events.KindOf(err) != events.TooCostly {
		t.Errorf("got %v, want kind too costly", err)
	}
	search := func(ctx context.Context, unlimited bool) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := index.Search(ctx, projections.Query{Tenant: "main", Type: "Observation", Limit: 10,
				NoTimeLimit: unlimited})
			ended <- err
		}()
		return ended
	}
	patient, later := search(t.Context(), true), search(projections.WithSearchTime(t.Context(), time.Hour), false)
	select {
	case err := <-patient:
		release()
		t.Fatalf("a search without a limit of time ended before it could: %v", err)
	case err := <-later:
		release()
		t.Fatalf("a search that has an hour ended before it could: %v", err)
	case <-time.After(3 * c.SearchTimeout):
	}
	release()
	if err := <-patient; err != nil {
		t.Errorf("a search without a limit of time: %v", err)
	}
	if err := <-later; err != nil {
		t.Errorf("a search that has an hour: %v", err)
	}
	for range 4 { // on whichever connection
		limit := ""
		conn, err := g.searches.Acquire(t.Context())
		if err == nil {
			err = conn.QueryRow(t.Context(), "select current_setting('statement_timeout')").Scan(&limit)
			conn.Release()
		}
		if err != nil || limit != "300ms" {
			t.Errorf("a connection that was lent to a longer search has the limit %s, %v", limit, err)
		}
	}
	if got := total(t, index, 0); got != 2 {
		t.Errorf("%d resources, want 2", got)
	}
}

func TestACallThatEndsEndsItsStatementAndKeepsTheConnection(t *testing.T) {
	c := config(t)
	g := open(t, c)
	index := g.Live()
	mustCommit(t, index, newFeeder(0).commit(2))
	total(t, index, 0)
	before := g.searches.Stat().NewConnsCount()
	release := blocked(t, g, c, "counter")
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := index.Search(ctx, projections.Query{Tenant: "main", Type: "Observation", Limit: 10}); events.KindOf(
		err) != events.Transient {
		t.Errorf("got %v, want kind transient", err)
	}
	release()
	total(t, index, 0)
	if after := g.searches.Stat().NewConnsCount(); after != before {
		t.Errorf("%d connections were made anew", after-before)
	}
}
