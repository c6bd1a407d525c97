package infra

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"binnacle/infra/load"
)

// serveEmbedded starts a whole server in memory and returns the URL of its FHIR root.
func serveEmbedded(t *testing.T, flags ...string) string {
	t.Helper()
	server, err := Embed(t.Context(), slog.New(slog.DiscardHandler), append([]string{"--variant", "memory"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		web.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.URL + "/fhir"
}

// importing runs the import command.
func importing(t *testing.T, server string, args ...string) (code int, out, errOut string) {
	t.Helper()
	return try(t, append([]string{"import", "--server", server}, args...)...)
}

// countsOf is how many resources of a type a server has.
func countsOf(t *testing.T, server, kind string) int {
	t.Helper()
	response, err := http.Get(server + "/" + kind + "?_summary=count")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body strings.Builder
	if err := response.Write(&body); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"total":(\d+)`).FindStringSubmatch(body.String())
	if found == nil {
		t.Fatalf("no total: %s", &body)
	}
	var total int
	_, _ = fmt.Sscan(found[1], &total)
	return total
}

// someFiles is a folder with resources without ids, of every kind of file.
func someFiles(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	writeFile(t, folder+"/a.json", `{"resourceType":"Patient","name":[{"family":"A"}]}`)
	writeFile(t, folder+"/b.json.gz", `{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1e2c0f3a-6f1c-4c2f-9f0a-3f6b1a2c3d4e","resource":{"resourceType":"Patient","name":[{"family":"B"}]},"request":{"method":"POST","url":"Patient"}}]}`)
	writeFile(t, folder+"/c.ndjson", "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"C\"}]}\n{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"C\"}]}\n")
	writeFile(t, folder+"/d.json", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient"}}]}`)
	return folder
}

func TestNothingIsLoadedTwiceIntoALedgerAndEachLedgerHasAJournalOfItsOwn(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder := someFiles(t)
	a, b := serveEmbedded(t, "--tenants", "clinic"), serveEmbedded(t)
	clinic := strings.TrimSuffix(a, "/fhir") + "/t/clinic/fhir"
	for _, server := range []string{a, b, clinic, a, strings.Replace(a, "127.0.0.1", "localhost", 1), b} {
		code, out, errOut := importing(t, server, folder)
		if got := countsOf(t, server, "Patient"); code != 0 || got != 6 {
			t.Errorf("%s: exit code %d, %d patients, want 6\n%s%s", server, code, got, out, errOut)
		}
	}
	code, out, _ := importing(t, a, folder)
	if code != 0 || !strings.Contains(out, "6 resources were taken before") || !strings.Contains(out, "0 resources in 0 requests") {
		t.Errorf("a finished import run again: exit code %d, printed %q", code, out)
	}
	if journals, _ := filepath.Glob(os.Getenv("XDG_STATE_HOME") + "/binnacle/*.journal"); len(journals) != 3 {
		t.Errorf("the journals are %v, want one for each of three ledgers", journals)
	}

	writeFile(t, folder+"/a.json", `{"resourceType":"Patient","name":[{"family":"Changed"}]}`)
	if code, out, _ := importing(t, a, folder); code != 0 || countsOf(t, a, "Patient") != 7 || !strings.Contains(out, "1 resources in 1 requests") {
		t.Errorf("a changed file: exit code %d, %d patients, printed %q", code, countsOf(t, a, "Patient"), out)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := importing(t, a, copied); code != 0 || countsOf(t, a, "Patient") != 7 {
		t.Errorf("a copy of the folder: exit code %d, %d patients, printed %q", code, countsOf(t, a, "Patient"), out)
	}
	if code, out, _ := importing(t, a, "--journal", filepath.Join(t.TempDir(), "another"), folder); code != 0 || countsOf(t, a, "Patient") != 7 || !strings.Contains(out, "6 resources were taken before") {
		t.Errorf("without the journal, under the same keys: exit code %d, %d patients, printed %q", code, countsOf(t, a, "Patient"), out)
	}
	for range 2 { // --again is told once; the next run finds everything taken
		if code, out, _ := importing(t, a, "--again", folder); code != 0 {
			t.Errorf("--again: exit code %d, printed %q", code, out)
		}
	}
	if got := countsOf(t, a, "Patient"); got != 7+2*6 {
		t.Errorf("--again, twice: %d patients, want %d", got, 7+2*6)
	}
	if code, out, _ := importing(t, a, folder); code != 0 || countsOf(t, a, "Patient") != 7+2*6 {
		t.Errorf("after --again: exit code %d, printed %q", code, out)
	}
}

func TestAJournalRefusesAStranger(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder, path := someFiles(t), filepath.Join(t.TempDir(), "journal")
	a, b := serveEmbedded(t), serveEmbedded(t)
	if code, _, errOut := importing(t, a, "--journal", path, folder); code != 0 {
		t.Fatal(errOut)
	}
	if code, _, errOut := importing(t, b, "--journal", path, folder); code != 1 || !strings.Contains(errOut, a) || !strings.Contains(errOut, "--journal") || countsOf(t, b, "Patient") != 0 {
		t.Errorf("another server: exit code %d, printed %q, %d patients; want a refusal", code, errOut, countsOf(t, b, "Patient"))
	}
	of := load.Ledger{Server: a, ID: "made anew"}
	if _, err := load.OpenJournal(path, of, false); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("the same address with another log: got %v", err)
	}
	for _, text := range []string{"run 2f0c\nsample/a.json#\n", "a shopping list", load.JournalForm + "\nserver x\nledger y\n", load.JournalForm + "\nserver " + a + "\nledger made anew\nrun \nnonsense\n"} {
		writeFile(t, path, text)
		if _, err := load.OpenJournal(path, of, false); err == nil || !strings.Contains(err.Error(), "is no journal") {
			t.Errorf("%q: got %v", text, err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("a file that is no journal was changed: %q", got)
		}
	}
}

func TestWhatWasRefusedIsAskedForAgainByALaterRun(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder := t.TempDir()
	const observation = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/late"}}`
	writeFile(t, folder+"/one.json", observation)
	writeFile(t, folder+"/many.ndjson", `{"resourceType":"Basic","code":{"text":"x"}}`+"\n"+observation+"\n")
	server := serveEmbedded(t)
	for range 3 {
		if code, out, _ := importing(t, server, folder); code != 1 || strings.Count(out, "FAILED") != 2 || countsOf(t, server, "Basic") != 1 {
			t.Fatalf("a reference to nothing: exit code %d, %d accepted, printed %q", code, countsOf(t, server, "Basic"), out)
		}
	}
	late := t.TempDir()
	writeFile(t, late+"/patient.json", `{"resourceType":"Patient","id":"late"}`)
	if code, _, errOut := importing(t, server, late); code != 0 {
		t.Fatal(errOut)
	}
	other := filepath.Join(t.TempDir(), "journal") // knows nothing of what is refused and what is not
	if code, out, _ := importing(t, server, "--journal", other, folder); code != 0 || countsOf(t, server, "Observation") != 2 || countsOf(t, server, "Basic") != 1 {
		t.Errorf("after the reason has gone: exit code %d, %d observations, %d others, printed %q", code, countsOf(t, server, "Observation"), countsOf(t, server, "Basic"), out)
	}
	if code, out, _ := importing(t, server, folder); code != 0 || countsOf(t, server, "Observation") != 2 {
		t.Errorf("with the journal of the refusals: exit code %d, %d observations, printed %q", code, countsOf(t, server, "Observation"), out)
	}
}

func TestAnImportSaysWhatItWaitsFor(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder := someFiles(t)
	code, _, errOut := importing(t, "http://127.0.0.1:1/fhir", "--retry-for", "200ms", folder)
	if code != 1 || !strings.Contains(errOut, "waiting until") || !strings.Contains(errOut, "http://127.0.0.1:1/fhir can't be reached") {
		t.Errorf("nobody listens: exit code %d, printed %q", code, errOut)
	}

	var requests atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/metadata") {
			_, _ = w.Write([]byte(`{"resourceType":"CapabilityStatement"}`))
			return
		}
		requests.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer web.Close()
	code, out, errOut := importing(t, web.URL+"/fhir", "--retry-for", "50ms", "--clients", "1", folder)
	if code != 1 || !strings.Contains(errOut, "waiting until") || strings.Count(out, "FAILED") != 1 || !strings.Contains(out, "run the same command again") {
		t.Errorf("a server that goes away: exit code %d, %d requests, printed %q and %q; want one failure, and no more is sent", code, requests.Load(), out, errOut)
	}
}

func TestAWrongServerIsToldWithAHint(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	folder := someFiles(t)
	server := serveEmbedded(t)
	root := strings.TrimSuffix(server, "/fhir")
	if code, _, errOut := importing(t, root, folder); code != 1 || !strings.Contains(errOut, "--server "+root+"/fhir?") {
		t.Errorf("without /fhir: exit code %d, printed %q", code, errOut)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"import", "--server", "ftp://x", folder}, "http://127.0.0.1:8080/fhir"},
		{[]string{"import", "--server", "localhost:8080/fhir", folder}, "http://127.0.0.1:8080/fhir"},
		{[]string{"import", "--server", "http:///fhir", folder}, "http://127.0.0.1:8080/fhir"},
		{[]string{"import", "--clients", "0", folder}, "--clients is 0"},
		{[]string{"import", "--bulk", "--clients", "0", folder}, "--clients is 0"},
		{[]string{"bench", "generate", "--server", "ftp://x"}, "http://127.0.0.1:8080/fhir"},
		{[]string{"bench", "generate", "--server", "http://x/fhir", "--clients=-1"}, "--clients is -1"},
		{[]string{"bench", "run", "--server", "x/fhir"}, "http://127.0.0.1:8080/fhir"},
		{[]string{"bench", "run", "--clients", "1,0"}, "--clients is 0"},
	} {
		if code, _, errOut := try(t, c.args...); code != 2 || !strings.Contains(errOut, c.want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%v: exit code %d, printed %q, want 2 and one line with %q", c.args, code, errOut, c.want)
		}
	}
}
