package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The environment of the tests of faults.
const (
	// envRounds lengthens them: so many times the faults of the short form, which is 1. Ten is what `./task
	// test:faults` runs.
	envRounds = "BINNACLE_FAULT_ROUNDS"
	// envSeed repeats the choices of an earlier run; what the machine's clock and scheduler add can't be repeated.
	envSeed = "BINNACLE_FAULT_SEED"
	// envEvidence is the folder where the logs and histories of failed tests are kept.
	envEvidence = "BINNACLE_FAULT_EVIDENCE"
)

// rounds is how many times the faults of the short form a test runs.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv(envRounds)
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number from 1", envRounds, text)
	}
	return n
}

// dice makes a test's random choices, and tells how to make them again.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(envSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s is %q, want a number", envSeed, text)
		}
	}
	t.Logf("the choices of this run: %s=%d go test -tags whole,faults ./infra/e2e -run '^%s$'", envSeed, seed, strings.ReplaceAll(t.Name(), "/", "$/^"))
	return rand.New(rand.NewPCG(seed, 0))
}

// evidence makes a folder for what explains a failure. It is kept and named when the test fails, else removed.
func evidence(t *testing.T) string {
	t.Helper()
	root := os.Getenv(envEvidence)
	if root == "" {
		root = os.TempDir()
	} else if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(root, "binnacle-"+strings.ReplaceAll(t.Name(), "/", "-")+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs of the nodes and what was recorded are kept in %s", folder)
		} else if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// appendTo opens a file of the evidence for appending.
func appendTo(t *testing.T, folder, name string) *os.File {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
