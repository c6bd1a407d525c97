package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"binnacle/infra/walks"
	"binnacle/infra/walks/entered"
)

// TestARequestEntersFewFiles holds the counts that docs/architecture.md tells of the walks.
func TestARequestEntersFewFiles(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	i := newInstallation(t, func() (string, error) {
		overlay, err := walks.Instrument(root, t.TempDir())
		if err != nil {
			return "", err
		}
		return build("walked", "-overlay="+overlay)
	}, "standalone", nil)
	notes := "http://" + freeAddress(t)
	i.env = append(i.env, entered.Listen+"="+strings.TrimPrefix(notes, "http://"))
	n := i.start()
	patient := `{"resourceType":"Patient","id":"1","name":[{"family":"Maier"}],"birthDate":"1980-02-29"}`
	served := func(e entered.Entry) bool { return e.Served }
	for _, w := range []struct {
		name, method, path, body string
		begins                   func(entered.Entry) bool
		last                     string
	}{
		{"a PUT before the log", "PUT", "/Patient/1", patient, served, "events/sqlite/"},
		{"a read", "GET", "/Patient/1", "", served, ""},
		{"a search", "GET", "/Patient?family=maier", "", served, ""},
		{"a transaction's GET", "POST", "", `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`, served, ""},
	} {
		var best walks.Walk
		for range 5 { // the first times something is made that stays
			if _, err := send(notes+"/begin", http.MethodGet, ""); err != nil {
				t.Fatal(err)
			}
			if r, err := n.try(w.method, w.path, w.body); err != nil || r.status >= http.StatusBadRequest {
				t.Fatalf("%s: %d %v %s", w.name, r.status, err, r.body)
			}
			noted, err := send(notes+"/end", http.MethodGet, "")
			if err != nil {
				t.Fatal(err)
			}
			var entries []entered.Entry
			if err := json.Unmarshal(noted.body, &entries); err != nil {
				t.Fatal(err)
			}
			walk := walks.Count(root, entries, w.begins, w.last)
			if best.Files == 0 || walk.Files < best.Files {
				best = walk
			}
		}
		t.Logf("%s: %d files, %d visits, %d again, %d climbs\n%s", w.name, best.Files, len(best.Visits), best.Again, best.Climbs, best)
	}
}
