package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestABatchThatIsAnsweredLaterIsMadeOnceThoughItsServerIsKilled(t *testing.T) {
	i := newInstallation(t, plain, "standalone", nil)
	address := freeAddress(t)
	flags := []string{"--async-lease", "1s"}
	n := i.launch(address, flags...)
	n.awaitReady(bound)
	at := n.later(creates("k", 4_000))
	n.await(bound, "in the middle of a batch", func() bool { return working(n.base + at) })
	n.kill()
	n = i.launch(address, flags...)
	n.awaitReady(bound)
	fetched(t, n, at, 4_000)
	if got := total(t, n, "Basic"); got != 4_000 {
		t.Errorf("a batch of 4,000 made %d resources", got)
	}
	n.stop()
	i.run("verify", "--deep")
}

// creates is a batch that creates so many resources, under ids of the server's.
func creates(text string, entries int) string {
	var bundle strings.Builder
	bundle.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for n := range entries {
		if n > 0 {
			bundle.WriteString(",")
		}
		fmt.Fprintf(&bundle, `{"resource":{"resourceType":"Basic","code":{"text":"%s %d"}},`+
			`"request":{"method":"POST","url":"Basic"}}`, text, n)
	}
	return bundle.String() + "]}"
}

// later sends a bundle that is to be answered later, and returns the place of its answer below the root.
func (n *node) later(bundle string) string {
	n.t.Helper()
	r := n.do(http.StatusAccepted, "POST", "", bundle, "Prefer", "respond-async")
	_, at, found := strings.Cut(r.header.Get("Content-Location"), "/fhir/_async/")
	if !found {
		n.t.Fatalf("where is its answer? %v", r.header)
	}
	return "/_async/" + at
}

// working tells whether some entries of a bundle are done, and others are not.
func working(url string) bool {
	r, err := send(url, http.MethodGet, "")
	progress := r.header.Get("X-Progress")
	return err == nil && r.status == http.StatusAccepted && strings.HasSuffix(progress, " entries") &&
		!strings.HasPrefix(progress, "0 of ")
}

// fetched waits for the answer to a batch that creates so many resources.
func fetched(t *testing.T, n *node, at string, entries int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := n.try("GET", at, "")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the answer: %v, status %d", err, r.status)
		}
		if r.status == http.StatusAccepted {
			continue
		}
		var outer struct {
			Entry []struct{ Resource json.RawMessage }
		}
		if err := json.Unmarshal(r.body, &outer); err != nil || r.status != http.StatusOK || len(outer.Entry) != 1 {
			t.Fatalf("the answer: got %d %.300s (%v)", r.status, r.body, err)
		}
		made := map[string]bool{}
		for _, entry := range bundleOf(t, outer.Entry[0].Resource).Entry {
			if entry.Response.Status != "201" {
				t.Fatalf("an entry is answered with %s %s", entry.Response.Status, entry.Response.Outcome)
			}
			made[entry.Response.Location] = true
		}
		if len(made) != entries {
			t.Fatalf("the answer tells of %d resources, want %d", len(made), entries)
		}
		return
	}
}
