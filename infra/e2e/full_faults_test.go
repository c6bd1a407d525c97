//go:build faults

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// smallDisk gives an installation a disk with little room.
type smallDisk struct {
	n *node
	// room makes room, on the running node where that can be; it returns the node that goes on.
	room func() *node
}

// limited starts a node of whose files none may grow much: setrlimit(2), RLIMIT_FSIZE. It needs no rights; room comes
// with a restart.
func limited(t *testing.T, i *installation) smallDisk {
	t.Helper()
	i.start().stop()
	info, err := os.Stat(i.database())
	if err != nil {
		t.Fatal(err)
	}
	blocks := info.Size()/512 + 4<<10
	i.wrapper = []string{"sh", "-c", fmt.Sprintf(`trap '' XFSZ; ulimit -f %d; exec "$@"`, blocks), "sh"}
	n := i.start()
	return smallDisk{n, func() *node {
		n.kill()
		i.wrapper = nil
		return i.start()
	}}
}

// ballast is the file that takes the room.
const ballast = "ballast"

// mounted starts a node whose folder is a small file system of its own, in a mount namespace of its own: write(2) gives
// ENOSPC there. Room comes when a large file is removed, and the node runs on.
func mounted(t *testing.T, i *installation) smallDisk {
	t.Helper()
	script := fmt.Sprintf(`mount -t tmpfs -o size=24m binnacle "$BINNACLE_DATA" && dd if=/dev/zero of="$BINNACLE_DATA/%s" bs=1M count=20 2>/dev/null && exec "$@"`, ballast)
	wrapper := []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"}
	probe := exec.CommandContext(t.Context(), wrapper[0], append(slices.Clone(wrapper[1:]), "true")...)
	probe.Env = i.env
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("this system lets no user mount a file system of his own (%v: %s); the other form of the test shows a full disk too", err, out)
	}
	i.wrapper = wrapper
	n := i.start()
	inside := filepath.Join("/proc", fmt.Sprint(n.command.Process.Pid), "root", i.value("BINNACLE_DATA"))
	return smallDisk{n, func() *node {
		if err := os.Remove(filepath.Join(inside, ballast)); err != nil {
			t.Fatal(err)
		}
		return n
	}}
}

// leave copies the files of a node that is still, and stops it: what was on a file system of its own is on ours then.
func (i *installation) leave(t *testing.T, n *node) {
	t.Helper()
	if err := n.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join("/proc", fmt.Sprint(n.command.Process.Pid), "root", i.value("BINNACLE_DATA"))
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(inside, filepath.Base(i.database())+suffix))
		if err == nil {
			err = os.WriteFile(i.database()+suffix, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n.kill()
	i.wrapper = nil
}

func TestADiskThatIsFullRefusesWritesAndLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name, within string // how long commits wait
		disk         func(*testing.T, *installation) smallDisk
	}{
		{"a file system with no room", "250ms", mounted}, {"a limit on files", "250ms", limited},
		{"a file system with no room while commits wait", "10s", mounted}, {"a limit on files while commits wait", "10s", limited},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newInstallation(t, plain, "standalone", nil)
			i.env = append(i.env, "BINNACLE_OUTCOME_WAIT=3s", envCommitWithin+"="+c.within)
			d := c.disk(t, i)
			n := d.n
			padding := strings.Repeat("x", 40<<10)
			statuses := map[string]int{} // of each resource's one write
			var mu sync.Mutex
			var told reply
			write := func(id, text string) int {
				r, err := n.try("PUT", "/Patient/"+id, fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":%q}`, id, text))
				if err != nil {
					t.Errorf("a write was not answered: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if statuses[id] = r.status; r.status == http.StatusServiceUnavailable {
					told = r
				}
				return r.status
			}
			for k := 0; write(fmt.Sprint("large-", k), noise(k, padding)) == http.StatusCreated; k++ {
				if k > 2000 {
					t.Fatal("2,000 documents of 40 kB fit: the disk was not full")
				}
			}
			// The disk stays full: small ones and large ones, side by side.
			var writers sync.WaitGroup
			for w := range 4 {
				writers.Go(func() {
					for k := range 10 {
						write(fmt.Sprintf("more-%d-%d", w, k), noise(k, padding[:1+(k%2)*(len(padding)-1)]))
					}
				})
			}
			writers.Wait()
			counts := map[int]int{}
			for _, status := range statuses {
				counts[status]++
			}
			t.Logf("answers by status: %v; a refusal: %s", counts, told.body)
			if counts[http.StatusServiceUnavailable] == 0 || told.header.Get("Retry-After") == "" ||
				!strings.Contains(string(told.body), "OperationOutcome") || !strings.Contains(string(told.body), "nothing was written") {
				t.Errorf("no write was refused with a text that tells that nothing was written: %v %s", told.header, told.body)
			}
			for id, status := range statuses {
				if status == http.StatusCreated {
					n.do(http.StatusOK, "GET", "/Patient/"+id, "")
				}
			}
			if text := n.output.String(); !strings.Contains(text, "disk") || !strings.Contains(text, "binnacle.db") {
				t.Errorf("the node doesn't tell its operator about the disk:\n%.2000s", text)
			}

			n = d.room()
			n.await(bound, "writable", func() bool {
				r, err := n.try("PUT", "/Patient/after", `{"resourceType":"Patient","id":"after"}`)
				return err == nil && (r.status == http.StatusCreated || r.status == http.StatusOK)
			})
			for id, status := range statuses {
				want := map[int]int{
					http.StatusCreated:            http.StatusOK,
					http.StatusGatewayTimeout:     http.StatusOK, // it was in the log, and was projected when there was room
					http.StatusServiceUnavailable: http.StatusNotFound,
				}[status]
				r, err := n.try("GET", "/Patient/"+id, "")
				if err != nil || r.status != want {
					t.Errorf("the write of %s was answered %d; with room again its read gives %d, %v, want %d", id, status, r.status, err, want)
				}
			}
			total(t, n, "Patient") // nothing waits any more: no server is there when the files are verified
			if i.wrapper != nil {
				i.leave(t, n)
			} else {
				n.stop()
			}
			i.run("verify", "--deep")
			n = i.start()
			n.do(http.StatusOK, "GET", "/Patient/after", "")
		})
	}
}
