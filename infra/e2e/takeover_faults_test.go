//go:build faults

package e2e

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// projected tells how many batches a node has projected; -1 when it doesn't say.
func (n *node) projected() int {
	return int(n.metric("binnacle_handler_duration_seconds_count", `handler="project"`, `result="done"`))
}

// projecting finds the node that projects while somebody writes.
func (f *fleet) projecting(t *testing.T) int {
	t.Helper()
	before := make([]int, len(f.nodes))
	for k := range f.nodes {
		before[k] = f.node(k).projected()
	}
	for deadline := time.Now().Add(bound); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for k := range f.nodes {
			if f.node(k).projected() > before[k] {
				return k
			}
		}
	}
	t.Fatal("no node projects")
	return -1
}

func TestAnotherNodeGoesOnWhenTheProjectingOneIsKilled(t *testing.T) {
	i := newInstallation(t, plain, "distributed", needs(t))
	f := launchFleet(i, 3)
	l := newLedger()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for k := range 4 {
		clients.Go(func() { l.write(f.any, k, stop) })
	}
	var taken []time.Duration
	for range 2 + rounds(t) {
		k := f.projecting(t)
		others := slices.DeleteFunc(slices.Clone(f.addresses), func(a string) bool { return a == f.addresses[k] })
		began := time.Now()
		end, err := f.killed(k).begin()
		if err != nil {
			t.Fatal(err)
		}
		// The first write that a surviving node acknowledges shows that another one projects.
		for answered := false; !answered; {
			r, err := send("http://"+others[0]+"/fhir/Patient", http.MethodPost, `{"resourceType":"Patient"}`, "Idempotency-Key", strconv.Quote(began.String()))
			answered = err == nil && r.status == http.StatusCreated
			if time.Since(began) > bound {
				t.Fatalf("nobody projects %v after the projecting node was killed", bound)
			}
		}
		taken = append(taken, time.Since(began))
		if err := end(); err != nil {
			t.Fatal(err)
		}
		f.node(k).awaitReady(bound)
	}
	close(stop)
	clients.Wait()
	slices.Sort(taken)
	t.Logf("FIGURE takeover after kill -9, until a write is acknowledged by another node: median %v, all %v (target 5 s)", taken[len(taken)/2].Round(time.Millisecond), taken)
	l.check(t, f.node(0), map[string]int{})
	i.run("verify", "--deep")
}

func TestADrainedNodeFailsNoRequestAndLosesNone(t *testing.T) {
	i := newInstallation(t, plain, "distributed", needs(t))
	f := launchFleet(i, 2)
	l := newLedger()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for k := range 4 {
		clients.Go(func() { l.write(f.any, k, stop) })
	}
	// Readers try again when a node is away, and only then: any other answer is a failed request.
	var mu sync.Mutex
	failed := map[string]int{}
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, id := range l.some(1) {
					r, err := send(f.any()+"/Basic/"+id, http.MethodGet, "")
					if refused := err != nil && strings.Contains(err.Error(), "refused"); refused || err == nil && (r.status == http.StatusOK || r.status == http.StatusServiceUnavailable) {
						continue
					}
					mu.Lock()
					failed[strconv.Itoa(r.status)+" "+errorText(err)]++
					mu.Unlock()
				}
			}
		})
	}
	for k := range 2 * rounds(t) {
		which := k % 2
		began := time.Now()
		n := f.node(which)
		n.stop()
		f.awaitWrites(t, l)
		t.Logf("FIGURE drain of a node by SIGTERM and 20 writes more: %v", time.Since(began).Round(time.Millisecond))
		again := i.launch(f.addresses[which])
		f.mu.Lock()
		f.nodes[which] = again
		f.mu.Unlock()
		again.awaitReady(bound)
	}
	close(stop)
	clients.Wait()
	if len(failed) > 0 {
		t.Errorf("requests failed while nodes were drained one after the other: %v", failed)
	}
	l.check(t, f.node(0), map[string]int{})
	if got := total(t, f.node(0), "Basic"); got != l.count() {
		t.Errorf("%d resources, %d were acknowledged", got, l.count())
	}
	i.run("verify", "--deep")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
