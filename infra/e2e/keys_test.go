package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// records counts what the log of an installation holds.
func records(i *installation) int {
	return strings.Count(strings.TrimSpace(i.run("tail", "--from", "0:0")), "\n") + 1
}

// appended waits until the log holds one record more.
func appended(t *testing.T, i *installation, before int) {
	t.Helper()
	for deadline := time.Now().Add(bound); records(i) <= before; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log still holds %d records", before)
		}
	}
}

// The first request is in the log and nobody decides: on its own node a duplicate is told so, on another one it waits
// for the one outcome.
func TestADuplicateOnAnotherNodeWaitsAndGetsTheFirstOutcome(t *testing.T) {
	i := newInstallation(t, watched, "distributed", needs(t))
	projector := i.start("--only", "project")
	doors := []*node{i.start("--only", "write,read"), i.start("--only", "write,read")}
	doors[0].do(http.StatusCreated, "PUT", "/Patient/warm", `{"resourceType":"Patient","id":"warm"}`)

	type answer struct {
		reply
		err error
	}
	ask := func(n *node, key, text string) <-chan answer {
		answers := make(chan answer, 1)
		go func() {
			r, err := n.try("POST", "/Patient", `{"resourceType":"Patient","language":"`+text+`"}`, "Idempotency-Key", `"`+key+`"`)
			answers <- answer{r, err}
		}()
		return answers
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := projector.command.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	created := func(a answer, replayed string) string {
		t.Helper()
		if a.err != nil || a.status != http.StatusCreated || a.header.Get("Idempotent-Replayed") != replayed {
			t.Fatalf("got %d %v, replayed %q: %s; want 201 and %q", a.status, a.err, a.header.Get("Idempotent-Replayed"), a.body, replayed)
		}
		return a.id(t)
	}

	before := records(i)
	signal(syscall.SIGSTOP)
	first := ask(doors[0], "one", "a")
	appended(t, i, before)
	if here := <-ask(doors[0], "one", "a"); here.status != http.StatusConflict || here.header.Get("Retry-After") == "" {
		t.Errorf("a duplicate on the same node: got %d %v %s, want 409 and when to come again", here.status, here.err, here.body)
	}
	there := ask(doors[1], "one", "a")
	select {
	case a := <-there:
		t.Errorf("a duplicate on another node was answered before anybody decided: %d %s", a.status, a.body)
	case <-time.After(time.Second):
	}
	signal(syscall.SIGCONT)
	id := created(<-first, "")
	if again := created(<-there, "true"); again != id {
		t.Errorf("the duplicate made %s, the first %s", again, id)
	}
	if other := <-ask(doors[1], "one", "b"); other.status != http.StatusUnprocessableEntity {
		t.Errorf("another request under the key: got %d %v, want 422", other.status, other.err)
	}

	// The node of the first request dies while it is in flight: no lock outlives it, and the request is neither lost
	// nor done twice.
	before = records(i)
	signal(syscall.SIGSTOP)
	lost := ask(doors[0], "two", "a")
	appended(t, i, before)
	doors[0].kill()
	if a := <-lost; a.err == nil {
		t.Errorf("a node that was killed answered %d", a.status)
	}
	there = ask(doors[1], "two", "a")
	signal(syscall.SIGCONT)
	created(<-there, "true")
	if got := total(t, doors[1], "Patient"); got != 3 {
		t.Errorf("%d patients, want 3", got)
	}
	i.run("verify", "--deep")
}
