package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for _, line := range strings.Split(string(mod), "\n") {
		m := regexp.MustCompile(`^(?:require )?\s*([a-z0-9./A-Z_-]+\.[a-z]+/\S+) v\S+$`).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		direct++
		name := strings.TrimPrefix(m[1], "github.com/")
		if short, found := strings.CutPrefix(name, "golang.org/x/"); found {
			name = "x/" + short
		}
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/dependencies.md gives no reason for %s", m[1])
		}
	}
	if direct == 0 {
		t.Error("no direct dependency was found in go.mod: the test looks at the wrong lines")
	}
}

type document struct{ name, text string }

// documents are README.md and everything under docs.
func documents(t *testing.T) (pages []document) {
	t.Helper()
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/decisions/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no document is there as %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, document{filepath.ToSlash(file), string(text)})
		}
	}
	return pages
}

func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	for _, page := range documents(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(page.text, -1) {
			target := m[1]
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(path.Join(path.Dir(page.name), target)); err != nil {
				t.Errorf("%s links to %s: %v", page.name, m[1], err)
			}
		}
	}
}

// namedPath is a path in the project as documents write it. A name without a slash is a path when it is that of a file;
// what begins with a slash is a path of a URL.
var namedPath = regexp.MustCompile("`([a-z][a-z0-9_]*(?:/[A-Za-z0-9_.-]+)+/?|[a-z][a-z0-9_]*\\.(?:go|md))`")

// TestPathsInTheMapAreThere: a newcomer who follows the map comes somewhere.
func TestPathsInTheMapAreThere(t *testing.T) {
	seen := 0
	for _, page := range documents(t) {
		if page.name != "docs/architecture.md" && page.name != "docs/drivers.md" {
			continue
		}
		for _, m := range namedPath.FindAllStringSubmatch(page.text, -1) {
			if strings.HasPrefix(m[1], "x_") || strings.HasPrefix(m[1], "application/") {
				continue // the form of a name; a media type
			}
			seen++
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names `%s`, which is not there", page.name, m[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d paths were seen: the test looks for the wrong form", seen)
	}
}
