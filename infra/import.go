package infra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// importCommand loads files into a running server over HTTP.
type importCommand struct {
	Paths    []string      `arg:"" name:"path" help:"Files and folders: .json and .ndjson, plain or with .gz or .bz2." type:"path"`
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
		return checkCount("--clients", c.Clients)
	}
	return cmp.Or(checkServer("--server", c.Server), checkCount("--clients", c.Clients))
}

// Run is called by the command line.
func (c *importCommand) Run(ctx context.Context, config *Config, out *output, logger *slog.Logger) error {
	files, err := findFiles(c.Paths)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no .json or .ndjson file (plain, .gz or .bz2) in %s", strings.Join(c.Paths, ", "))
	}
	if c.Bulk {
		return c.bulk(ctx, config, files, out, logger)
	}
	bar := newProgress(out.Err, "import", "resources")
	im, err := startImporter(ctx, importerConfig{Server: c.Server, Clients: c.Clients, RetryFor: c.RetryFor, Dangling: c.Dangling, Progress: bar}, c.Journal, c.Again)
	if err != nil {
		return interrupted(ctx, out, err)
	}
	defer im.Journal.Close()
	summary := im.Run(ctx, files)
	bar.Close()
	summary.Print(out.Out)
	fmt.Fprintf(out.Err, "the journal is %s\n", im.Journal.Path())
	if ctx.Err() != nil || len(summary.Failed) > 0 {
		return interrupted(ctx, out, errQuiet)
	}
	return nil
}

// interrupted says how to go on when the user has interrupted, and passes any other end on.
func interrupted(ctx context.Context, out *output, err error) error {
	if ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
	return errQuiet
}

// startImporter asks the server who it is, and opens the journal of that ledger.
func startImporter(ctx context.Context, c importerConfig, path string, again bool) (*importer, error) {
	im := newImporter(c)
	of, err := im.poster.Greet(ctx)
	if err != nil {
		return nil, err
	}
	if im.Journal, err = openJournal(path, of, again); err != nil {
		return nil, err
	}
	im.poster.run = im.Journal.Run()
	if n := im.Journal.Found(); n > 0 {
		im.poster.notify(fmt.Sprintf("%s has taken %d requests before (%s)", of.Server, n, im.Journal.Path()))
	}
	return im, nil
}

// importerConfig is what an importer needs.
type importerConfig struct {
	Server   string
	Clients  int
	RetryFor time.Duration
	Dangling bool
	Progress *progress
	Journal  *journal // nil: nothing is remembered
}

// importer sends the units of files to a server, several at once.
type importer struct {
	importerConfig
	poster *poster
	stop   context.CancelCauseFunc // ends a run that has no server any more; nil: none is under way

	mu        sync.Mutex
	latency   *hdrhistogram.Histogram // microseconds
	failed    []failedFile
	refused   map[unitKey][]int // the entries of a batch that were refused; nil: the whole unit
	resources atomic.Int64
	requests  atomic.Int64
	skipped   atomic.Int64
}

type failedFile struct {
	File, Unit, Reason string
	again              bool // sending it once more may help
}

// importSummary is what an import has done.
type importSummary struct {
	Files, Requests, Resources, Skipped int64
	Elapsed                             time.Duration
	P50, P95, P99, Max                  time.Duration
	Failed                              []failedFile
}

func newImporter(c importerConfig) *importer {
	im := &importer{importerConfig: c, poster: newPoster(c.Server, c.Clients, c.RetryFor), latency: newHistogram(), refused: map[unitKey][]int{}}
	im.poster.dangling = c.Dangling
	if c.Progress != nil {
		im.poster.notify = c.Progress.Note
	}
	return im
}

// Run sends all files: those that others refer to first, one after the other; then the rest, as many at once as there are clients;
// then once more what was refused while others were still on their way. It ends early when the server stays away.
func (im *importer) Run(ctx context.Context, files []string) importSummary {
	began := time.Now()
	ctx, im.stop = context.WithCancelCause(ctx)
	defer im.stop(nil)
	first, rest := splitPhases(files)
	for _, file := range first {
		im.sendFiles(ctx, []string{file}, im.notTaken)
	}
	im.sendFiles(ctx, rest, im.notTaken)
	if again, refused := im.takeRefused(); len(again) > 0 {
		im.sendFiles(ctx, again, refused)
	}
	return im.summary(len(files), began)
}

// summary is what has been done since a time.
func (im *importer) summary(files int, began time.Time) importSummary {
	im.mu.Lock()
	defer im.mu.Unlock()
	s := importSummary{Files: int64(files), Requests: im.requests.Load(), Resources: im.resources.Load(), Skipped: im.skipped.Load(),
		Elapsed: time.Since(began), Failed: slices.Clone(im.failed)}
	s.P50, s.P95, s.P99, s.Max = percentiles(im.latency)
	return s
}

// notTaken chooses what the ledger has not taken before: a whole unit, or what is left of a batch.
func (im *importer) notTaken(u unit) (entries []int, wanted bool) {
	left, known := im.Journal.Known(u)
	if known {
		before := u.Resources - int64(len(left))
		im.skipped.Add(before)
		im.progress(before)
	}
	return left, !known || len(left) > 0
}

// takeRefused returns the files that something of was refused, once each, and forgets their failures. The function returned chooses of a unit what is
// to be sent once more.
func (im *importer) takeRefused() ([]string, func(unit) ([]int, bool)) {
	im.mu.Lock()
	defer im.mu.Unlock()
	var again []string
	var kept []failedFile
	for _, f := range im.failed {
		switch {
		case !f.again:
			kept = append(kept, f)
		case !slices.Contains(again, f.File):
			again = append(again, f.File)
		}
	}
	refused := im.refused
	im.failed, im.refused = kept, map[unitKey][]int{}
	return again, func(u unit) ([]int, bool) {
		entries, was := refused[u.Key()]
		return entries, was
	}
}

// sendFiles sends what choose says of each unit of files: some entries of a batch, nil for the whole unit, or nothing.
func (im *importer) sendFiles(ctx context.Context, files []string, choose func(unit) (entries []int, wanted bool)) {
	type part struct {
		unit
		entries []int
	}
	parts := make(chan part)
	var senders errgroup.Group
	for range im.Clients {
		senders.Go(func() error {
			for p := range parts {
				im.send(ctx, p.unit, p.entries)
			}
			return nil
		})
	}
	var readers errgroup.Group
	readers.SetLimit(2)
	for _, file := range files {
		readers.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := readUnits(file, func(u unit) error {
				entries, wanted := choose(u)
				if !wanted {
					return nil
				}
				select {
				case parts <- part{u, entries}:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			if err != nil && ctx.Err() == nil {
				im.fail(failedFile{File: file, Reason: sentence(err)})
			}
			return nil // one bad file doesn't keep the others from being read
		})
	}
	_ = readers.Wait() // the end of ctx is the caller's to tell
	close(parts)
	_ = senders.Wait()
}

// send sends a unit, or some entries of its batch, and remembers what came of it.
func (im *importer) send(ctx context.Context, whole unit, entries []int) {
	began := time.Now()
	u, err := whole.only(entries)
	var answer answer
	if err == nil {
		answer, err = im.poster.Send(ctx, u)
	}
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		if errors.As(err, new(awayError)) && im.stop != nil { // nothing else would be taken either
			im.fail(failedFile{File: u.File, Unit: u.Label, Reason: sentence(err) + "; the import ends here: run the same command again to resume"})
			im.stop(err)
			return
		}
		im.refuse(whole, entries)
		im.fail(failedFile{File: u.File, Unit: u.Label, Reason: sentence(err), again: true})
		return
	}
	im.mu.Lock()
	_ = im.latency.RecordValue(took.Microseconds()) // a value out of range would be above an hour
	im.mu.Unlock()
	im.requests.Add(1)
	accepted := u.Resources - int64(len(answer.Refused))
	if answer.Replayed { // the server knew what the journal didn't
		im.skipped.Add(accepted)
	} else {
		im.resources.Add(accepted)
	}
	im.progress(accepted)
	left := within(entries, answer.Entries())
	if len(left) > 0 {
		im.refuse(whole, left)
	}
	for _, refused := range answer.Refused {
		im.fail(failedFile{File: u.File, Unit: u.Label, Reason: refused.Reason, again: true})
	}
	if err := im.Journal.Add(whole, left); err != nil {
		im.fail(failedFile{File: u.File, Unit: u.Label, Reason: "the journal can't be written: " + err.Error()})
	}
}

func (im *importer) progress(resources int64) {
	if im.Progress != nil {
		im.Progress.Add(resources)
	}
}

func (im *importer) refuse(u unit, entries []int) {
	im.mu.Lock()
	im.refused[u.Key()] = entries
	im.mu.Unlock()
}

func (im *importer) fail(f failedFile) {
	im.mu.Lock()
	if !slices.Contains(im.failed, f) { // a file that is read twice has its faults twice
		im.failed = append(im.failed, f)
	}
	im.mu.Unlock()
}

// Print writes the summary for people.
func (s importSummary) Print(w io.Writer) {
	rate := float64(s.Resources) / max(s.Elapsed.Seconds(), 1e-3)
	fmt.Fprintf(w, "%d resources in %d requests from %d files in %s: %.0f resources/s\n", s.Resources, s.Requests, s.Files, s.Elapsed.Round(time.Millisecond), rate)
	if s.Skipped > 0 {
		fmt.Fprintf(w, "%d resources were taken before and are left as they are; --again loads them once more\n", s.Skipped)
	}
	if s.Requests > 0 {
		fmt.Fprintf(w, "request latency p50 %s, p95 %s, p99 %s, max %s\n", s.P50, s.P95, s.P99, s.Max)
	}
	const most = 50
	for i, f := range s.Failed {
		if i == most {
			fmt.Fprintf(w, "… and %d more failures\n", len(s.Failed)-most)
			break
		}
		fmt.Fprintf(w, "FAILED %s %s: %s\n", f.File, f.Unit, f.Reason)
	}
}

// output is where a command writes: answers to Out, progress and notes to Err.
type output struct {
	Out, Err io.Writer
	In       io.Reader
}

// errQuiet ends a command with exit code 1 when everything there is to say has been said.
var errQuiet = fmt.Errorf("failed")
