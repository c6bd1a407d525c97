package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"binnacle/functions/rebuild"
	"binnacle/infra/terminal"
)

// The reading beside a rebuild.
const (
	rebuildReaders = 16        // clients
	rebuildMost    = time.Hour // how long they read at the most
)

// Rebuild runs the rebuild command against the server's storage, beside the server.
func (s *benchServer) Rebuild(ctx context.Context) (summary rebuild.Summary, err error) {
	rebuild := exec.CommandContext(ctx, s.command.Path, "rebuild", "--json")
	rebuild.Env = s.env
	out, err := rebuild.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("rebuild: %w: %s", err, strings.TrimSpace(string(failed.Stderr)))
		}
		return summary, err
	}
	return summary, json.Unmarshal(out, &summary)
}

// measureRebuild rebuilds the index from the log twice: alone, and while clients read. The latency of a rebuild is the
// pause that commits made at its switch.
func (c *benchRunCommand) measureRebuild(ctx context.Context, out *terminal.Output, server *benchServer, reads workload, report *benchReport) error {
	rebuild := func(name string) error {
		summary, err := server.Rebuild(ctx)
		if err != nil {
			return err
		}
		rate := float64(summary.Sizes.Versions) / summary.Elapsed.Seconds()
		report.add(out, server.variant, measurement{Name: name, Clients: 1, Unit: "versions", Count: summary.Sizes.Versions, Rate: rate, Elapsed: summary.Elapsed,
			P50: summary.Paused, P95: summary.Paused, P99: summary.Paused})
		return nil
	}
	if err := rebuild("rebuild; its pause of commits"); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan measurement, 1)
	go func() {
		read <- runWorkload(reading, &server.benchTarget, reads, rebuildReaders, rebuildMost, c.Seed)
	}()
	err := rebuild("rebuild under these reads; its pause")
	stop()
	during := <-read
	during.Name += " during a rebuild"
	report.add(out, server.variant, during)
	return err
}
