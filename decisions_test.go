package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// An ADR is a file docs/decisions/0034-….md: a title with its number, then its status, its date and what it replaces.
var (
	adrTitle = regexp.MustCompile(`^# ADR (\d+): (\S.*)\n`)
	adrHead  = regexp.MustCompile(`(?m)^- Status: (\S.*)\n- Date: (\d{4}-\d\d-\d\d.*)\n- Replaces: \S`)
	// adrCited takes lists too, as in "ADR 34, 35 and 10", and goes over the end of a line.
	adrCited = regexp.MustCompile(`\bADRs?\s+(?://\s*)?(\d+(?:(?:, | and | or )\d+)*)`)
)

// adrs are the texts of all ADRs by their numbers.
func adrs(t *testing.T) map[int]string {
	t.Helper()
	files, err := filepath.Glob("docs/decisions/[0-9]*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no ADR is there: %v", err)
	}
	all := map[int]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		digits, _, _ := strings.Cut(filepath.Base(file), "-")
		number, err := strconv.Atoi(digits)
		if err != nil || len(digits) != 4 {
			t.Errorf("%s: its name doesn't begin with four digits and a dash", file)
		}
		if _, twice := all[number]; twice {
			t.Errorf("%s: there are two of this number", file)
		}
		all[number] = string(text)
	}
	return all
}

func TestEveryADRHasItsHeadAndItsPlaceInTheList(t *testing.T) {
	page, err := os.ReadFile("docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[int]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| \[(\d+)\]\((\d{4})-\S+\.md\) \| .* \|$`).FindAllStringSubmatch(
		string(page), -1) {
		number, _ := strconv.Atoi(m[1])
		if file, _ := strconv.Atoi(m[2]); file != number {
			t.Errorf("docs/decisions/README.md links ADR %d to the file of ADR %d", number, file)
		}
		listed[number] = m[0]
	}
	for number, text := range adrs(t) {
		title, head := adrTitle.FindStringSubmatch(text), adrHead.FindStringSubmatch(text)
		if title == nil || title[1] != strconv.Itoa(number) {
			t.Errorf("ADR %d begins with %.60q, want # ADR %d: and its title", number, text, number)
			continue
		}
		if head == nil {
			t.Errorf("ADR %d lacks one of the lines - Status:, - Date: and - Replaces: behind its title", number)
			continue
		}
		if line := listed[number]; !strings.Contains(line, "| "+title[2]+" |") ||
			!strings.Contains(line, "| "+head[1]+" |") {
			t.Errorf("docs/decisions/README.md says of ADR %d %q, want its title %q and its status %q", number, line,
				title[2], head[1])
		}
		delete(listed, number)
	}
	for number := range listed {
		t.Errorf("docs/decisions/README.md lists ADR %d, which is not there", number)
	}
}

func TestEveryADRThatIsMentionedIsThere(t *testing.T) {
	all, mentioned := adrs(t), 0
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".md", ".yml", ".yaml", ".sql", ".sh"}, filepath.Ext(file)) ||
			file == "decisions_test.go" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range adrCited.FindAllStringSubmatch(string(text), -1) {
			for _, digits := range regexp.MustCompile(`\d+`).FindAllString(m[1], -1) {
				mentioned++
				if number, _ := strconv.Atoi(digits); all[number] == "" {
					t.Errorf("%s mentions ADR %d, which is not there; docs/decisions/README.md says what became of "+
						"old numbers", file, number)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if mentioned == 0 {
		t.Error("no ADR is mentioned anywhere: the test looks for the wrong words")
	}
}

// A record is an event at its place in the log, and a decision is what was decided about it (docs/architecture.md):
// ADRs are neither.
func TestDocumentsCallADRsByTheirName(t *testing.T) {
	for _, page := range documents(t) {
		for i, line := range strings.Split(page.text, "\n") {
			if m := regexp.MustCompile(`(?i)\b(decision|record)s? \d+\b`).FindString(line); m != "" {
				t.Errorf("%s, line %d: %q; if an ADR is meant, call it ADR", page.name, i+1, m)
			}
		}
	}
}

func TestLinesOfTheMapAndOfADRsFit(t *testing.T) {
	for _, page := range documents(t) {
		if page.name != "docs/architecture.md" && !strings.HasPrefix(page.name, "docs/decisions/") {
			continue
		}
		for i, line := range strings.Split(page.text, "\n") {
			if columns := utf8.RuneCountInString(line); columns > 120 &&
				!strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s, line %d has %d columns, want 120 at the most (tables may have more)", page.name, i+1,
					columns)
			}
		}
	}
}
