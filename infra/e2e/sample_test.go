package e2e

import (
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
)

// wholeSample is all of the synthetic bundles that the project tests with: 77,599 resources.
const wholeSample = "../../projections/catalog/testdata/synthea"

// sampleBundle is a bundle of a file.
type sampleBundle struct {
	file string
	body []byte
	want []string // what the resources of the entries must come back as, but for what a server may change
	sent struct {
		Entry []struct {
			Resource json.RawMessage
			Request  struct{ Method, URL, IfNoneExist string }
		}
	}
}

// leading is the name of a bundle that others refer to.
var leading = regexp.MustCompile(`^0[01]-`)

// sampleFiles returns the bundles of a folder: those that others refer to first.
func sampleFiles(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json.bz2"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample in %s: %v", folder, err)
	}
	slices.SortStableFunc(files, func(a, b string) int {
		first := func(file string) int {
			if leading.MatchString(filepath.Base(file)) {
				return 0
			}
			return 1
		}
		return first(a) - first(b)
	})
	return files
}

// readSample reads the bundles of a folder, in their order.
func readSample(t *testing.T, folder string) []*sampleBundle {
	t.Helper()
	files := sampleFiles(t, folder)
	bundles := make([]*sampleBundle, len(files))
	var group errgroup.Group
	group.SetLimit(4)
	for k, file := range files {
		group.Go(func() error {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			b := &sampleBundle{file: file}
			if b.body, err = io.ReadAll(bzip2.NewReader(f)); err != nil {
				return err
			}
			bundles[k] = b
			if err := json.Unmarshal(b.body, &b.sent); err != nil {
				return err
			}
			for _, e := range b.sent.Entry {
				b.want = append(b.want, comparable(e.Resource, false))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return bundles
}

// countOf tells how many resources of each type the bundles make: conditional creates of the same condition make one.
func countOf(bundles []*sampleBundle) map[string]int {
	counts := map[string]int{}
	conditions := map[string]bool{}
	for _, b := range bundles {
		for _, e := range b.sent.Entry {
			condition := e.Request.URL + "?" + e.Request.IfNoneExist
			if e.Request.IfNoneExist == "" || !conditions[condition] {
				counts[e.Request.URL]++
			}
			conditions[condition] = true
		}
	}
	return counts
}

func sampleCounts(t *testing.T) map[string]int {
	t.Helper()
	return countOf(readSample(t, sampleFolder))
}

var (
	stamped    = regexp.MustCompile(`"versionId":"\d+","lastUpdated":"[^"]+",?`)
	references = regexp.MustCompile(`"reference"\s*:\s*"[^"]*"|urn:uuid:[0-9a-f-]{36}|[A-Z][A-Za-z]+/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}`)
	ids        = regexp.MustCompile(`"id"\s*:\s*"[^"]*"`)
)

// comparable takes out of a resource what a server may change: the id, versionId, lastUpdated and references that it resolved.
// Everything else must be the same to the byte.
func comparable(resource []byte, fromServer bool) string {
	if fromServer {
		resource = stamped.ReplaceAll(resource, nil)
	}
	first := true
	resource = ids.ReplaceAllFunc(resource, func(id []byte) []byte {
		if !first {
			return id
		}
		first = false
		return []byte("ID")
	})
	return string(references.ReplaceAll(resource, []byte("REFERENCE")))
}

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
