package clients

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAProgramThatDidNotDoWhatItPlannedIsTold(t *testing.T) {
	killed := errors.New("signal: killed")
	for _, c := range []struct {
		name, printed string
		ended         error
		passed        int
		failures      []string
		want          string // of incomplete
	}{
		{name: "all passed", printed: "ok a\nok b\n1..2\n", passed: 2},
		{name: "one failed, with its reasons", printed: "ok a\nnot ok b\n# why\n# where\n1..2\n", ended: killed, passed: 1,
			failures: []string{"b: why, where"}},
		{name: "a note belongs to no failure", printed: "not ok a\n# why\nok b\n# note\n1..2\n", passed: 1,
			failures: []string{"a: why"}},
		{name: "killed", printed: "ok a\n", ended: killed, passed: 1, want: "it ended before its end: signal: killed"},
		{name: "it just ended", printed: "ok a\n", passed: 1, want: "it ended without its plan"},
		{name: "a check is missing", printed: "ok a\n1..2\n", passed: 1, want: "it planned 2 checks and did 1"},
		{name: "it checked nothing", printed: "1..0\n", want: "it planned 0 checks and did 0"},
		{name: "another exit code than its lines", printed: "ok a\n1..1\n", ended: killed, passed: 1,
			want: "its checks passed, and it ended with signal: killed"},
		{name: "another line", printed: "ok a\nhello\n1..1\n", passed: 1, want: `it printed "hello", which is no line of TAP`},
	} {
		got, err := readTAP(strings.NewReader(c.printed), func(int) {})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var failures []string
		for _, f := range got.failures {
			failures = append(failures, f.name+": "+strings.Join(f.why, ", "))
		}
		if got.passed != c.passed || !slices.Equal(failures, c.failures) || got.incomplete(c.ended) != c.want {
			t.Errorf("%s: got %d passed, failures %q, %q; want %d, %q, %q", c.name, got.passed, failures,
				got.incomplete(c.ended), c.passed, c.failures, c.want)
		}
	}
}

func TestAnswersThatHoldAResourceAreKeptOnce(t *testing.T) {
	var host string
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host = r.Host
		switch r.URL.Path {
		case "/json":
			_, _ = io.WriteString(w, `{"resourceType":"Patient","id":"`+r.URL.Query().Get("id")+`"}`)
		case "/xml":
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			_, _ = io.WriteString(packed, `<Patient xmlns="http://hl7.org/fhir"/>`)
			_ = packed.Close()
		case "/text":
			_, _ = io.WriteString(w, `{"no":"resource"}`)
		}
	}))
	defer node.Close()
	folder := filepath.Join(t.TempDir(), "answers")
	r, err := newRecorder(node.URL, folder)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scanner := bufio.NewScanner(r.files); scanner.Scan(); {
			file, what, _ := strings.Cut(scanner.Text(), "\t")
			text, err := os.ReadFile(file)
			if err != nil {
				text = []byte(err.Error())
			}
			lines = append(lines, what+": "+string(text))
		}
	}()
	for _, path := range []string{"/json?id=1", "/json?id=22", "/xml", "/text"} {
		answer, err := http.Get(r.root + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if "http://"+host != r.root {
			t.Errorf("%s: the node is asked as %q, want the recorder's own address %s", path, host, r.root)
		}
	}
	r.close()
	<-read
	want := []string{
		`GET /json?id=1 is answered with 200: {"resourceType":"Patient","id":"1"}`,
		`GET /xml is answered with 200: <Patient xmlns="http://hl7.org/fhir"/>`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// What is fetched is named with exact versions, and nothing says where from: that is the matter of each tool's own
// configuration.
func TestWhatIsFetchedIsPinnedAndNamesNoHost(t *testing.T) {
	exact := map[string]*regexp.Regexp{
		"python/requirements.txt": regexp.MustCompile(`^[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*$`),
		"node/package.json":       regexp.MustCompile(`^ {4}"[a-z-]+": "[0-9]+\.[0-9]+\.[0-9]+",?$`),
		"java/pom.xml":            regexp.MustCompile(`<version>([0-9.]+|\$\{hapi\.version\})</version>`),
	}
	inside := map[string]string{"python/requirements.txt": "", "node/package.json": "    ", "java/pom.xml": "<dependency>"}
	for file, form := range exact {
		text, err := sources.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			if !strings.HasPrefix(line, inside[file]) && !strings.Contains(line, inside[file]) {
				continue
			}
			if seen++; !form.MatchString(line) {
				t.Errorf("%s: %q is not pinned", file, line)
			}
		}
		if seen < 2 {
			t.Errorf("%s: %d pinned things were seen: the test looks in the wrong place", file, seen)
		}
	}
	hosts := regexp.MustCompile(`registry\.|"resolved"|<repositor|index-url|files\.pythonhosted`)
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		if found := hosts.Find(text); found != nil {
			t.Errorf("%s says where something is fetched from: %q", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAToolThatIsMissingOrTooOldIsToldInWords(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	for _, c := range []struct{ says, want string }{
		{says: "", want: "fake is not there: install version 20 or a newer one"},
		{says: "v18.20.1", want: filepath.Join(folder, "fake") + " is of version 18: install version 20 or a newer one"},
		{says: "nothing", want: filepath.Join(folder, "fake") + " is of version : install version 20 or a newer one"},
		{says: "v20.1.0", want: ""},
		{says: "fake 22.0.0", want: ""},
	} {
		if c.says != "" {
			script := "#!/bin/sh\necho '" + c.says + "'\n"
			if err := os.WriteFile(filepath.Join(folder, "fake"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		_, err := newEnough(t.Context(), "fake", 20)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("of a tool that says %q: got %q, want %q", c.says, got, c.want)
		}
	}
}

func TestWhatThisMachineLacksIsLeftOutWithItsReason(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	var said strings.Builder
	r := Runner{Out: &said}
	if err := r.Run(t.Context()); err != nil {
		t.Fatalf("a machine without tools: %v", err)
	}
	for _, want := range []string{"the programs of java are skipped, because mvn is not there: install Maven\n",
		"the programs of node are skipped, because npm is not there: install Node and npm\n",
		"the programs of python are skipped, because python3 is not there: install version 3 or a newer one\n",
		"nothing is left to run\n"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it said %q, want %q in it", said.String(), want)
		}
	}
}
