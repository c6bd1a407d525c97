package infra

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"binnacle/infra/bench"
	"binnacle/infra/load"
	"binnacle/infra/terminal"
)

func TestGeneratedFilesAreTheSameEachTimeAndAnInterruptedRunGoesOn(t *testing.T) {
	read := func(folder string) map[string]string {
		files, err := load.Files([]string{folder})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(folder, file)
			found[name] = string(body)
		}
		return found
	}
	a, b := t.TempDir(), t.TempDir()
	for _, folder := range []string{a, b} {
		if code, _, errOut := try(t, "bench", "generate", "--resources", "2500", "--seed", "3", "--out", folder); code != 0 {
			t.Fatal(errOut)
		}
	}
	want := read(a)
	patient := slices.Max(slices.Collect(maps.Keys(want)))
	if len(want) < 4 {
		t.Fatalf("only %d files were made", len(want))
	}
	for name, body := range read(b) {
		if want[name] != body {
			t.Errorf("%s differs between two runs with one seed", name)
		}
	}
	lost := filepath.Join(b, patient)
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := try(t, "bench", "generate", "--resources", "2500", "--seed", "3", "--out", b); code != 0 {
		t.Fatal(errOut)
	}
	if read(b)[patient] != want[patient] {
		t.Error("the second run did not make what was missing as the first had")
	}
	if code, _, errOut := try(t, "bench", "generate", "--seed", "4", "--out", b); code == 0 || !strings.Contains(errOut, "other data") {
		t.Errorf("another seed in the same folder: exit code %d, %q", code, errOut)
	}
}

func TestGeneratedPatientsAreTakenByAServerAndSentOnce(t *testing.T) {
	server, err := Embed(t.Context(), slog.New(slog.DiscardHandler), "--variant", "memory")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	web := httptest.NewServer(server.Handler())
	defer web.Close()
	var printed bytes.Buffer
	c := bench.GenerateCommand{Resources: 2_000, Server: web.URL + "/fhir", Seed: 2, Clients: 3, Journal: filepath.Join(t.TempDir(), "journal")}
	if err := c.Run(t.Context(), &terminal.Output{Out: &printed, Err: io.Discard}); err != nil {
		t.Fatalf("%v\n%s", err, printed.String())
	}
	if err := server.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(printed.String(), "resources in") {
		t.Errorf("printed %q", printed.String())
	}
}
