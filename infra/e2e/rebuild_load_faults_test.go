//go:build faults

package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/infra/terminal"
)

// part is how many bundles of the whole sample a rebuild is shown with in the short form: enough for it to be killed on
// its way.
const part = 20

// partOfSample makes a folder of the bundles that others refer to and so many more.
func partOfSample(t *testing.T, most int) string {
	t.Helper()
	files := sampleFiles(t, wholeSample)
	if len(files) < 3 {
		t.Fatalf("%d bundles in %s are too few", len(files), wholeSample)
	}
	folder := t.TempDir()
	for _, file := range files[:min(len(files), most)] {
		absolute, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(absolute, filepath.Join(folder, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// timings are how long reads took, and which of them failed.
type timings struct {
	mu     sync.Mutex
	list   []time.Duration
	failed map[string]int
}

// read reads random resources until it is told to stop.
func (w *timings) read(client *http.Client, n *node, paths []string, from int, stop <-chan struct{}) {
	for k := from; ; k += 7 {
		select {
		case <-stop:
			return
		default:
		}
		path := paths[k%len(paths)]
		began := time.Now()
		response, err := client.Get(n.base + path)
		status := 0
		if err == nil {
			status = response.StatusCode
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		took := time.Since(began)
		w.mu.Lock()
		w.list = append(w.list, took)
		if err != nil || status != http.StatusOK {
			w.failed[fmt.Sprint(path, " ", status, " ", errorText(err))]++
		}
		w.mu.Unlock()
	}
}

// take returns the 99th percentile since the last call, and how many there were.
func (w *timings) take() (p99 time.Duration, count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.list)
	if count = len(w.list); count > 0 {
		p99 = w.list[count*99/100]
	}
	w.list = nil
	return p99, count
}

func TestARebuildUnderLoadDisturbsNobodyAndResumesAfterKills(t *testing.T) {
	for _, variant := range []string{"standalone", "distributed"} {
		t.Run(variant, func(t *testing.T) {
			r := dice(t)
			i := newInstallation(t, plain, variant, addresses(t, variant))
			n := i.start()
			folder := partOfSample(t, part*min(rounds(t), 6))
			t.Logf("%s", i.run("import", "--server", n.base, "--journal", filepath.Join(t.TempDir(), "journal"), folder))
			var paths []string
			for _, kind := range []string{"Patient", "Observation", "Encounter"} {
				r := n.do(http.StatusOK, "GET", "/"+kind+"?_count=300", "")
				for _, e := range bundleOf(t, r.body).Entry {
					paths = append(paths, "/"+kind+"/"+e.Resource.ID)
				}
			}

			w := &timings{failed: map[string]int{}}
			client := &http.Client{Timeout: bound, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
			stop := make(chan struct{})
			var clients sync.WaitGroup
			for k := range 16 {
				clients.Go(func() { w.read(client, n, paths, k*13, stop) })
			}
			l := newLedger()
			for k := range 4 {
				clients.Go(func() { l.write(func() string { return n.base }, k, stop) })
			}
			time.Sleep(4 * time.Second)
			undisturbed, before := w.take()

			var generation string
			for kill := range 2 {
				at := i.killedRebuild(t, time.Duration(r.IntN(700))*time.Millisecond)
				if generation != "" && at != "" && at != generation {
					t.Errorf("after kill %d the rebuild made %s, it had begun %s", kill, at, generation)
				}
				generation = at
			}
			w.take()
			printed := i.run("rebuild")
			disturbed, during := w.take()
			close(stop)
			clients.Wait()
			t.Logf("%s", printed)
			t.Logf("FIGURE %s: read p99 %v with 16 readers and 4 writers (%d reads), during the rebuild %v (%d reads)", variant, undisturbed, before, disturbed, during)
			if len(w.failed) > 0 {
				t.Errorf("%d reads failed while the index was rebuilt: %v", len(w.failed), w.failed)
			}
			if generation != "" && !strings.Contains(printed, generation+" is live") {
				t.Errorf("the rebuild that was killed had begun %s, live is another one:\n%s", generation, printed)
			}
			i.run("verify", "--deep")
			want := map[string]int{"Patient": 0, "Encounter": 0, "Observation": 0}
			l.check(t, n, want)
			if got := total(t, n, "Basic"); got != l.count() {
				t.Errorf("%d resources, %d were acknowledged", got, l.count())
			}
			was := fingerprint(t, n, want)
			i.run("rebuild")
			n.awaitReady(bound)
			if is := fingerprint(t, n, want); !maps.Equal(was, is) {
				t.Errorf("a rebuild with no load gives %v, the one under load gave %v", is, was)
			}
		})
	}
}

var building = regexp.MustCompile(`generation \d+`)

// killedRebuild starts a rebuild and kills it a while after it has begun; it returns the generation that it made.
func (i *installation) killedRebuild(t *testing.T, after time.Duration) string {
	t.Helper()
	printed := &terminal.Tail{}
	command := i.command(t.Context(), "rebuild")
	command.Stdout, command.Stderr = printed, printed
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // it is killed
		close(ended)
	}()
	for begun := false; !begun; time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			begun = true
		default:
			begun = building.MatchString(printed.String())
		}
	}
	time.Sleep(after)
	_ = command.Process.Kill() // it may have ended
	<-ended
	if strings.Contains(printed.String(), "is live") {
		t.Logf("the rebuild was done before it was killed:\n%s", printed)
		return ""
	}
	return building.FindString(printed.String())
}
