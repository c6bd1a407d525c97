package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

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
	for range 2 { // the first resumes, the second has nothing to do any more
		i.run(args...)
		for kind, want := range sampleCounts(t) {
			if got := total(t, n, kind); got != want {
				t.Errorf("%s: %d resources, want %d", kind, got, want)
			}
		}
	}
}
