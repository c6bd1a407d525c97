//go:build faults

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"binnacle/infra/servers"
)

// fault is something that goes wrong for a while. end makes it good again.
type fault struct {
	name  string
	begin func() (end func() error, err error)
}

// fleet is the nodes of one installation, some of which may be dead for a moment.
type fleet struct {
	i         *installation
	addresses []string

	mu    sync.Mutex
	nodes []*node
}

func launchFleet(i *installation, count int) *fleet {
	f := &fleet{i: i}
	for range count {
		address := freeAddress(i.t)
		f.addresses = append(f.addresses, address)
		f.nodes = append(f.nodes, i.launch(address))
	}
	for _, n := range f.nodes {
		n.awaitReady(bound)
	}
	return f
}

// any chooses a node: its base URL.
func (f *fleet) any() string { return "http://" + f.addresses[rand.IntN(len(f.addresses))] + "/fhir" }

func (f *fleet) node(k int) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[k]
}

// killed kills a node; end starts another one at its address and waits until it is ready.
func (f *fleet) killed(k int) fault {
	return fault{fmt.Sprintf("kill -9 of node %d", k), func() (func() error, error) {
		f.node(k).kill()
		return func() error {
			n := f.i.launch(f.addresses[k])
			f.mu.Lock()
			f.nodes[k] = n
			f.mu.Unlock()
			return nil
		}, nil
	}}
}

// stopped stops a node without its knowing.
func (f *fleet) stopped(k int) fault {
	return fault{fmt.Sprintf("SIGSTOP of node %d", k), func() (func() error, error) {
		process := f.node(k).command.Process
		return func() error { return process.Signal(syscall.SIGCONT) }, process.Signal(syscall.SIGSTOP)
	}}
}

// lost kills a server; end starts it again with its data.
func (c *cluster) lost(name string) fault {
	return fault{"kill -9 of " + name, func() (func() error, error) {
		return func() error { return c.Start(context.Background(), name) }, c.Stop(context.Background(), name, true)
	}}
}

func (c *cluster) cutOff(name string) fault {
	return fault{"connections to " + name + " cut", func() (func() error, error) {
		c.cut(name)
		return func() error { return c.heal(name) }, nil
	}}
}

func (c *cluster) slowed(name string, milliseconds int) fault {
	return fault{fmt.Sprintf("%s answers %d ms late", name, milliseconds), func() (func() error, error) {
		return func() error { return c.quick(context.Background(), name) }, c.slow(name, milliseconds)
	}}
}

func TestThreeNodesUnderFaultsLoseNothingDoubleNothingAndStayLinearizable(t *testing.T) {
	r := dice(t)
	c := startCluster(t, servers.Shape{Kafka: 3, Cassandra: 2, Postgres: 1})
	i := newInstallation(t, plain, "distributed", c.env())
	c.keepLogs(t, i.evidence)
	f := launchFleet(i, 3)

	stop := make(chan struct{})
	var clients sync.WaitGroup
	acknowledged := newLedger()
	for k := range 4 {
		clients.Go(func() { acknowledged.write(f.any, k, stop) })
	}
	seen := newHistory()
	for k := range 6 {
		choices := rand.New(rand.NewPCG(r.Uint64(), uint64(k)))
		clients.Go(func() { operate(f, seen, k, choices, stop) })
	}

	faults := []fault{
		f.killed(0), f.stopped(1), f.killed(2), c.lost("kafka-1"), c.lost("cassandra-2"), c.lost("postgres"),
		c.cutOff("postgres"), c.slowed("cassandra-1", 300), c.cutOff("kafka-2"), f.stopped(2), f.killed(1),
	}
	for range rounds(t) {
		r.Shuffle(len(faults), func(a, b int) { faults[a], faults[b] = faults[b], faults[a] })
		for _, fault := range faults {
			before := acknowledged.count()
			end, err := fault.begin()
			if err != nil {
				t.Fatalf("%s: %v", fault.name, err)
			}
			time.Sleep(time.Duration(1500+r.IntN(2500)) * time.Millisecond)
			during := acknowledged.count()
			if err := end(); err != nil {
				t.Fatalf("the end of %s: %v", fault.name, err)
			}
			began := time.Now()
			f.awaitWrites(t, acknowledged)
			t.Logf("%s: %d writes acknowledged meanwhile; going on %.1f s after its end", fault.name, during-before, time.Since(began).Seconds())
		}
	}
	close(stop)
	clients.Wait()
	for k := range f.nodes {
		f.node(k).awaitReady(bound)
	}
	calm(t, i.evidence)
	seen.check(t, i.evidence)
	n := f.node(0)
	want := map[string]int{}
	acknowledged.check(t, n, want)
	if got := total(t, n, "Basic"); got != want["Basic"] {
		t.Errorf("%d resources are there, %d were acknowledged", got, want["Basic"])
	}
	t.Logf("%d creates acknowledged", want["Basic"])
	// A Cassandra node that was killed may have lost what it acknowledged: the log has it.
	i.run("verify", "--repair")
	i.run("verify", "--deep")
	kinds := map[string]int{"Basic": 0, "Patient": 0}
	i.rebuildsTheSame(n, kinds)
}

// calm holds that no node tried without rest to join its consumer group while the group's coordinator was away.
func calm(t *testing.T, logs string) {
	t.Helper()
	const most = 8 // in a second; they are 250 ms apart
	files, err := filepath.Glob(filepath.Join(logs, "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the nodes have no logs in %s: %v", logs, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tries := map[string]int{}
		for line := range strings.Lines(string(text)) {
			if second, _, _ := strings.Cut(line, "."); strings.Contains(line, "Group consume error") {
				if tries[second]++; tries[second] == most+1 {
					t.Errorf("%s has more than %d tries to join the group in the second %s", filepath.Base(file), most, second)
				}
			}
		}
	}
}

// awaitWrites waits until writes are acknowledged again, by all of the nodes together.
func (f *fleet) awaitWrites(t *testing.T, l *ledger) {
	t.Helper()
	from := l.count()
	for deadline := time.Now().Add(bound); l.count() < from+20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v after the end of a fault %d writes were acknowledged", bound, l.count()-from)
		}
	}
}

// operate reads, writes and deletes a few resources through random nodes and records what it sees.
func operate(f *fleet, seen *history, client int, choices *rand.Rand, stop <-chan struct{}) {
	known := map[string]int64{} // the version that this client has seen last
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		in := asked{Kind: opRead, ID: fmt.Sprintf("r%d", (n/60)*4+choices.IntN(4))}
		switch draw := choices.IntN(10); {
		case draw < 3:
			in.Kind = opPut
		case draw < 5:
			in.Kind, in.Version = opMatch, max(1, known[in.ID])
		case draw < 6:
			in.Kind = opDelete
		}
		if in.Kind == opPut || in.Kind == opMatch {
			in.Value = fmt.Sprintf("%d-%d", client, n)
		}
		answer := seen.begin(client, in)
		out := perform(f, in, fmt.Sprintf("op-%d-%d", client, n))
		answer(out)
		if out.Version > 0 {
			known[in.ID] = out.Version
		}
		time.Sleep(time.Duration(choices.IntN(20)) * time.Millisecond)
	}
}

// patience is how long an operation is tried again before its outcome is called unknown.
const patience = 30 * time.Second

// perform asks random nodes until one gives an answer that stands. A write carries one Idempotency-Key through all its
// tries.
func perform(f *fleet, in asked, key string) answered {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if out, stands := attempt(f.any()+"/Patient/"+in.ID, in, key); stands {
			return out
		}
	}
	return answered{Unknown: true}
}

// attempt sends an operation once, with little time: a node that was stopped doesn't answer.
func attempt(url string, in asked, key string) (out answered, stands bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	method, body := map[string]string{opRead: "GET", opPut: "PUT", opMatch: "PUT", opDelete: "DELETE"}[in.Kind], ""
	if method == "PUT" {
		body = fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":%q}`, in.ID, in.Value)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answered{}, false
	}
	if in.Kind != opRead {
		request.Header.Set("Idempotency-Key", strconv.Quote(key))
		request.Header.Set("Content-Type", "application/fhir+json")
	}
	if in.Kind == opMatch {
		request.Header.Set("If-Match", fmt.Sprintf(`W/"%d"`, in.Version))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answered{}, false
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusGone, http.StatusPreconditionFailed:
	default: // away, not known, or an earlier try is in flight: ask again
		return answered{}, false
	}
	out.Status = response.StatusCode
	if in.Kind != opRead && in.Kind != opDelete || out.Status == http.StatusOK {
		out.Version, _ = strconv.ParseInt(strings.Trim(response.Header.Get("ETag"), `W/"`), 10, 64) // 0 where there is none
	}
	if in.Kind == opRead && out.Status == http.StatusOK {
		var patient struct{ Language string }
		if err := json.NewDecoder(response.Body).Decode(&patient); err != nil {
			return answered{}, false
		}
		out.Value = patient.Language
	}
	return out, true
}
