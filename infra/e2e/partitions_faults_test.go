//go:build faults

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
)

// sequence is one resource of one tenant that is written over and over: the n-th text becomes version n, if nothing is
// lost, doubled or out of order.
type sequence struct {
	tenant  string
	written atomic.Int64 // versions that were acknowledged
}

// write goes on until stop, each time with one idempotency key through all tries, at one node until that one fails.
func (s *sequence) write(t *testing.T, f *fleet, at int, stop <-chan struct{}) {
	for n := s.written.Load() + 1; ; n++ {
		body := fmt.Sprintf(`{"resourceType":"Patient","id":"s","language":"%d"}`, n)
		for {
			r, err := sendWithin(3*time.Second, fmt.Sprintf("http://%s/t/%s/fhir/Patient/s", f.addresses[at%len(f.addresses)], s.tenant), http.MethodPut, body, "Idempotency-Key", strconv.Quote(fmt.Sprintf("%s-%d", s.tenant, n)))
			if err == nil && (r.status == http.StatusOK || r.status == http.StatusCreated) {
				if got, want := r.header.Get("ETag"), fmt.Sprintf(`W/"%d"`, n); got != want {
					t.Errorf("%s: write %d became version %s", s.tenant, n, got)
					return
				}
				break
			}
			at++
			time.Sleep(20 * time.Millisecond) // away, or an earlier try is in flight
		}
		s.written.Store(n)
		select {
		case <-stop:
			return
		default:
		}
	}
}

// check reads the whole history of the resource.
func (s *sequence) check(t *testing.T, n *node) {
	t.Helper()
	own := *n
	own.base = n.root + "/t/" + s.tenant + "/fhir"
	want := s.written.Load()
	seen := int64(0)
	for link := own.base + "/Patient/s/_history?_count=500"; link != ""; {
		r, err := send(link, http.MethodGet, "")
		if err != nil || r.status != http.StatusOK {
			t.Fatalf("GET %s: %d %v", link, r.status, err)
		}
		b := bundleOf(t, r.body)
		for _, e := range b.Entry {
			if got, expect := e.Resource.Meta.VersionID, strconv.FormatInt(want-seen, 10); got != expect || e.Resource.Language != expect {
				t.Fatalf("%s: version %s with the text %q stands where version %s is due", s.tenant, got, e.Resource.Language, expect)
			}
			seen++
		}
		link = b.next()
	}
	if seen != want {
		t.Errorf("%s: %d versions, %d were acknowledged", s.tenant, seen, want)
	}
}

func TestEachPartitionGoesOnWhenOneNodeIsKilledAndAnotherIsAZombie(t *testing.T) {
	const partitions = 6
	i := newInstallation(t, plain, "distributed", append(needs(t), fmt.Sprintf("BINNACLE_KAFKA_PARTITIONS=%d", partitions), "BINNACLE_TENANTS=*"))
	f := launchFleet(i, 3)
	var sequences []*sequence
	for partition := range int32(partitions) {
		for k, found := 0, 0; found < 2; k++ { // two tenants share each partition
			if tenant := fmt.Sprint("t", k); events.PartitionOf(tenant, partitions) == partition {
				sequences = append(sequences, &sequence{tenant: tenant})
				found++
			}
		}
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for k, s := range sequences {
		writers.Go(func() { s.write(t, f, k, stop) })
	}
	onwards := func(after string) {
		t.Helper()
		began := time.Now()
		from := make([]int64, len(sequences))
		for k, s := range sequences {
			from[k] = s.written.Load()
		}
		for {
			waiting := slices.Collect(func(yield func(string) bool) {
				for k, s := range sequences {
					if s.written.Load() < from[k]+3 && !yield(s.tenant) {
						return
					}
				}
			})
			if len(waiting) == 0 {
				t.Logf("%s: all %d partitions go on after %.1f s", after, partitions, time.Since(began).Seconds())
				return
			}
			if t.Failed() || time.Since(began) > bound {
				t.Fatalf("%v after %s the tenants %v don't go on", time.Since(began), after, waiting)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	onwards("the start")
	for round := range 3 * rounds(t) {
		dead, zombie := f.killed(round%3), f.stopped((round+1)%3)
		revive, err := dead.begin()
		if err != nil {
			t.Fatal(err)
		}
		wake, err := zombie.begin()
		if err != nil {
			t.Fatal(err)
		}
		onwards(dead.name + " and " + zombie.name)
		if err := wake(); err != nil { // in the middle of what it did, with partitions that are another's now
			t.Fatal(err)
		}
		onwards("the zombie woke up")
		if err := revive(); err != nil {
			t.Fatal(err)
		}
		f.node(round % 3).awaitReady(bound)
		onwards("the killed one is back")
	}
	close(stop)
	writers.Wait()
	for _, s := range sequences {
		s.check(t, f.node(0))
	}
	i.run("verify", "--deep")
}
