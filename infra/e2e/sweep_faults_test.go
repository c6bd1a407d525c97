//go:build faults

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestASweepWhoseServerIsKilledGoesOn kills the server while it removes the rows of superseded versions: what is left
// is swept after the restart, a search finds what it found before, and histories stay whole.
func TestASweepWhoseServerIsKilledGoesOn(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			i := newInstallation(t, plain, variant, addresses(t, variant))
			i.env = append(i.env, "BINNACLE_SWEEP_AFTER=500ms", "BINNACLE_SEARCH_TIMEOUT=1s")
			address := freeAddress(t)
			n := i.launch(address)
			n.awaitReady(bound)

			const patients, versions = 600, 12
			update := func(version int) {
				for first := 0; first < patients; first += 100 {
					n.do(http.StatusOK, "POST", "", batchOfPatients(first, 100, version))
				}
			}
			for version := range versions {
				update(version)
			}
			acknowledged := newLedger()
			stop := make(chan struct{})
			var writers sync.WaitGroup
			writers.Go(func() { acknowledged.write(func() string { return "http://" + address + "/fhir" }, 0, stop) })

			r := dice(t)
			inTheMiddle, kills := 0, 3*rounds(t)
			for k := range kills {
				n.await(bound, "sweeping", func() bool { return n.metric("binnacle_index_swept_rows_total") > 0 })
				if k > 0 { // the first one at once: most of its sweep is left
					time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
				}
				if n.metric("binnacle_index_sweeps_total") == 0 {
					inTheMiddle++
				}
				n.kill()
				n = i.launch(address)
				n.awaitReady(bound)
				update(versions - 2) // the next sweep has work, whatever this one has left
				update(versions - 1)
			}
			close(stop)
			writers.Wait()
			n.await(bound, "swept", func() bool { return n.metric("binnacle_index_sweeps_total") > 0 })
			t.Logf("%d of %d kills were in the middle of a sweep", inTheMiddle, kills)

			for query, want := range map[string]int{
				"family=Family0x": 0, "identifier=urn:n|0-7": 0, "birthdate=2000-01-01": 0, // of the first versions
				"family=Family11x": patients, "identifier=urn:n|11-7": 1, "birthdate=2011-01-01": patients, "telecom=11-7-3": 1,
			} {
				if got := len(n.found("Patient?_count=1000&" + query)); got != want {
					t.Errorf("%s: %d found, want %d", query, got, want)
				}
			}
			history := bundleOf(t, n.do(http.StatusOK, "GET", "/Patient/p7/_history?_count=1000", "").body)
			if want := versions + 2*kills; len(history.Entry) != want {
				t.Errorf("the history of a patient has %d versions, want %d", len(history.Entry), want)
			}
			want := map[string]int{"Patient": patients}
			acknowledged.check(t, n, want)
			for kind, count := range want {
				if got := total(t, n, kind); got != count {
					t.Errorf("%s: %d resources, want %d", kind, got, count)
				}
			}
			i.run("verify", "--deep")
			i.rebuildsTheSame(n, want)
		})
	}
}

// batchOfPatients is a batch that updates patients, each with some forty rows in the index.
func batchOfPatients(first, count, version int) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for p := first; p < first+count; p++ {
		if p > first {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"request":{"method":"PUT","url":"Patient/p%d"},"resource":{"resourceType":"Patient","id":"p%d","birthDate":"20%02d-01-01",`, p, p, version)
		fmt.Fprintf(&b, `"identifier":[{"system":"urn:n","value":"%d-%d"}],"name":[{"family":"Family%dx"}],"telecom":[`, version, p, version)
		for k := range 16 {
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"system":"phone","value":"%d-%d-%d"}`, version, p, k)
		}
		b.WriteString(`]}}`)
	}
	b.WriteString(`]}`)
	return b.String()
}
