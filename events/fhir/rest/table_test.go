package rest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
)

// offered is a table as a node has it, with an operation and a type that stands alone.
func offered() *Table {
	row := func(name, method, path string) Row { return Row{Name: name, Method: method, Path: path} }
	everything := row("everything", "GET", "/:type/:id/$everything")
	everything.Types, everything.Definition = []string{"Patient"}, "http://example.org/everything"
	history := row("history-type", "GET", "/:type/_history")
	history.Instead = "the history of a type is not offered; ask for one resource"
	known := func(name string) bool { return slices.Contains([]string{"Patient", "Group"}, name) }
	return NewTable(known, row("capabilities", "GET", "/metadata"), row("read", "GET", "/:type/:id"),
		row("vread", "GET", "/:type/:id/_history/:version"),
		row("update", "PUT", "/:type/:id"), row("search-type", "GET", "/:type"), row("create", "POST",
			"/:type"), row("form", "POST", "/:type/_search"),
		row("compartment", "GET", "/:type/:id/:inside"), row("bundle", "POST", ""), history, everything)
}

func TestATableTellsWhatIsOfferedWhere(t *testing.T) {
	table := offered()
	for _, c := range []struct {
		method, path string
		name         string
		at           Place
		status       int
		told         string // the methods that are allowed, else a part of the text
	}{
		{"GET", "/Patient/1", "read", Place{Type: "Patient", ID: "1"}, 0, ""},
		{"HEAD", "/Patient/1", "read", Place{Type: "Patient", ID: "1"}, 0, ""},
		{"GET", "Patient/metadata/", "read", Place{Type: "Patient", ID: "metadata"}, 0, ""},
		{"GET", "/Patient/1/_history/2", "vread", Place{Type: "Patient", ID: "1", Version: "2"}, 0, ""},
		{"GET", "/Patient/1/Group", "compartment", Place{Type: "Patient", ID: "1", Inside: "Group"}, 0, ""},
		{"GET", "/Patient/1/*", "compartment", Place{Type: "Patient", ID: "1", Inside: "*"}, 0, ""},
		{"GET", "/Patient/1/$everything", "everything", Place{Type: "Patient", ID: "1"}, 0, ""},
		{"GET", "/metadata", "capabilities", Place{}, 0, ""},
		{"POST", "/", "bundle", Place{}, 0, ""},
		{"POST", "/Patient/_search", "form", Place{Type: "Patient"}, 0, ""},
		{"GET", "/Patient/_search", "", Place{}, 405, "POST"},
		{"PUT", "/Patient/_search", "", Place{}, 405, "POST"},
		{"PUT", "/metadata", "", Place{}, 405, "GET, HEAD"},
		{"PATCH", "/Patient/1", "", Place{}, 405, "GET, HEAD, PUT"},
		{"DELETE", "/Patient", "", Place{}, 405, "GET, HEAD, POST"},
		{"DELETE", "", "", Place{}, 405, "POST"},
		{"POST", "/Patient/1/$everything", "", Place{}, 405, "GET, HEAD"},
		{"GET", "/Patient/_history", "", Place{}, 400, "ask for one resource"},
		{"PUT", "/Patient/_history", "", Place{}, 400, "ask for one resource"},
		{"GET", "/Group/1/$everything", "", Place{}, 404, "$everything"},
		{"GET", "/Patient/1/$validate", "", Place{}, 404, "$validate"},
		{"GET", "/Patient/$validate", "", Place{}, 404, "$validate"},
		{"GET", "/Unicorn/$validate", "", Place{}, 404, "$validate"},
		{"POST", "/$export", "", Place{}, 404, "$export"},
		{"GET", "/Unicorn/1", "", Place{}, 404, "Unicorn"},
		{"PATCH", "/Unicorn/1", "", Place{}, 404, "Unicorn"},
		{"GET", "/Patient/1/Unicorn", "", Place{}, 404, "nothing"},
		{"GET", "/Patient/1/_history/2/3", "", Place{}, 404, "nothing"},
		{"GET", "/Patient/..", "read", Place{Type: "Patient", ID: ".."}, 0, ""}, // which is no id, as the door tells
		{"GET", "/../metrics", "", Place{}, 404, ".."},
	} {
		row, at, err := table.Find(c.method, c.path)
		if c.name != "" {
			if err != nil || row.Name != c.name || at != c.at || !table.Fits(row, at) {
				t.Errorf("%s %s: got %+v %+v (%v), want %s at %+v", c.method, c.path, row, at, err, c.name, c.at)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s %s: got %s, want %d", c.method, c.path, row.Name, c.status)
			continue
		}
		status, _ := OutcomeOf(err)
		var refusal *Refusal
		told := err.Error()
		if errors.As(err, &refusal) && refusal.Allow != "" {
			told = "Allow: " + refusal.Allow + "."
			c.told = "Allow: " + c.told + "."
		}
		if status != c.status || !strings.Contains(told, c.told) {
			t.Errorf("%s %s: got %d %s, want %d and %q", c.method, c.path, status, told, c.status, c.told)
		}
	}
	if got := table.Methods(); got != "GET, HEAD, PUT, POST" {
		t.Errorf("all methods are %s", got)
	}
	if !table.Has("create") || table.Has("history-type") || table.Has("patch") {
		t.Error("it doesn't know what it has")
	}
}

// FuzzAnyPathIsARowOrARefusal: and what a row is found for fits it.
func FuzzAnyPathIsARowOrARefusal(f *testing.F) {
	for _, path := range []string{"", "/", "//", "/Patient", "/Patient/1", "/Patient/$", "/Patient/1/_history/$x",
		"/:type/:id", "/*/*/*", "/Patient/1/Patient/1/Patient"} {
		f.Add("GET", path)
	}
	table := offered()
	f.Fuzz(func(t *testing.T, method, path string) {
		row, at, err := table.Find(method, path)
		switch {
		case err == nil && (row.Instead != "" || !table.Fits(row, at)):
			t.Errorf("%s %q: %s doesn't fit %+v", method, path, row.Name, at)
		case err == nil:
		case events.KindOf(err) != events.NotFound && events.KindOf(err) != events.Unsupported:
			t.Errorf("%s %q: got %v", method, path, err)
		}
		if status, _ := OutcomeOf(err); err != nil && status >= http.StatusInternalServerError {
			t.Errorf("%s %q: got %d", method, path, status)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	table := offered()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := table.Find("PUT", "Patient/1"); err != nil {
			b.Fatal(err)
		}
	}
}
