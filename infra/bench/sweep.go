package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"binnacle/infra/load"
	"binnacle/infra/terminal"
	"binnacle/projections"
)

// indexSweep is a sweep of everything that the updates superseded, without a rest between portions.
type indexSweep struct {
	Versions      int64         `json:"versions"` // superseded ones
	Rows          int64         `json:"rows"`     // removed
	Portions      int64         `json:"portions"`
	Took          time.Duration `json:"took_ns"`
	CPU           time.Duration `json:"cpu_per_version_ns"` // of this process
	P50, P99, Max time.Duration // of a portion
}

// sweep removes the rows of the superseded versions.
func (r *indexRun) sweep(ctx context.Context, generations projections.Generations) error {
	if r.report.Update.Versions == 0 {
		return nil
	}
	state, err := generations.Live().State(ctx, 0)
	if err != nil {
		return err
	}
	sweeper := generations.Sweeper()
	if err := sweeper.Horizon(ctx, 0, state.NextSid-1); err != nil {
		return err
	}
	waste, err := sweeper.Waste(ctx)
	if err != nil {
		return err
	}
	report := indexSweep{Versions: waste.Superseded}
	began, cpu, times := time.Now(), ownCPU(), load.NewHistogram()
	sweep, err := sweeper.Sweep(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sweep.Release() }() // the index is dropped afterwards
	for done := false; !done; {
		started := time.Now()
		portion, err := sweep.Portion(ctx)
		if err != nil {
			return err
		}
		_ = times.RecordValue(time.Since(started).Microseconds()) // out of range would be above an hour
		report.Rows += portion.Removed
		report.Portions++
		done = portion.Done
	}
	report.Took = time.Since(began)
	report.CPU = (ownCPU() - cpu) / time.Duration(max(waste.Superseded, 1))
	report.P50, _, report.P99, report.Max = load.Percentiles(times)
	r.report.Sweep = report
	return nil
}

// print writes what a sweep did for people.
func (s *indexSweep) print(w io.Writer) {
	if s.Versions > 0 {
		fmt.Fprintf(w, "\nsweep of %d superseded versions: %d rows in %s, own CPU %s for each version; %d portions of p50 %s, p99 %s, max %s\n", s.Versions, s.Rows, terminal.Short(s.Took), terminal.Short(s.CPU),
			s.Portions, terminal.Short(s.P50), terminal.Short(s.P99), terminal.Short(s.Max))
	}
}
