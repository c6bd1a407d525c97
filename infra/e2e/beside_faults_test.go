//go:build faults

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"binnacle/events/sqlitefile"
	"binnacle/infra/terminal"
	sqliteindex "binnacle/projections/index/sqlite"
)

// holding starts a node of the standalone variant that commits as late as it can.
func holding(t *testing.T, flags ...string) (*installation, *node) {
	t.Helper()
	i := newInstallation(t, plain, "standalone", nil)
	i.env = append(i.env, envCommitWithin+"=10s")
	return i, i.start(flags...)
}

// create makes one resource that nobody looks at.
func create(n *node) {
	n.t.Helper()
	n.do(http.StatusCreated, "POST", "/Basic", `{"resourceType":"Basic","code":{"text":"x"}}`)
}

// owing has the node acknowledge what is not in the index, and leaves it so.
func (i *installation) owing(n *node) {
	i.t.Helper()
	for range 20 {
		create(n)
		if i.lag() > 0 {
			return
		}
	}
	i.t.Fatal("the index has all that was acknowledged at once: no commit waits")
}

// ended runs a command of the program to its end, and tells how it ended.
func (i *installation) ended(args ...string) (printed string, failed bool) {
	i.t.Helper()
	out, err := i.command(i.t.Context(), args...).CombinedOutput()
	return string(out), err != nil
}

func TestCommandsBesideAServerThatHoldsCommitsBackSeeNothingWrong(t *testing.T) {
	i, n := holding(t)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	authors := make([]*author, 3)
	for k := range authors {
		a := newAuthor(t, fmt.Sprint("author", k))
		authors[k] = a
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				for a.unsettled() && !a.finish(n.base) { // commits were stopped while a generation took over
					time.Sleep(20 * time.Millisecond)
				}
				a.write(n.base, 1)
			}
		})
	}
	for range 2 * rounds(t) {
		i.run("status")
		i.run("verify", "--deep")
		i.run("quarantine", "list")
		t.Logf("%s", i.run("rebuild"))
	}
	close(stop)
	writers.Wait()
	i.owing(n)
	t.Logf("%s", i.run("verify", "--deep")) // it waits until the index has what the log had
	i.owing(n)
	t.Logf("%s", i.run("rebuild"))
	for _, a := range authors {
		a.check(n)
	}
	i.run("verify", "--deep")
}

// ownParameter writes the definition of a search parameter whose code is "own".
func ownParameter(t *testing.T, expression string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.json")
	definition := fmt.Sprintf(`{"resourceType":"SearchParameter","url":"http://server.example/own","name":"own","status":"active","description":"x",
		"code":"own","base":["Patient"],"type":"token","expression":%q}`, expression)
	if err := os.WriteFile(path, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Conditions are about languages until the rebuild, and then about genders, which none is about: what was acknowledged
// stays.
func TestARebuildWithOtherParametersKeepsWhatWasAcknowledgedAndNotCommitted(t *testing.T) {
	i, n := holding(t, "--search-parameters", ownParameter(t, "Patient.language"))
	other := ownParameter(t, "Patient.gender")
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var created atomic.Int64
	for k := range 4 {
		writers.Go(func() {
			for w := 0; ; w++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				language := fmt.Sprintf("l%d-%d", k, w/3) // each is asked for three times
				body := fmt.Sprintf(`{"resourceType":"Patient","language":%q,"gender":"male"}`, language)
				key := fmt.Sprintf(`"own-%d-%d"`, k, w)
				for {
					r, err := n.try("POST", "/Patient", body, "If-None-Exist", "own="+language, "Idempotency-Key", key)
					if err == nil && r.status == http.StatusCreated {
						created.Add(1)
					} else if err != nil || r.status != http.StatusOK {
						time.Sleep(20 * time.Millisecond)
						continue
					}
					break
				}
			}
		})
	}
	time.Sleep(time.Second)
	rebuilt := i.run("rebuild", "--search-parameters", other)
	time.Sleep(time.Second)
	close(stop)
	writers.Wait()
	t.Logf("%s", rebuilt)
	if got := total(t, n, "Patient"); got != int(created.Load()) {
		t.Errorf("%d patients, %d were acknowledged as created", got, created.Load())
	}
	if males, all := len(n.found("Patient?own=male&_count=1000")), total(t, n, "Patient"); males != all {
		t.Errorf("%d of %d patients are found by the parameter of the rebuild", males, all)
	}
	t.Logf("%d patients", created.Load())
	i.run("verify", "--deep")
}

func TestARebuildDoesNotTakeOverFromAServerThatStandsStillWithCommitsOfItsOwn(t *testing.T) {
	i, n := holding(t)
	i.owing(n)
	if err := n.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if i.lag() == 0 {
		t.Fatal("nothing is held back")
	}
	const says = "see that it runs"
	if printed, failed := i.ended("verify"); !failed || !strings.Contains(printed, says) {
		t.Errorf("verify beside a server that stands still: failed %v, and doesn't tell why:\n%s", failed, printed)
	}
	if printed, failed := i.ended("rebuild"); !failed || !strings.Contains(printed, says) || strings.Contains(printed, "is live") {
		t.Errorf("a rebuild beside a server that stands still: failed %v, and doesn't tell why:\n%s", failed, printed)
	}
	if err := n.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	n.awaitReady(bound)
	create(n)
	i.run("verify", "--deep")
	if printed := i.run("rebuild"); !strings.Contains(printed, "is live") {
		t.Errorf("the rebuild afterwards:\n%s", printed)
	}
	create(n)
	i.run("verify", "--deep")
}

// A builder that is killed leaves no lock, and what it wrote: that commits wait until some time.
func TestAServerGoesOnAfterABuilderThatDiedWhileItHadStoppedCommits(t *testing.T) {
	i, n := holding(t)
	i.owing(n)

	// Killed while it waits until nothing is held back.
	printed := &terminal.Tail{}
	rebuild := i.command(t.Context(), "rebuild")
	rebuild.Stdout, rebuild.Stderr = printed, printed
	if err := rebuild.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(bound); !strings.Contains(printed.String(), "switching"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the rebuild doesn't come to its end:\n%s", printed)
		}
	}
	_ = rebuild.Process.Kill() // it may have ended
	_ = rebuild.Wait()
	t.Logf("killed after %s", printed)
	create(n)

	// Killed when it has stopped commits.
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.Open(i.database(), logger)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	generations, err := sqliteindex.Open(t.Context(), sqliteindex.Config{File: file, Catalog: "another", Logger: logger}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer generations.Close()
	building, err := generations.Build(t.Context(), "another")
	if err != nil {
		t.Fatal(err)
	}
	i.owing(n)
	waiting, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if err := building.Pause(waiting, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if lag := i.lag(); lag != 0 {
		t.Errorf("a builder has stopped commits, and %d acknowledged records are not in the index", lag)
	}
	if err := building.Release(); err != nil { // as the operating system does
		t.Fatal(err)
	}
	create(n) // it waits for the end of the pause
	create(n)
	if got := total(t, n, "Basic"); got < 5 {
		t.Errorf("%d resources", got)
	}
	i.run("verify", "--deep")
	t.Logf("%s", i.run("rebuild"))
	create(n)
	i.run("verify", "--deep")
}
