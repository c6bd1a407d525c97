package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// database is the one file of a standalone installation.
func (i *installation) database() string {
	return filepath.Join(i.value("BINNACLE_DATA"), "binnacle.db")
}

// noise makes text that doesn't compress well.
func noise(seed int, padding string) string {
	out := []byte(padding)
	state := uint64(seed)*2654435761 + 88172645463325252
	for k := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[k] = 'a' + byte(state%26)
	}
	return string(out)
}

func TestAFolderThatCannotBeWrittenIsToldAtTheStart(t *testing.T) {
	i := newInstallation(t, plain, "standalone", nil)
	n := i.start()
	id := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)
	n.stop()
	folder := i.value("BINNACLE_DATA")
	if os.Geteuid() == 0 {
		i.user = &syscall.Credential{Uid: 65534, Gid: 65534} // root may write everywhere
	}
	if err := os.Chmod(folder, 0o555); err != nil {
		t.Fatal(err)
	}
	out, code := i.failing("serve", "--listen", freeAddress(t))
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	i.user = nil
	if code != 1 || !strings.Contains(out, folder) || !strings.Contains(out, "--data") {
		t.Errorf("exit code %d, want 1 with the folder and what to do; it printed:\n%s", code, out)
	}
	n = i.start()
	n.do(http.StatusOK, "GET", "/Patient/"+id, "")
}

// failing runs a command that should end by itself, with an error; it returns what it printed and the exit code, -1
// when it had to be killed.
func (i *installation) failing(args ...string) (string, int) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), time.Minute)
	defer cancel()
	command := i.command(ctx, args...)
	out, err := command.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok { //nolint:errorlint // os/exec returns it as it is
		i.t.Fatal(err)
	} else if ok {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func TestADamagedFileIsToldAndNeverReadAsSomethingElse(t *testing.T) {
	i := newInstallation(t, plain, "standalone", nil)
	n := i.start()
	var ids []string
	contents := map[string]string{}
	for k := range 60 {
		text := noise(k, strings.Repeat("x", 3000))
		id := n.do(http.StatusCreated, "POST", "/Patient", fmt.Sprintf(`{"resourceType":"Patient","language":%q}`, text)).id(t)
		ids = append(ids, id)
		contents[id] = text
	}
	n.stop()
	whole, err := os.ReadFile(i.database())
	if err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := os.WriteFile(i.database(), whole, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(i.database() + suffix); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}

	t.Run("its head", func(t *testing.T) {
		broken := bytes.Clone(whole)
		copy(broken, bytes.Repeat([]byte("damage "), 20))
		if err := os.WriteFile(i.database(), broken, 0o644); err != nil {
			t.Fatal(err)
		}
		out, code := i.failing("serve", "--listen", freeAddress(t))
		if code != 1 || !strings.Contains(out, "binnacle.db") {
			t.Errorf("exit code %d, want 1 and the name of the file; it printed:\n%s", code, out)
		}
		if after, err := os.ReadFile(i.database()); err != nil || !bytes.Equal(after, broken) {
			t.Errorf("the damaged file was written to (%v): nobody can mend it any more", err)
		}
		restore()
		n := i.start()
		for _, id := range ids {
			n.do(http.StatusOK, "GET", "/Patient/"+id, "")
		}
		n.stop()
	})

	t.Run("its middle", func(t *testing.T) {
		r := dice(t)
		for range 6 * rounds(t) {
			broken := bytes.Clone(whole)
			for range 8 {
				at := 8192 + r.IntN(len(broken)-16384)
				copy(broken[at:], bytes.Repeat([]byte{0xA5}, 1+r.IntN(2000)))
			}
			if err := os.WriteFile(i.database(), broken, 0o644); err != nil {
				t.Fatal(err)
			}
			i.readDamaged(t, ids, contents)
			restore()
		}
		n := i.start()
		for _, id := range ids {
			n.do(http.StatusOK, "GET", "/Patient/"+id, "")
		}
		i.run("verify", "--deep")
	})
}

// readDamaged starts a node on a damaged file. It may refuse to start; if it starts it gives the right content or an
// error.
func (i *installation) readDamaged(t *testing.T, ids []string, contents map[string]string) {
	t.Helper()
	n := i.launch(freeAddress(t))
	defer n.kill()
	for deadline := time.Now().Add(30 * time.Second); n.probe("/health/live") != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		select {
		case <-n.ended:
			if !strings.Contains(n.output.String(), "binnacle:") {
				t.Errorf("the node ended with no clear error:\n%s", n.output)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node neither started nor ended:\n%s", n.output)
		}
	}
	statuses := map[int]int{}
	for _, id := range ids {
		r, err := n.try("GET", "/Patient/"+id, "")
		if err != nil {
			t.Errorf("a read was not answered: %v", err)
			return
		}
		statuses[r.status]++
		if r.status == http.StatusOK && !strings.Contains(string(r.body), contents[id]) {
			t.Errorf("the damaged file gives other content for Patient/%s: %.200s", id, r.body)
		}
		if r.status == http.StatusNotFound || r.status == http.StatusGone {
			t.Errorf("the damaged file makes Patient/%s look as if it had never been, or been deleted: %d", id, r.status)
		}
	}
	t.Logf("statuses of reads from a damaged file: %v", statuses)
}
