package e2e

import (
	"compress/bzip2"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"
)

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

// comparable takes out of a resource what a server may change: the id, versionId, lastUpdated and references that it
// resolved. Everything else must be the same to the byte.
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
