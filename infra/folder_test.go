package infra

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// awaitAnswer asks until a path is answered with a status, and returns what it said.
func awaitAnswer(t *testing.T, server *httptest.Server, path string, status int) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := exchanged(t, server, http.MethodGet, path, "")
		if got.status == status {
			return got.body
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still %d, want %d: %s", path, got.status, status, got.body)
		}
	}
}

// awaitStill waits until nothing is written to a folder: what follows a write, as its publication, has ended.
func awaitStill(t *testing.T, folder string) {
	t.Helper()
	state := func() (files string) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil {
				files += fmt.Sprintln(entry.Name(), info.Size(), info.ModTime())
			}
		}
		return files
	}
	const still = time.Second
	before, since := state(), time.Now()
	for deadline := since.Add(30 * time.Second); time.Since(since) < still; time.Sleep(50 * time.Millisecond) {
		if now := state(); now != before {
			before, since = now, time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatalf("something goes on writing to %s", folder)
		}
	}
}

func TestADataFolderThatIsMovedUnderARunningServerIsTold(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	_, server := embedded(t, "--variant", "standalone", "--data", folder)
	put := func(want int) {
		t.Helper()
		if got := exchanged(t, server, "PUT", "/fhir/Patient/p", person("p", "f")); got.status != want && (want < 500 || got.status < 500) {
			t.Fatalf("%d %s, want %d", got.status, got.body, want)
		}
	}
	put(201)
	away := folder + "-away"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	awaitStill(t, folder) // a sync that meets the folder gone is one that has failed
	// Nobody writes meanwhile: it goes on when the folder is back.
	move(folder, away)
	if reason := awaitAnswer(t, server, "/health/ready", 503); !strings.Contains(reason, "bring it back") {
		t.Errorf("ready says %s, want what to do", reason)
	}
	put(503) // and nothing is tried that could fail for good
	awaitAnswer(t, server, "/health/live", 200)
	move(away, folder)
	awaitAnswer(t, server, "/health/ready", 200)
	put(200)
	// Another file lies in its place: whatever is written is not where it would be looked for.
	move(folder, away)
	if err := os.CopyFS(folder, os.DirFS(away)); err != nil {
		t.Fatal(err)
	}
	if reason := awaitAnswer(t, server, "/health/ready", 503); !strings.Contains(reason, "start the program again") {
		t.Errorf("ready says %s, want what to do", reason)
	}
	if reason := awaitAnswer(t, server, "/health/live", 503); !strings.Contains(reason, "start the program again") {
		t.Errorf("live says %s, want what to do", reason)
	}
}

func TestACommandThatLooksMakesNoData(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mistyped")
	here := []string{"--variant", "standalone", "--data", folder}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"verify"}, {"verify", "--deep"}, {"verify", "--repair"}, {"tail"}, {"rebuild"}, {"quarantine", "list"}, {"drop", "--feed", "--yes"}} {
		code, out, errOut := command(t, append(args, here...)...)
		if code != 1 || !strings.Contains(errOut, folder) || !strings.Contains(errOut, "--data") {
			t.Errorf("%v: exit code %d, %s%s, want 1 and the folder that is missing", args, code, out, errOut)
		}
	}
	if code, out, errOut := command(t, append([]string{"drop", "--yes"}, here...)...); code != 0 || !strings.Contains(out, folder) {
		t.Errorf("drop where nothing is: exit code %d, %s%s", code, out, errOut)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is there now (%v)", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range [][]string{{"serve", "--no-init"}, {"serve", "--listen", taken.Addr().String()}} {
		if code, out, errOut := command(t, append(args, here...)...); code != 1 || !strings.Contains(errOut, "--data") && !strings.Contains(errOut, "--listen") {
			t.Errorf("%v: exit code %d, %s%s, want 1 and what to do", args, code, out, errOut)
		}
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			t.Errorf("%v: the folder is there now (%v)", args, err)
		}
	}
	if code, out, errOut := command(t, append([]string{"init"}, here...)...); code != 0 {
		t.Fatalf("init: exit code %d, %s%s", code, out, errOut)
	}
	if code, out, errOut := command(t, append([]string{"verify"}, here...)...); code != 0 || !strings.Contains(out, "OK") {
		t.Errorf("verify after init: exit code %d, %s%s", code, out, errOut)
	}
	for args, want := range map[string]string{"": "waits", "--all": "ever was", "--json": "waits"} {
		if code, out, errOut := command(t, append(append([]string{"quarantine", "list"}, strings.Fields(args)...), here...)...); code != 0 || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("an empty quarantine, %s: exit code %d, %q, %q", args, code, out, errOut)
		}
	}
	if code, out, _ := command(t, append([]string{"drop", "--yes"}, here...)...); code != 0 || !strings.Contains(out, "deleted: the SQLite file in "+folder) {
		t.Errorf("drop: exit code %d, it printed %q, want what was deleted", code, out)
	}
	if code, _, errOut := command(t, append([]string{"status"}, here...)...); code != 1 {
		t.Errorf("status after drop: exit code %d, %s", code, errOut)
	}
}
