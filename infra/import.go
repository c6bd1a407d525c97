package infra

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"binnacle/infra/load"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
)

// importCommand loads files into a running server over HTTP.
type importCommand struct {
	Paths    []string      `arg:"" name:"path" help:"Files and folders: .json and .ndjson, plain or with .gz or .bz2; files of XML are not taken." type:"path"`
	Server   string        `help:"Base URL of the FHIR server, that of a tenant as in http://127.0.0.1:8080/t/clinic/fhir." default:"http://127.0.0.1:8080/fhir" env:"BINNACLE_SERVER"`
	Clients  int           `help:"Requests in flight." default:"8" env:"BINNACLE_IMPORT_CLIENTS"`
	Journal  string        `help:"File that remembers what the server has taken; empty: one for each server and tenant, in the user's folder for such things (~/.local/state/binnacle)." type:"path" env:"BINNACLE_IMPORT_JOURNAL"`
	Again    bool          `help:"Forget the journal and load everything once more: resources with an id get a new version, those without one a copy." env:"BINNACLE_IMPORT_AGAIN"`
	RetryFor time.Duration `help:"How long one request is tried again while the server is away." default:"60s" env:"BINNACLE_IMPORT_RETRY_FOR"`
	Dangling bool          `help:"Allow references to resources that do not exist." env:"BINNACLE_IMPORT_DANGLING"`
	Bulk     bool          `help:"Load into the empty storage that the variant's flags name, without a server: straight to the log, then the index at once." env:"BINNACLE_IMPORT_BULK"`
}

const importHelp = `Loads FHIR resources from files into a running server, over HTTP.

A file holds one Bundle (transaction and batch bundles are sent as they are; the resources of any other
bundle are sent one by one) or one resource; an .ndjson file holds one resource a line. Folders are read
recursively. Files named 00-…, 01-… or hospitalInformation…, practitionerInformation… go first, in that
order, because others refer to what they hold; files that were refused are tried once more at the end.

What a server and tenant has taken stands in a journal, which stays: run the same command again, and an interrupted
import resumes; a finished one loads nothing. A request is known by its content and its file's name, so what has
changed in a file is loaded; resources without an id in a changed part are created anew. --again loads everything
once more. Without the journal, the Idempotency-Key of each request, made from the same content, keeps a server
from taking it twice for as long as its --idempotency-window.

With --bulk no server is needed, and none may run: the files go through the checks of the write door straight
to the log of the storage that --variant and its flags name, without waiting for any outcome, and then the first
generation of the index is built as "binnacle rebuild" does. The storage must be empty. Start the servers afterwards.`

func (*importCommand) Help() string { return importHelp }

// Validate is called by the command line.
func (c *importCommand) Validate() error {
	if c.Bulk {
		return load.CheckCount("--clients", c.Clients)
	}
	return cmp.Or(load.CheckServer("--server", c.Server), load.CheckCount("--clients", c.Clients))
}

// Run is called by the command line.
func (c *importCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	files, err := load.Files(c.Paths)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no .json or .ndjson file (plain, .gz or .bz2) in %s; files of XML are not taken", strings.Join(c.Paths, ", "))
	}
	if c.Bulk {
		return c.bulk(ctx, config, files, out, logger)
	}
	bar := terminal.NewProgress(out.Err, "import", "resources")
	im, err := load.StartImporter(ctx, load.ImporterConfig{Server: c.Server, Clients: c.Clients, RetryFor: c.RetryFor, Dangling: c.Dangling, Progress: bar}, c.Journal, c.Again)
	if err != nil {
		return interrupted(ctx, out, err)
	}
	defer im.Journal.Close()
	summary := im.Run(ctx, files)
	bar.Close()
	summary.Print(out.Out)
	fmt.Fprintf(out.Err, "the journal is %s\n", im.Journal.Path())
	if ctx.Err() != nil || len(summary.Failed) > 0 {
		return interrupted(ctx, out, terminal.ErrQuiet)
	}
	return nil
}

// interrupted says how to go on when the user has interrupted, and passes any other end on.
func interrupted(ctx context.Context, out *terminal.Output, err error) error {
	if ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
	return terminal.ErrQuiet
}
