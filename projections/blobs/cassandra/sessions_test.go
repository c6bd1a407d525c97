package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
	"binnacle/projections"
)

// blind is a policy that knows of no node, as the client's own does when it has lost them.
type blind struct{ gocql.HostSelectionPolicy }

func (blind) Pick(gocql.ExecutableQuery) gocql.NextHost {
	return func() gocql.SelectedHost { return nil }
}

// lose replaces a store's session by one that finds no node, and returns it.
func lose(t *testing.T, store *Blobs) *gocql.Session {
	t.Helper()
	cluster := store.cluster(store.Keyspace, "", store.Timeout)
	cluster.PoolConfig.HostSelectionPolicy = blind{gocql.RoundRobinHostPolicy()}
	lost, err := cluster.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	store.sessions.current.Swap(lost).Close()
	return lost
}

// hurry makes the store's sessions see a second go by with each request that found no node.
func hurry(store *Blobs) {
	began, calls := time.Now(), atomic.Int64{}
	store.sessions.now = func() time.Time { return began.Add(time.Duration(calls.Add(1)) * time.Second) }
}

func TestASessionThatFindsNoNodeIsReplacedByOneOther(t *testing.T) {
	store := open(t, config(t))
	hurry(store)
	inner, opened := store.sessions.open, atomic.Int64{}
	store.sessions.open = func() (*gocql.Session, error) {
		opened.Add(1)
		return inner()
	}
	goroutines := runtime.NumGoroutine()
	for round := range 3 {
		lost := lose(t, store)
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				one := blob(fmt.Sprintf("%d of round %d", i, round))
				if err := store.Put(t.Context(), []projections.Blob{one}); err != nil {
					t.Errorf("Put: %v, want the session replaced under it", err)
				}
				got, err := store.Get(t.Context(), []events.Hash{one.Hash})
				if err != nil || !bytes.Equal(got[0], one.Content) {
					t.Errorf("Get: got %q and %v, want what was put", got, err)
				}
			})
		}
		group.Wait()
		for !lost.Closed() { // after the swap
			time.Sleep(time.Millisecond)
		}
		if n := opened.Load(); n != int64(round+1) {
			t.Fatalf("%d sessions were opened for %d that were lost", n, round+1)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for runtime.NumGoroutine() > goroutines {
		if ctx.Err() != nil {
			t.Fatal("the sessions that were replaced leave goroutines behind")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAnotherSessionIsTriedForWithPausesThatGrow(t *testing.T) {
	store := open(t, config(t))
	lose(t, store)
	inner := store.sessions.open
	clock, opened := atomic.Int64{}, atomic.Int64{}
	store.sessions.now = func() time.Time { return time.Unix(1_000_000+clock.Load(), 0) }
	store.sessions.open = func() (*gocql.Session, error) {
		opened.Add(1)
		return nil, errors.New("no node yet")
	}
	// at says how many attempts there have been when no node is found at a second.
	at := func(second int64) int64 {
		clock.Store(second)
		for range 2 { // one attempt at a time, so the second starts none that the first has started
			store.sessions.note(gocql.ErrNoConnections)
		}
		store.sessions.opener.Wait()
		return opened.Load()
	}
	for _, c := range []struct{ second, want int64 }{
		{0, 0}, {2, 0}, {3, 1}, {3, 1}, {4, 2}, {5, 2}, {6, 3}, {9, 3}, {10, 4},
	} {
		if got := at(c.second); got != c.want {
			t.Fatalf("at second %d: %d attempts, want %d", c.second, got, c.want)
		}
	}
	store.sessions.note(nil) // a node is found again, and lost again
	if got := at(1_000); got != 4 {
		t.Errorf("an attempt when a node was found in between")
	}
	store.sessions.open = inner
	at(1_003)
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("after the attempt that succeeds: %v", err)
	}
}

// The client connects to a node while it takes the node for gone: its marks cross.
func TestANodeThatIsThereAgainWhileItIsTakenForGoneIsFound(t *testing.T) {
	c := config(t)
	if err := ensure(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	l := newLine(t, c.Hosts[0])
	c.Hosts = []string{l.address}
	settings, err := c.check()
	if err != nil {
		t.Fatal(err)
	}
	cluster := settings.cluster(c.Keyspace, "", c.Timeout)
	marks := &crossing{HostSelectionPolicy: gocql.RoundRobinHostPolicy(), ConvictionPolicy: cluster.ConvictionPolicy,
		failed: make(chan struct{}), up: make(chan struct{}, 1_000)}
	cluster.PoolConfig.HostSelectionPolicy, cluster.ConvictionPolicy = marks, marks
	session, err := cluster.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ask := func() error {
		return session.Query(`SELECT key FROM system.local`).WithContext(t.Context()).Exec()
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	l.cut()
	for failed := false; !failed; {
		_ = ask()
		select {
		case <-marks.failed:
			failed = true
		case <-time.After(time.Millisecond):
		}
	}
	l.mend()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ask() != nil {
		if ctx.Err() != nil {
			t.Fatal("the node is not found again")
		}
		time.Sleep(time.Millisecond)
	}
	if marks.crossed.Load() { // it was found before its pool was dropped
		time.Sleep(time.Second)
		if err := ask(); err != nil {
			t.Errorf("the node was lost again: %v", err)
		}
	}
}

// crossing holds up the client between its two steps of taking a node for gone, until it has connected to the node.
type crossing struct {
	gocql.HostSelectionPolicy
	gocql.ConvictionPolicy
	once    sync.Once
	failed  chan struct{} // is closed when connections have failed
	up      chan struct{} // gets what the client says of a node that is up
	crossed atomic.Bool
}

func (c *crossing) AddFailure(err error, host *gocql.HostInfo) bool {
	gone := c.ConvictionPolicy.AddFailure(err, host)
	if !gone {
		c.once.Do(func() { close(c.failed) })
	}
	return gone
}

func (c *crossing) Reset(host *gocql.HostInfo) { c.ConvictionPolicy.Reset(host) }

func (c *crossing) HostUp(host *gocql.HostInfo) {
	c.HostSelectionPolicy.HostUp(host)
	c.up <- struct{}{}
}

func (c *crossing) HostDown(host *gocql.HostInfo) {
	c.HostSelectionPolicy.HostDown(host)
	c.once.Do(func() {
		for len(c.up) > 0 {
			<-c.up
		}
		c.crossed.Store(true)
		close(c.failed)
		<-c.up
	})
}
