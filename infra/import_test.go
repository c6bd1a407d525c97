package infra

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/infra/load"
)

// fakeServer answers like a FHIR server and remembers the requests.
type fakeServer struct {
	mu       sync.Mutex
	requests []string          // method, path, body
	keys     map[string]string // request → idempotency key
	answer   func(n int, r *http.Request, body string) (status int, answer string)
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	request := r.Method + " " + r.URL.Path + " " + string(body)
	s.requests = append(s.requests, request)
	if s.keys == nil {
		s.keys = map[string]string{}
	}
	if before, known := s.keys[request]; known && before != r.Header.Get("Idempotency-Key") {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	s.keys[request] = r.Header.Get("Idempotency-Key")
	status, answer := s.answer(len(s.requests), r, string(body))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func accept(int, *http.Request, string) (int, string) {
	return http.StatusOK, `{"resourceType":"Bundle"}`
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	data := []byte(text)
	if strings.HasSuffix(path, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
		data = b.Bytes()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func importInto(t *testing.T, server *fakeServer, folder string, journal *load.Journal) load.Summary {
	t.Helper()
	web := httptest.NewServer(server)
	defer web.Close()
	files, err := load.Files([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	im := load.NewImporter(load.ImporterConfig{Server: web.URL, Clients: 3, RetryFor: 5 * time.Second, Journal: journal})
	return im.Run(context.Background(), files)
}

func TestFilesOfEveryFormAreSentInTheRightWay(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/b.json", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{}},{"resource":{}}]}`)
	writeFile(t, folder+"/deep/c.json.gz", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"1"}},{"resource":{"resourceType":"Basic"}}]}`)
	writeFile(t, folder+"/d.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"2\"}\n\n{\"resourceType\":\"Basic\"}")
	writeFile(t, folder+"/e.json", `{"resourceType":"Patient","id":"3"}`)
	writeFile(t, folder+"/01-second.json", `{"resourceType":"Patient","id":"second"}`)
	writeFile(t, folder+"/00-first.json", `{"resourceType":"Patient","id":"first"}`)
	writeFile(t, folder+"/notes.txt", "no resource")
	server := &fakeServer{answer: accept}
	summary := importInto(t, server, folder, nil)
	if len(summary.Failed) > 0 || summary.Resources != 9 {
		t.Errorf("%d resources, failed %v", summary.Resources, summary.Failed)
	}
	if !strings.HasPrefix(server.requests[0], "PUT /Patient/first") || !strings.HasPrefix(server.requests[1], "PUT /Patient/second") {
		t.Errorf("the numbered files did not go first: %q", server.requests[:2])
	}
	slices.Sort(server.requests)
	want := []string{
		`POST / {"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"2"},"request":{"method":"PUT","url":"Patient/2"}},{"resource":{"resourceType":"Basic"},"request":{"method":"POST","url":"Basic"}}]}`,
		`POST / {"resourceType":"Bundle","type":"transaction","entry":[{"resource":{}},{"resource":{}}]}`,
		`POST /Basic {"resourceType":"Basic"}`,
		`PUT /Patient/1 {"resourceType":"Patient","id":"1"}`,
		`PUT /Patient/3 {"resourceType":"Patient","id":"3"}`,
		`PUT /Patient/first {"resourceType":"Patient","id":"first"}`,
		`PUT /Patient/second {"resourceType":"Patient","id":"second"}`,
	}
	if !slices.Equal(server.requests, want) {
		t.Errorf("sent\n%s\nwant\n%s", strings.Join(server.requests, "\n"), strings.Join(want, "\n"))
	}
}

func TestAServerThatIsAwayIsTriedAgainUnderTheSameKey(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/a.json", `{"resourceType":"Patient","id":"1"}`)
	server := &fakeServer{answer: func(n int, _ *http.Request, _ string) (int, string) {
		if n < 3 {
			return http.StatusServiceUnavailable, ""
		}
		return http.StatusOK, ""
	}}
	summary := importInto(t, server, folder, nil)
	if len(server.requests) != 3 || len(summary.Failed) != 0 || summary.Resources != 1 {
		t.Errorf("%d requests, %d resources, failed %v", len(server.requests), summary.Resources, summary.Failed)
	}
}

func TestWhatARepetitionBringsInIsLoadedNotTakenBefore(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/a.json", `{"resourceType":"Patient","id":"1"}`)
	requests := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			w.WriteHeader(http.StatusGatewayTimeout) // and yet it was appended
			return
		}
		w.Header().Set("Idempotent-Replayed", "true")
	}))
	defer web.Close()
	for n, want := range []load.Summary{{Resources: 1}, {Skipped: 1}} {
		im := load.NewImporter(load.ImporterConfig{Server: web.URL, Clients: 1, RetryFor: 5 * time.Second})
		if got := im.Run(t.Context(), []string{folder + "/a.json"}); got.Resources != want.Resources || got.Skipped != want.Skipped {
			t.Errorf("run %d: %d loaded, %d taken before, want %d and %d", n, got.Resources, got.Skipped, want.Resources, want.Skipped)
		}
	}
}

func TestRefusedEntriesAreTriedOnceMoreAtTheEndAndThenReported(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/00-a.json", `{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Basic","id":"good"}},{"resource":{"resourceType":"Basic","id":"late"}},{"resource":{"resourceType":"Basic","id":"bad"}}]}`)
	writeFile(t, folder+"/b.json", `{"resourceType":"Basic","id":"b"}`)
	server := &fakeServer{answer: func(n int, r *http.Request, body string) (int, string) {
		switch {
		case r.Method == http.MethodPut:
			return http.StatusOK, ""
		case n == 1:
			return http.StatusOK, `{"resourceType":"Bundle","entry":[{"response":{"status":"201"}},{"response":{"status":"409"}},{"response":{"status":"409"}}]}`
		}
		return http.StatusOK, `{"resourceType":"Bundle","entry":[{"response":{"status":"201"}},{"response":{"status":"409","outcome":{"issue":[{"diagnostics":"it is bad"}]}}}]}`
	}}
	summary := importInto(t, server, folder, nil)
	if len(server.requests) != 3 {
		t.Fatalf("%d requests, want 3: %q", len(server.requests), server.requests)
	}
	last := server.requests[2]
	if strings.Contains(last, "good") || !strings.Contains(last, "late") || !strings.Contains(last, "bad") {
		t.Errorf("sent once more: %s", last)
	}
	if len(summary.Failed) != 1 || !strings.Contains(summary.Failed[0].Reason, "it is bad") || summary.Resources != 3 {
		t.Errorf("%d resources, failed %v", summary.Resources, summary.Failed)
	}
}

func TestAJournalRemembersWhatIsDoneAndDropsALineThatWasCutOff(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/a.json", `{"resourceType":"Patient","id":"1"}`)
	writeFile(t, folder+"/b.json", `{"resourceType":"Patient","id":"2"}`)
	path := filepath.Join(t.TempDir(), "journal")
	of := load.Ledger{Server: "http://a/fhir", ID: "1"}
	j, err := load.OpenJournal(path, of, false)
	if err != nil {
		t.Fatal(err)
	}
	server := &fakeServer{answer: accept}
	importInto(t, server, folder, j)
	j.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-3], 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := load.OpenJournal(path, of, false)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Found() != 1 {
		t.Errorf("%d units done, want 1", again.Found())
	}
	before := len(server.requests)
	summary := importInto(t, server, folder, again)
	if len(server.requests) != before+1 || summary.Skipped != 1 || summary.Resources != 1 {
		t.Errorf("%d requests more, %d skipped, %d sent; want 1, 1, 1", len(server.requests)-before, summary.Skipped, summary.Resources)
	}
}

func TestFilesOfXMLAreRefusedClearly(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "patient.xml")
	if err := os.WriteFile(file, []byte(`<Patient xmlns="http://hl7.org/fhir"/>`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, file} {
		err := (&importCommand{Paths: []string{path}}).Run(t.Context(), nil, nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "XML are not taken") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestABadFileIsReportedAndTheOthersAreLoaded(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder+"/a.json", `{"resourceType":`)
	writeFile(t, folder+"/b.json.gz.json", `{"resourceType":"Patient","id":"1"}`)
	writeFile(t, folder+"/c.json", `{"no":"resource"}`)
	server := &fakeServer{answer: accept}
	summary := importInto(t, server, folder, nil)
	if len(summary.Failed) != 2 || summary.Resources != 1 {
		t.Errorf("%d resources, failed %v", summary.Resources, summary.Failed)
	}
	var text bytes.Buffer
	summary.Print(&text)
	if !strings.Contains(text.String(), "a.json") || !strings.Contains(text.String(), "c.json") {
		t.Errorf("the summary doesn't name the files:\n%s", &text)
	}
}

// TestAFailureNamesItsPlaceOnce: the file in front, and the place in it.
func TestAFailureNamesItsPlaceOnce(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder := t.TempDir()
	for name, content := range map[string]string{
		"a.ndjson": `{"resourceType":"Patient","id":"c",}`, "b.json": `{"resourceType":"Patient","id":"d" x`, "c.json": `{"resourceType":"Patient","id":"d","birthDate":5}`,
		"d.json": `{"resourceType":"Bundle","type":"collection","entry":[{"resource":5}]}`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, server := embedded(t, "--variant", "memory")
	_, out, _ := importing(t, server.URL+"/fhir", folder)
	lines := 0
	for line := range strings.Lines(out) {
		if place, reason, failed := strings.Cut(strings.TrimPrefix(line, "FAILED "), ": "); failed && strings.HasPrefix(line, "FAILED") {
			lines++
			if strings.HasSuffix(place, " ") || strings.Contains(reason, folder) || strings.Count(reason, "Patient.") > 1 {
				t.Errorf("the line names a place twice: %s", line)
			}
		}
	}
	if lines != 4 {
		t.Errorf("%d lines, want 4:\n%s", lines, out)
	}
}
