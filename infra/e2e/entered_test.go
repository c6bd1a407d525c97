package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"binnacle/infra/walks"
	"binnacle/infra/walks/entered"
)

// onTheWay are the rooms that lead a request on. The others answer what they are asked: documents, the catalog, the
// drivers.
var onTheWay = []string{"infra", "infra/node", "readapi", "readapi/fhir", "events/fhir/rest", "functions",
	"functions/door", "functions/write", "functions/project"}

// TestARequestEntersNoMoreFilesThanTheMapTells holds the table of walks in docs/architecture.md: how many files one
// request enters.
func TestARequestEntersNoMoreFilesThanTheMapTells(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	told := toldWalks(t, filepath.Join(root, "docs/architecture.md"))
	i := newInstallation(t, func() (string, error) {
		overlay, err := walks.Instrument(root, t.TempDir())
		if err != nil {
			return "", err
		}
		return build("walked", "-overlay="+overlay)
	}, "standalone", nil)
	notes := freeAddress(t)
	i.env = append(i.env, entered.Listen+"="+notes)
	n := i.start()
	noted := func(w requested) []entered.Entry {
		if _, err := send("http://"+notes+"/begin", http.MethodGet, ""); err != nil {
			t.Fatal(err)
		}
		if r, err := n.try(w.method, w.path, w.body); err != nil || r.status >= http.StatusBadRequest {
			t.Fatalf("%s: %d %v %s", w.name, r.status, err, r.body)
		}
		time.Sleep(w.after)
		r, err := send("http://"+notes+"/end", http.MethodGet, "")
		if err != nil {
			t.Fatal(err)
		}
		var entries []entered.Entry
		if err := json.Unmarshal(r.body, &entries); err != nil {
			t.Fatal(err)
		}
		return entries
	}
	const patient = `{"resourceType":"Patient","id":"1","name":[{"family":"Maier"}],"birthDate":"1980-02-29"}`
	const entry = `{"resourceType":"Bundle","type":"transaction",` +
		`"entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`
	for _, w := range []requested{
		{"PUT, before the log", "PUT", "/Patient/1", patient, served, "events/sqlite", 0},
		{"PUT, after the log", "PUT", "/Patient/1", strings.Replace(patient, "Maier", "Meier", 1), projected, "",
			afterwards},
		{"read", "GET", "/Patient/1", "", served, "", 0},
		{"search", "GET", "/Patient?family=maier", "", served, "", 0},
		{"GET entry of a transaction", "POST", "", entry, inEntry, "", 0},
	} {
		most, found := told[w.name]
		var shortest, way walks.Walk
		var got counts
		// The first times much is made that stays, and a slow machine asks again for what it knew a moment ago.
		for n := 0; n < 10 || n < 40 && got.exceeds(most); n++ {
			walk := walks.Count(root, noted(w), w.begins, w.last)
			if shortest == nil || len(walk.Files()) < len(shortest.Files()) {
				shortest, way = walk, walk.Within(onTheWay...)
				got = counts{len(way.Files()), len(way.Returns()), len(shortest.Files())}
			}
		}
		t.Logf("%s: %+v\n%s\nBack to a file:\n%s\nAll files:\n%s", w.name, got, way, way.Returns(),
			strings.Join(shortest.Files(), "\n"))
		if !found || got.exceeds(most) {
			t.Errorf("%s: %+v, and the map tells of %+v at the most", w.name, got, most)
		}
	}
}

// afterwards is how long what follows an answer may take: the projector's last steps, and the feed.
const afterwards = 200 * time.Millisecond

// requested is a request whose walk is counted, as far as a folder.
type requested struct {
	name, method, path, body string
	begins                   func(entered.Entry) bool
	last                     string
	after                    time.Duration // what follows the answer so soon is part of it
}

func served(e entered.Entry) bool { return e.Served }

// projected tells whether a goroutine projects what the log has.
func projected(e entered.Entry) bool {
	return slices.ContainsFunc(e.Stack, func(p entered.Place) bool {
		return strings.HasSuffix(p.Func,
			"project.(*Projector).Handle")
	})
}

// inEntry tells whether a goroutine reads entries of a bundle.
func inEntry(e entered.Entry) bool {
	return strings.Contains(e.Stack[len(e.Stack)-1].Func, "readEntries")
}

// counts are a line of the map's table of walks.
type counts struct{ way, returns, all int }

func (c counts) exceeds(most counts) bool {
	return c.way > most.way || c.returns > most.returns || c.all > most.all
}

// toldWalks reads the table of walks.
func toldWalks(t *testing.T, file string) map[string]counts {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| walk |")
	table, _, _ = strings.Cut(table, "\n\n")
	told := map[string]counts{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		var c counts
		for i, to := range []*int{&c.way, &c.returns, &c.all} {
			*to, _ = strconv.Atoi(strings.TrimSpace(cells[2+i])) // the head of the table has words
		}
		told[strings.TrimSpace(cells[1])] = c
	}
	return told
}
