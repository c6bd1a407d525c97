package e2e

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ledger remembers what a server has acknowledged.
type ledger struct {
	mu   sync.Mutex
	ids  map[string]bool
	sent atomic.Int64
}

func newLedger() *ledger { return &ledger{ids: map[string]bool{}} }

// write creates resources one after the other, each until it is acknowledged, under one idempotency key. Every try asks
// for the server to ask.
func (l *ledger) write(base func() string, writer int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		key := fmt.Sprintf(`"writer-%d-%d"`, writer, n)
		body := fmt.Sprintf(`{"resourceType":"Basic","code":{"text":"x"},"identifier":[{"system":"urn:w%d","value":"%d"}]}`, writer, n)
		l.sent.Add(1)
		for tries := 0; ; {
			r, err := send(base()+"/Basic", "POST", body, "Idempotency-Key", key)
			if err == nil && r.status == http.StatusCreated {
				parts := strings.Split(r.header.Get("Location"), "/")
				l.mu.Lock()
				l.ids[parts[len(parts)-3]] = true
				l.mu.Unlock()
				break
			}
			select {
			case <-stop: // the test is over; one that goes wrong must end too
				if tries++; tries > 500 {
					return
				}
			default:
			}
			time.Sleep(20 * time.Millisecond)
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// check reads everything that was acknowledged, and tells how many there must be.
func (l *ledger) check(t *testing.T, n *node, want map[string]int) {
	t.Helper()
	for id := range l.ids {
		n.do(http.StatusOK, "GET", "/Basic/"+id, "")
	}
	if int64(len(l.ids)) != l.sent.Load() {
		t.Errorf("%d creates were acknowledged with %d different ids", l.sent.Load(), len(l.ids))
	}
	want["Basic"] = len(l.ids)
}

// some returns up to so many of the ids that were acknowledged.
func (l *ledger) some(most int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, most)
	for id := range l.ids {
		if len(ids) == most {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// count counts what was acknowledged.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

// rebuildsTheSame makes the index again from the log. A clean replay gives the same: the rebuild itself compares
// digests, this compares what a client sees.
func (i *installation) rebuildsTheSame(n *node, kinds map[string]int) {
	i.t.Helper()
	before := fingerprint(i.t, n, kinds)
	i.t.Logf("%s", i.run("rebuild"))
	n.awaitReady(bound)
	if after := fingerprint(i.t, n, kinds); !maps.Equal(before, after) {
		i.t.Errorf("after a rebuild from the log a client sees\n%v\nbefore it was\n%v", after, before)
	}
}

// fingerprint reads all resources of types through searches, and returns for each type how many there are and a hash of
// their bytes.
func fingerprint(t *testing.T, n *node, kinds map[string]int) map[string]string {
	t.Helper()
	prints := map[string]string{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		hash, count := sha256.New(), 0
		for link := n.base + "/" + kind + "?_sort=_lastUpdated&_count=500"; link != ""; {
			r, err := send(link, http.MethodGet, "", "Prefer", "handling=strict")
			if err != nil || r.status != http.StatusOK {
				t.Fatalf("GET %s: %d %v %.300s", link, r.status, err, r.body)
			}
			b := bundleOf(t, r.body)
			for _, e := range b.Entry {
				fmt.Fprintf(hash, "%s %s %s\n", e.FullURL, e.Resource.Meta.VersionID, e.Resource.Meta.LastUpdated)
				count++
			}
			link = b.next()
		}
		prints[kind] = fmt.Sprintf("%d resources, %x", count, hash.Sum(nil)[:8])
	}
	return prints
}
