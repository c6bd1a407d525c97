package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"binnacle/functions/rebuild"
	"binnacle/infra/terminal"
)

// The clients beside a rebuild.
const (
	rebuildReaders = 16
	rebuildWriters = 8
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

// measureRebuild rebuilds the index from the log three times: alone, while clients read, and while clients create. The
// latency of a rebuild is the pause that commits made at its switch.
func (c *benchRunCommand) measureRebuild(ctx context.Context, out *terminal.Output, server *benchServer, s *sample, report *benchReport) error {
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
	for _, beside := range []struct {
		name    string
		work    workload
		clients int
	}{{"these reads", s.reads(), rebuildReaders}, {"these creates", workload{Name: "create", Writes: true, Make: s.create}, rebuildWriters}} {
		var err error
		m := runBeside(ctx, &server.benchTarget, beside.work, beside.clients, c.Seed, func() {
			err = rebuild("rebuild under " + beside.name + "; its pause")
		})
		m.Name += " during a rebuild"
		report.add(out, server.variant, m)
		if err != nil {
			return err
		}
	}
	return nil
}
