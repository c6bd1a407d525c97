package infra

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/dustin/go-humanize"

	"binnacle/functions"
)

// rebuildCommand makes a new generation of the index.
type rebuildCommand struct{}

func (*rebuildCommand) Help() string {
	return `Makes the search index anew from the log, beside the one that serves, and switches to it when it has caught up.
Servers go on meanwhile. Missing contents are restored from the log too. An interrupted rebuild resumes: run it again.
Two at once are refused. A rebuild is due when the search parameters have changed ("binnacle status" says so).`
}

// Run is called by the command line.
func (*rebuildCommand) Run(ctx context.Context, config *Config, out *output, logger *slog.Logger) error {
	p, err := openParts(ctx, config, logger, partsOptions{})
	if err != nil {
		return err
	}
	defer p.Close()
	summary, err := rebuild(ctx, p, out)
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
			return errQuiet
		}
		return err
	}
	rate := float64(summary.Records) / max(summary.Elapsed.Seconds(), 1e-3)
	fmt.Fprintf(out.Out, "generation %d is live: %s resources in %s versions, from %s events in %s (%.0f events/s, %.0f versions/s)\n", summary.Generation,
		humanize.Comma(summary.Sizes.Resources), humanize.Comma(summary.Sizes.Versions), humanize.Comma(summary.Records), summary.Elapsed.Round(1e6), rate,
		float64(summary.Sizes.Versions)/max(summary.Elapsed.Seconds(), 1e-3))
	return nil
}

// rebuild runs the function and shows its progress, a bar for each step.
func rebuild(ctx context.Context, p *parts, out *output) (functions.RebuildSummary, error) {
	var bar *progress
	step := ""
	run := &functions.Rebuild{Log: p.log, Generations: p.generations, Blobs: p.blobs, Catalog: p.catalog, Heal: p.heal(), Logger: p.logger}
	summary, err := run.Handle(ctx, func(now functions.RebuildProgress) {
		if now.Step != step {
			if bar != nil {
				bar.Close()
			}
			step = now.Step
			bar = newProgress(out.Err, fmt.Sprintf("generation %d: %s", now.Generation, step), "done")
		}
		bar.Set(now.Done, now.All)
	})
	if bar != nil {
		bar.Close()
	}
	return summary, err
}
