//go:build faults

package e2e

import (
	"testing"
)

func TestAnotherNodeGoesOnWithABatchWhenItsNodeIsKilled(t *testing.T) {
	i := newInstallation(t, plain, "distributed", needs(t))
	flags := []string{"--async-lease", "2s", "--kafka-session-timeout", "3s"}
	survivor := i.start(flags...)
	made := 0
	for round := range 2 + rounds(t) {
		n := i.start(flags...)
		at := n.later(creates("r"+string(rune('a'+round%26)), 5_000))
		made += 5_000
		n.await(bound, "in the middle of a batch", func() bool { return working(n.base + at) })
		n.kill()
		fetched(t, survivor, at, 5_000)
		if got := total(t, survivor, "Basic"); got != made {
			t.Fatalf("round %d: %d resources were asked for, and %d are there", round, made, got)
		}
	}
	survivor.stop()
	i.run("verify", "--deep")
}
