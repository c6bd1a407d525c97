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
