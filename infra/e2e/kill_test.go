package e2e

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"binnacle/infra/terminal"
)

func TestAKilledServerLosesNothingAcknowledgedAndDoublesNothing(t *testing.T) {
	killWhileImporting(t, "standalone", sampleFolder, 3)
}

// killWhileImporting kills a server with SIGKILL again and again while files are imported and clients write, and looks
// for what was acknowledged.
func killWhileImporting(t *testing.T, variant, sample string, kills int) {
	t.Helper()
	i := newInstallation(t, plain, variant, addresses(t, variant))
	address := freeAddress(t)
	n := i.launch(address)
	n.awaitReady(bound)

	journal := filepath.Join(t.TempDir(), "journal")
	importer := i.command(t.Context(), "import", "--server", n.base, "--journal", journal, sample)
	printed := &terminal.Tail{}
	importer.Stdout, importer.Stderr = printed, printed
	if err := importer.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- importer.Wait() }()

	acknowledged := newLedger()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	base := n.base
	for k := range 4 {
		writers.Go(func() { acknowledged.write(func() string { return base }, k, stop) })
	}
	r := dice(t)
	for range kills {
		time.Sleep(time.Duration(100+r.IntN(1400)) * time.Millisecond)
		n.kill()
		n = i.launch(address)
		n.awaitReady(bound)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("the import failed: %v\n%s", err, printed)
		}
	case <-time.After(5 * time.Minute):
		t.Fatalf("the import did not end:\n%s", printed)
	}
	close(stop)
	writers.Wait()
	t.Logf("%d kills, %d single writes acknowledged", kills, acknowledged.count())

	i.run("verify", "--deep")
	want := countOf(readSample(t, sample))
	acknowledged.check(t, n, want)
	for kind, count := range want {
		if got := total(t, n, kind); got != count {
			t.Errorf("%s: %d resources, want %d", kind, got, count)
		}
	}
	i.rebuildsTheSame(n, want)
	i.run("verify", "--deep")
}
