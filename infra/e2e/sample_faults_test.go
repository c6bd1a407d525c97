//go:build faults

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// wholeSample is all of the synthetic bundles that the project tests with: 77,599 resources.
const wholeSample = "../../projections/catalog/testdata/synthea"

func TestTheWholeSampleIsHeldByteForByteAndSurvivesARebuild(t *testing.T) {
	bundles := readSample(t, wholeSample)
	want := countOf(bundles)
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			i := newInstallation(t, plain, variant, addresses(t, variant))
			n := i.start()
			places := loadSample(t, n, bundles)
			i.run("verify")
			i.run("rebuild")
			n.awaitReady(bound)
			i.run("verify")
			checkSample(t, n, bundles, places)
			for kind, count := range want {
				if got := total(t, n, kind); got != count {
					t.Errorf("%s: %d resources, want %d", kind, got, count)
				}
			}
		})
	}
}

// loadSample posts the bundles, the first two before the others, and returns where each entry of each bundle lies.
func loadSample(t *testing.T, n *node, bundles []*sampleBundle) [][]string {
	t.Helper()
	places := make([][]string, len(bundles))
	post := func(k int) error {
		r, err := n.try("POST", "", string(bundles[k].body))
		if err != nil {
			return err
		}
		if r.status != http.StatusOK {
			return fmt.Errorf("%s: %d %.500s", bundles[k].file, r.status, r.body)
		}
		for j, e := range bundleOf(t, r.body).Entry {
			if !strings.HasPrefix(e.Response.Status, "2") {
				return fmt.Errorf("%s entry %d: %s %s", bundles[k].file, j, e.Response.Status, e.Response.Outcome)
			}
			places[k] = append(places[k], e.Response.Location)
		}
		return nil
	}
	for k := range 2 {
		if err := post(k); err != nil {
			t.Fatal(err)
		}
	}
	var group errgroup.Group
	group.SetLimit(8)
	for k := 2; k < len(bundles); k++ {
		group.Go(func() error { return post(k) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return places
}

// checkSample reads every resource back and compares it with what was sent.
func checkSample(t *testing.T, n *node, bundles []*sampleBundle, places [][]string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var group errgroup.Group
	group.SetLimit(16)
	var mu sync.Mutex
	wrong := 0
	for k, b := range bundles {
		group.Go(func() error {
			for j, e := range b.sent.Entry {
				response, err := client.Get(n.base + "/" + placeOf(t, places[k][j]))
				if err != nil {
					return err
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil {
					return err
				}
				got, want := comparable(body, true), b.want[j]
				if got == want || strings.Replace(got, `"meta":{},`, "", 1) == want {
					continue
				}
				mu.Lock()
				wrong++
				if wrong <= 3 {
					t.Errorf("%s entry %d came back as\n%.1500s\nit was sent as\n%.1500s", b.file, j, body, bytes.TrimSpace(e.Resource))
				}
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if wrong > 0 {
		t.Errorf("%d resources differ from what was sent", wrong)
	}
}
