package main

import (
	"os"
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

func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	for _, page := range []string{"README.md", "docs/architecture.md", "docs/drivers.md", "docs/benchmarks.md", "docs/dependencies.md", "docs/operations.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(text), -1) {
			target := m[1]
			if strings.Contains(target, "://") {
				continue
			}
			if folder := page[:strings.LastIndexByte(page, '/')+1]; folder != "" {
				target = folder + target
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}
