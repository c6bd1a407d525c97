//go:build faults

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/infra/servers"
)

// singles are writes of which none is tried again: every one has to succeed, however long it takes.
type singles struct {
	mu      sync.Mutex
	ids     map[string][]string // of what was created, by base URL and in the order of the writes of each writer
	slowest time.Duration
	failed  []string
}

// write creates resources one after the other until stop.
func (s *singles) write(base string, writer int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		body := fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"x"},"identifier":[{"system":"urn:s%d","value":"%d"}]}`, writer, n)
		began := time.Now()
		r, err := send(base+"/Basic", http.MethodPost, body)
		took := time.Since(began)
		s.mu.Lock()
		if s.slowest = max(s.slowest, took); err != nil || r.status != http.StatusCreated {
			s.failed = append(s.failed, fmt.Sprintf("after %v: %d %v %.300s", took.Round(time.Millisecond), r.status, err, r.body))
		} else {
			parts := strings.Split(r.header.Get("Location"), "/")
			s.ids[base] = append(s.ids[base], parts[len(parts)-3])
		}
		s.mu.Unlock()
	}
}

// turn returns the slowest write since the last turn, and how many each base URL has seen in all.
func (s *singles) turn() (slowest time.Duration, counts map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts = map[string]int{}
	for base, ids := range s.ids {
		counts[base] = len(ids)
	}
	slowest, s.slowest = s.slowest, 0
	return slowest, counts
}

func (s *singles) failures() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failed)
}

// Three brokers with the times that they come with, and three partitions, so that each leads one; one of them
// coordinates the group.
func TestABrokerIsLostUnderLoadWithoutAFailedWrite(t *testing.T) {
	r := dice(t)
	c := startCluster(t, servers.Shape{Kafka: 3, Cassandra: 1, Postgres: 1, Unhurried: true})
	env := slices.DeleteFunc(c.env(), func(v string) bool { return strings.HasPrefix(v, "BINNACLE_CASSANDRA_REPLICATION=") })
	i := newInstallation(t, plain, "distributed", append(env, "BINNACLE_KAFKA_PARTITIONS=3", "BINNACLE_TENANTS=*"))
	c.keepLogs(t, i.evidence)
	f := launchFleet(i, 2)
	copied := func() {
		t.Helper()
		waiting, cancel := context.WithTimeout(t.Context(), bound)
		defer cancel()
		if err := c.Copied(waiting); err != nil {
			t.Fatal(err)
		}
	}
	copied()

	written := &singles{ids: map[string][]string{}}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for k := range 6 {
		base := fmt.Sprintf("http://%s/t/t%d/fhir", f.addresses[k%2], k)
		written.ids[base] = nil
		writers.Go(func() { written.write(base, k, stop) })
	}
	written.progress(t, "the start", nil)
	type loss struct {
		broker string
		hard   bool
	}
	var losses []loss
	for range rounds(t) {
		for _, k := range r.Perm(3) {
			losses = append(losses, loss{fmt.Sprintf("kafka-%d", k+1), true})
		}
		losses = append(losses, loss{fmt.Sprintf("kafka-%d", 1+r.IntN(3)), false})
	}
	for _, l := range losses {
		name := "the stop of " + l.broker
		if l.hard {
			name = "kill -9 of " + l.broker
		}
		_, before := written.turn()
		if err := c.Stop(t.Context(), l.broker, l.hard); err != nil {
			t.Fatal(err)
		}
		meanwhile := written.progress(t, name, before)
		slowest, during := written.turn()
		if err := c.Start(t.Context(), l.broker); err != nil {
			t.Fatal(err)
		}
		copied()
		written.progress(t, "the end of "+name, during)
		after, _ := written.turn()
		t.Logf("FIGURE %s: %d writes meanwhile, the slowest took %v; after its start the slowest took %v", name, meanwhile, slowest.Round(time.Millisecond), after.Round(time.Millisecond))
		if failed := written.failures(); len(failed) > 0 {
			break
		}
	}
	close(stop)
	writers.Wait()
	if failed := written.failures(); len(failed) > 0 {
		t.Fatalf("%d writes failed, the first ones:\n%s", len(failed), strings.Join(failed[:min(5, len(failed))], "\n"))
	}
	for base, ids := range written.ids {
		n := &node{t: t, base: base, output: f.node(0).output}
		if got := total(t, n, "Basic"); got != len(ids) {
			t.Errorf("%s has %d resources, %d were acknowledged", base, got, len(ids))
		}
		for _, id := range ids[max(0, len(ids)-20):] {
			n.do(http.StatusOK, http.MethodGet, "/Basic/"+id, "")
		}
	}
	i.run("verify", "--deep")
}

// progress waits until every writer has written some more, or one has failed; it returns how many all have written
// more.
func (s *singles) progress(t *testing.T, after string, since map[string]int) (more int) {
	t.Helper()
	const enough = 20
	for deadline := time.Now().Add(bound); ; time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		least, failed := enough, len(s.failed)
		more = 0
		for base, ids := range s.ids {
			more += len(ids) - since[base]
			least = min(least, len(ids)-since[base])
		}
		s.mu.Unlock()
		if least >= enough || failed > 0 {
			return more
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v after %s a writer has written %d times only", bound, after, least)
		}
	}
}
