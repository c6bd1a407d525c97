package infra

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"binnacle/events/fhir/rest"

	"binnacle/functions/door"
	"binnacle/functions/rebuild"
	"binnacle/functions/write"
	"binnacle/infra/load"
	"binnacle/infra/node"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
	"binnacle/projections/fhir"
)

// bulk loads files into empty storage without a server: everything goes through the write door of this process to the
// log, and nothing waits for its outcome; then the first generation of the index is made as a rebuild makes one.
func (c *importCommand) bulk(ctx context.Context, config *parts.Config, files []string, out *terminal.Output, logger *slog.Logger) error {
	lock, err := parts.LockFolder(config, true)
	if err != nil {
		return err
	}
	defer lock.Close()
	p, err := parts.Open(ctx, config, logger, parts.Options{Create: true})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Empty(ctx); err != nil {
		return err
	}
	began := time.Now()
	appender := &load.Appender{Door: bulkDoor(p), Dangling: c.Dangling, Bar: terminal.NewProgress(out.Err, "append to the log", "resources")}
	err = appender.Run(ctx, files, c.Clients)
	appender.Bar.Close()
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; the log has a part of the files: run binnacle rebuild to use that, or binnacle drop and this command again")
			return terminal.ErrQuiet
		}
		return err
	}
	appended := time.Since(began)
	summary, err := makeGeneration(ctx, p, out, func(*rebuild.Index) {})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; everything is in the log: run binnacle rebuild to go on")
			return terminal.ErrQuiet
		}
		return err
	}
	all := time.Since(began)
	fmt.Fprintf(out.Out, "%s resources in %s events are in the log after %s, and %s versions in generation %d of the index after %s: %.0f resources/s\n",
		humanize.Comma(appender.Resources.Load()), humanize.Comma(summary.Records), appended.Round(time.Millisecond), humanize.Comma(summary.Sizes.Versions),
		summary.Generation, all.Round(time.Millisecond), float64(summary.Sizes.Versions)/max(all.Seconds(), 1e-3))
	for _, f := range appender.Failed {
		fmt.Fprintf(out.Out, "FAILED %s %s: %s\n", f.File, f.Unit, f.Reason)
	}
	if missing := appender.Resources.Load() - summary.Sizes.Versions; missing > 0 {
		fmt.Fprintf(out.Out, "%s resources were refused or left as they were; their outcomes tell why (binnacle tail)\n", humanize.Comma(missing))
	}
	if len(appender.Failed) > 0 {
		return terminal.ErrQuiet
	}
	return nil
}

// bulkDoor is the write door with nobody behind it: no projector runs, so none is waited for.
func bulkDoor(p *parts.Parts) http.Handler {
	known := fhir.CatalogOf(p.Dialects)
	writer := &write.Writer{
		Log: p.Log, Index: p.Generations.Live(), Blobs: p.Blobs, Dialects: p.Dialects, Waiters: write.NewWaiters(p.Generations.Live()),
		Partitions: p.Partitions, Now: time.Now,
		Limits: write.Limits{LagRecords: math.MaxInt64, LagStall: math.MaxInt64},
	}
	front := door.New(door.Config{
		Write: writer, Blobs: p.Blobs, Catalog: known, Now: time.Now, NewID: node.NewID,
		Base: load.BulkBase, Tenant: parts.DefaultTenant, Heal: p.Heal(), Logger: p.Logger,
	})
	return rest.NewTable(known.Known, front.Rows()...).Handler(load.BulkBase)
}
