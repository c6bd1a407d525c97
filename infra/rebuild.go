package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/dustin/go-humanize"

	"binnacle/events"

	"binnacle/functions/rebuild"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// rebuildCommand makes a new generation of the index, or works on those that there are.
type rebuildCommand struct {
	Rollback         bool `help:"Go back to the generation that was live before; it catches up first." xor:"what"`
	DropOld          bool `help:"Delete the generation that was kept for going back." xor:"what"`
	DropBuilding     bool `help:"Delete a generation that was begun and not finished." xor:"what"`
	Blobs            bool `help:"Bring the contents back that the blob store has lost, and leave the index alone." xor:"what"`
	AcceptDifference bool `help:"Switch although the new generation, with the same search parameters, holds something else than the live one."`
	JSON             bool `help:"Print what was done as JSON." name:"json"`
}

func (*rebuildCommand) Help() string {
	return `Makes the search index anew from the log, as the next generation beside the one that serves, and switches to it.
Servers go on meanwhile; "binnacle status" and their /metrics show how far it is. Only the rebuild itself writes: it
publishes nothing and answers nobody. An index that was lost as a whole is begun anew first.

What was decided is not decided again: outcomes, ids, versions and what conditional references led to come from the
feed of decisions, and each content is held against its recorded hash. Only records after the feed's end are decided.

When the search parameters are those of the live generation, both must hold the same: at the same position the digests
over all versions and terms are compared, and at the first difference the rebuild refuses to switch and says what it
is. --accept-difference switches nevertheless, when the live one is the damaged one.

At the switch commits wait for the last records, some milliseconds and ten seconds at most; writes wait with them and
lose nothing, reads go on. All servers answer from the new generation within a second; pages that were begun go on.

The generation before is kept, and nothing is projected into it any more. --rollback brings it up to date from the log
and then switches back, by the same steps: writes made meanwhile are in it. --drop-old deletes it. One is kept: a
rebuild deletes older ones.

An interrupted rebuild resumes where it had committed: run it again. Two at once are refused, and the second is told
who has the right. One that nobody will resume is deleted by --drop-building; so is one that was begun with other
search parameters, when a rebuild begins.

Contents (blobs) that are there stay untouched; an ordinary rebuild puts only those that the store lacks. --blobs puts
them without making a new index: after the blob store was emptied, run it beside the servers; it may be run again.

A rebuild is due when the search parameters have changed. Until it is done servers go on with those of the live
generation; they say so in "binnacle status", /health and their log, and change with the switch.`
}

// Run is called by the command line.
func (c *rebuildCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	p, err := parts.Open(ctx, config, logger, parts.Options{CreateIndex: !c.Rollback && !c.DropOld && !c.DropBuilding && !c.Blobs})
	if err != nil {
		return err
	}
	defer p.Close()
	switch {
	case c.DropOld:
		return dropGeneration(ctx, p, out, "old")
	case c.DropBuilding:
		return dropGeneration(ctx, p, out, "building")
	case c.Blobs:
		return c.refill(ctx, p, out)
	}
	summary, err := makeGeneration(ctx, p, out, func(r *rebuild.Index) { r.Rollback, r.AcceptDifference = c.Rollback, c.AcceptDifference })
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
			return terminal.ErrQuiet
		}
		return err
	}
	if c.JSON {
		return printJSON(out, summary)
	}
	seconds := max(summary.Elapsed.Seconds(), 1e-3)
	fmt.Fprintf(out.Out, "generation %d is live: %s resources in %s versions, from %s events in %s (%.0f events/s, %.0f versions/s)\n", summary.Generation,
		humanize.Comma(summary.Sizes.Resources), humanize.Comma(summary.Sizes.Versions), humanize.Comma(summary.Records), summary.Elapsed.Round(1e6), float64(summary.Records)/seconds,
		float64(summary.Sizes.Versions)/seconds)
	fmt.Fprintf(out.Out, "%s events as they had been decided; %s versions compared with the generation before; %s contents put; commits waited %s\n", humanize.Comma(summary.Recorded),
		humanize.Comma(summary.Compared), humanize.Comma(summary.Contents), summary.Paused.Round(1e6))
	if summary.Unindexed > 0 {
		fmt.Fprintf(out.Out, "%s versions can't be indexed with these search parameters: they are there, and no search by a parameter finds them; the log above names some\n", humanize.Comma(summary.Unindexed))
	}
	return nil
}

func printJSON(out *terminal.Output, what any) error {
	encoder := json.NewEncoder(out.Out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(what)
}

// makeGeneration rebuilds the index and shows its progress, a bar for each step.
func makeGeneration(ctx context.Context, p *parts.Parts, out *terminal.Output, options func(*rebuild.Index)) (rebuild.Summary, error) {
	var bar *terminal.Progress
	step := ""
	run := &rebuild.Index{Log: p.Log, Feed: p.Feed, Generations: p.Generations, Blobs: p.Blobs, Dialects: p.Dialects, Heal: p.Heal(), Logger: p.Logger}
	options(run)
	summary, err := run.Handle(ctx, func(now rebuild.Progress) {
		if now.Step != step {
			if bar != nil {
				bar.Close()
			}
			step = now.Step
			bar = terminal.NewProgress(out.Err, fmt.Sprintf("generation %d: %s", now.Generation, step), "done")
		}
		bar.Set(now.Done, now.All)
	})
	if bar != nil {
		bar.Close()
	}
	return summary, err
}

// dropGeneration deletes the generations in a state.
func dropGeneration(ctx context.Context, p *parts.Parts, out *terminal.Output, state string) error {
	list, err := p.Generations.List(ctx)
	if err != nil {
		return err
	}
	dropped := 0
	for _, g := range list {
		if g.State != state {
			continue
		}
		if err := p.Generations.Drop(ctx, g.Number); err != nil {
			return err
		}
		dropped++
		fmt.Fprintf(out.Out, "generation %d is deleted\n", g.Number)
	}
	if dropped == 0 {
		return events.Errorf(events.NotFound, "infra.rebuild", "there is no %s generation", state)
	}
	return nil
}

// refill brings lost contents back.
func (c *rebuildCommand) refill(ctx context.Context, p *parts.Parts, out *terminal.Output) error {
	bar := terminal.NewProgress(out.Err, "contents", "events")
	run := &rebuild.Contents{Log: p.Log, Index: p.Generations.Live(), Blobs: p.Blobs, Heal: p.Heal()}
	summary, err := run.Handle(ctx, bar.Set)
	bar.Close()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(out, summary); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out.Out, "%s contents were missing and are back, from %s events\n", humanize.Comma(summary.Contents), humanize.Comma(summary.Records))
	}
	if summary.Failed > 0 {
		return events.Errorf(events.NotFound, "infra.rebuild", "%d contents can't be made from the log any more; binnacle verify names them", summary.Failed)
	}
	return nil
}
