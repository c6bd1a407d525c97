package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/infra/servers"
)

// bound is how long anything may take on a slow, shared machine before a test gives up; no figure of performance.
const bound = 2 * time.Minute

// sampleFolder holds the bundles that come with the project.
const sampleFolder = "../sample"

func total(t *testing.T, n *node, kind string) int {
	t.Helper()
	b := bundleOf(t, n.do(http.StatusOK, "GET", "/"+kind+"?_count=0&_total=accurate", "").body)
	if b.Total == nil {
		t.Fatalf("%s: no total", kind)
	}
	return *b.Total
}

func TestOfTwoWritersWithTheSameIfMatchExactlyOneWins(t *testing.T) {
	i := newInstallation(t, watched, "distributed", needs(t))
	nodes := []*node{i.start(), i.start()}
	id := nodes[0].do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)
	for version := 1; version <= 20; version++ {
		statuses := make([]int, 4)
		var racers sync.WaitGroup
		for k := range statuses {
			racers.Go(func() {
				body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"language":"x-%d-%d"}`, id, version, k)
				r, err := nodes[k%2].try("PUT", "/Patient/"+id, body, "If-Match", fmt.Sprintf(`W/"%d"`, version))
				if err != nil {
					t.Error(err)
				}
				statuses[k] = r.status
			})
		}
		racers.Wait()
		slices.Sort(statuses)
		if want := []int{http.StatusOK, http.StatusPreconditionFailed, http.StatusPreconditionFailed, http.StatusPreconditionFailed}; !slices.Equal(statuses, want) {
			t.Fatalf("version %d: statuses %v, want %v", version, statuses, want)
		}
	}
}

func TestAServerThatIsAwayStopsWritesInBoundedTimeAndAllRecovers(t *testing.T) {
	cluster, err := servers.OpenPrivate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Purge(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := cluster.Up(t.Context(), func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range cluster.Env() {
		env = append(env, name+"="+value)
	}
	i := newInstallation(t, watched, "distributed", env)
	n := i.start()
	patient := n.do(http.StatusCreated, "POST", "/Patient", `{"resourceType":"Patient"}`).id(t)
	for _, name := range []string{"kafka", "cassandra", "postgres"} {
		t.Run(name, func(t *testing.T) {
			if err := cluster.Stop(t.Context(), name, true); err != nil {
				t.Fatal(err)
			}
			n.await(bound, "not ready", func() bool { return n.probe("/health/ready") == http.StatusServiceUnavailable })
			if got := n.probe("/health/live"); got != http.StatusOK {
				t.Errorf("live answers %d while %s is away", got, name)
			}
			if got := n.probe("/health"); got != http.StatusServiceUnavailable {
				t.Errorf("/health answers %d while %s is away", got, name)
			}
			for range 3 {
				r, err := n.try("POST", "/Patient", `{"resourceType":"Patient","active":true}`)
				if err != nil {
					t.Fatalf("a write was not answered while %s is away: %v", name, err)
				}
				if r.status != http.StatusServiceUnavailable && r.status != http.StatusGatewayTimeout {
					t.Errorf("a write answers %d while %s is away: %s", r.status, name, r.body)
				}
				if name == "kafka" && r.status != http.StatusServiceUnavailable {
					t.Errorf("a write answers %d although Kafka is known to be away: %s", r.status, r.body)
				}
				if r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") == "" {
					t.Errorf("503 without Retry-After while %s is away", name)
				}
			}
			another := i.launch(freeAddress(t), "--start-wait", "3m")
			another.await(bound, "patient", func() bool { return strings.Contains(another.output.String(), "can't start yet") })
			if err := cluster.Start(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			n.awaitReady(bound)
			n.await(bound, "writable", func() bool {
				r, err := n.try("POST", "/Patient", `{"resourceType":"Patient","active":false}`)
				return err == nil && r.status == http.StatusCreated
			})
			n.do(http.StatusOK, "GET", "/Patient/"+patient, "")
			another.awaitReady(bound)
			another.do(http.StatusOK, "GET", "/Patient/"+patient, "")
			another.stop()
		})
	}
	if out, err := i.command(t.Context(), "verify", "--repair").CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

func TestAnInterruptedImportResumes(t *testing.T) {
	i := newInstallation(t, watched, "standalone", nil)
	n := i.start()
	journal := filepath.Join(t.TempDir(), "journal")
	args := []string{"import", "--server", n.base, "--journal", journal, "--clients", "1", sampleFolder}
	first := i.command(t.Context(), args...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	n.await(bound, "busy with the import", func() bool { return len(n.found("Practitioner?_count=1000")) > 0 })
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := first.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	i.run(args...)
	for kind, want := range sampleCounts(t) {
		if got := total(t, n, kind); got != want {
			t.Errorf("%s: %d resources, want %d", kind, got, want)
		}
	}
	if _, err := os.Stat(journal); !os.IsNotExist(err) {
		t.Errorf("the journal of a complete import is still there: %v", err)
	}
}
