package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"binnacle/functions/verify"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// verifyCommand compares log, blobs and index.
type verifyCommand struct {
	Deep   bool `help:"Also read the log again and hold every outcome against it, and extract the search terms of every version anew and compare them with those in the index."`
	Repair bool `help:"Bring missing and damaged contents back from the log."`
	JSON   bool `help:"Print JSON." name:"json"`
}

func (*verifyCommand) Help() string {
	return `Reads every version in the index, its content in the blobs and the ends of the log, and says whether they agree: counts,
SHA-256 of every content, missing contents, contents that nothing refers to, how far the projection is. --deep also
compares the search terms of every version with what its content gives. Resources that were changed after a record in
quarantine that was to change them, too, are named as warnings, with the position for binnacle quarantine show. The
last line is OK or NOT OK; the exit code is 0 or 1. It may run beside servers.`
}

// Run is called by the command line.
func (c *verifyCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	p, err := parts.Open(ctx, config, logger, parts.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	bar := terminal.NewProgress(out.Err, "verify", "versions")
	report, err := verifyStorage(ctx, p, verify.Options{Deep: c.Deep, Repair: c.Repair}, bar)
	bar.Close()
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(out.Out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return err
		}
	} else {
		for _, line := range report.Lines() {
			fmt.Fprintln(out.Out, line)
		}
	}
	if !report.OK {
		return terminal.ErrQuiet
	}
	return nil
}

func verifyStorage(ctx context.Context, p *parts.Parts, options verify.Options, bar *terminal.Progress) (verify.Report, error) {
	live, err := parts.LiveGeneration(ctx, p.Generations)
	if err != nil {
		return verify.Report{}, err
	}
	dialects, due, err := p.MeaningOf(ctx, live) // what is there was made with the parameters of the index
	if err != nil {
		return verify.Report{}, err
	}
	// Bound: the terms of a generation of other definitions, should one become live meanwhile, are never compared with
	// those of this one.
	run := &verify.Storage{Log: p.Log, Index: p.Generations.Bound(live.Catalog), Blobs: p.Blobs, Dialects: dialects, OtherReading: due.Reading, Held: p.Held}
	report, err := run.Handle(ctx, options, bar.Set)
	if err == nil {
		bar.Set(report.Versions, report.Versions)
	}
	return report, err
}
