//go:build faults

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections/blobs/cassandra"
	"binnacle/projections/index/postgres"
)

// watchers read what was acknowledged, again and again, and note each answer that is neither right nor an honest 503.
type watchers struct {
	mu    sync.Mutex
	wrong map[string]int
	right int
	away  int
}

// read asks for a resource by its id, its history and a search for it, in turn.
func (w *watchers) read(base func() string, l *ledger, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		for _, id := range l.some(20) {
			path := []string{"/Basic/" + id, "/Basic/" + id + "/_history/1", "/Basic?_id=" + id}[n%3]
			r, err := send(base()+path, http.MethodGet, "")
			w.judge(id, path, r, err)
		}
	}
}

func (w *watchers) judge(id, path string, r reply, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.wrong["error "+err.Error()]++
	case r.status == http.StatusServiceUnavailable:
		w.away++
	case r.status != http.StatusOK || !strings.Contains(string(r.body), id):
		w.wrong[fmt.Sprintf("%s answers %d %.200s", strings.ReplaceAll(path, id, "ID"), r.status, strings.ReplaceAll(string(r.body), id, "ID"))]++
	default:
		w.right++
	}
}

func (w *watchers) report(t *testing.T, when string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%s: %d reads were right, %d answered 503", when, w.right, w.away)
	if len(w.wrong) > 0 {
		text, _ := json.MarshalIndent(w.wrong, "", " ") // strings and numbers
		t.Errorf("%s: wrong answers to reads of what was acknowledged:\n%s", when, text)
	}
	if w.right == 0 {
		t.Errorf("%s: no read was answered: nothing was shown", when)
	}
	w.right, w.away, w.wrong = 0, 0, map[string]int{}
}

func TestLostProjectionsAreNeverAnsweredWronglyAndComeBackFromTheLog(t *testing.T) {
	i := newInstallation(t, plain, "distributed", needs(t))
	f := launchFleet(i, 2)
	l := newLedger()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for k := range 2 {
		clients.Go(func() { l.write(f.any, k, stop) })
	}
	f.awaitWrites(t, l)
	f.awaitWrites(t, l)
	w := &watchers{wrong: map[string]int{}}
	for range 4 {
		clients.Go(func() { w.read(f.any, l, stop) })
	}
	defer func() {
		select {
		case <-stop:
		default:
			close(stop)
		}
		clients.Wait()
	}()

	t.Run("the index", func(t *testing.T) {
		if err := postgres.Drop(t.Context(), postgres.Config{URL: i.value("BINNACLE_POSTGRES_URL"), Schema: i.value("BINNACLE_POSTGRES_SCHEMA")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		w.report(t, "after the schema was dropped")
		// An empty one is filled by the nodes; until it holds what the log does they answer 503.
		i.run("init")
		f.awaitWrites(t, l)
		w.report(t, "after a new one was filled")
		t.Logf("%s", i.run("rebuild"))
		f.awaitWrites(t, l)
		w.report(t, "after a rebuild")
		if err := postgres.Drop(t.Context(), postgres.Config{URL: i.value("BINNACLE_POSTGRES_URL"), Schema: i.value("BINNACLE_POSTGRES_SCHEMA")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		t.Logf("%s", i.run("rebuild"))
		f.awaitWrites(t, l)
		w.report(t, "after a rebuild where there was no schema")
	})
	t.Run("the blobs", func(t *testing.T) {
		emptyBlobs(t, i)
		time.Sleep(2 * time.Second)
		w.report(t, "after the contents were removed")
		t.Logf("%s", i.run("verify", "--repair"))
		f.awaitWrites(t, l)
		w.report(t, "after the repair")
	})
	close(stop)
	clients.Wait()
	i.run("verify", "--deep")
	n := f.node(0)
	kinds := map[string]int{}
	l.check(t, n, kinds)
	if got := total(t, n, "Basic"); got != kinds["Basic"] {
		t.Errorf("%d resources, %d were acknowledged", got, kinds["Basic"])
	}
	before := fingerprint(t, n, kinds)
	i.run("rebuild")
	if after := fingerprint(t, n, kinds); !maps.Equal(before, after) {
		t.Errorf("a further rebuild gives %v, before it was %v", after, before)
	}
}

// emptyBlobs deletes all contents from the installation's Cassandra.
func emptyBlobs(t *testing.T, i *installation) {
	t.Helper()
	store, err := cassandra.Open(t.Context(), cassandra.Config{Hosts: strings.Split(i.value("BINNACLE_CASSANDRA_HOSTS"), ","), Keyspace: i.value("BINNACLE_CASSANDRA_KEYSPACE"), Timeout: 10 * time.Second}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all []events.Hash
	if err := store.Each(t.Context(), func(hash events.Hash) error {
		all = append(all, hash)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d contents removed", len(all))
}
