package infra

import (
	"context"
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
	Journal  string        `help:"File that remembers what is done, so that an interrupted import resumes." default:"binnacle-import.journal" type:"path" env:"BINNACLE_IMPORT_JOURNAL"`
	RetryFor time.Duration `help:"How long one request is tried again while the server is away." default:"60s" env:"BINNACLE_IMPORT_RETRY_FOR"`
	Dangling bool          `help:"Allow references to resources that do not exist." env:"BINNACLE_IMPORT_DANGLING"`
	Bulk     bool          `help:"Load into the empty storage that the variant's flags name, without a server: straight to the log, then the index at once." env:"BINNACLE_IMPORT_BULK"`
}

const importHelp = `Loads FHIR resources from files into a running server, over HTTP.

A file holds one Bundle (transaction and batch bundles are sent as they are; the resources of any other
bundle are sent one by one) or one resource; an .ndjson file holds one resource a line. Folders are read
recursively. Files named 00-…, 01-… or hospitalInformation…, practitionerInformation… go first, in that
order, because others refer to what they hold; files that were refused are tried once more at the end.

An interrupted import resumes: run the same command again. Nothing is loaded twice, because every request
carries an Idempotency-Key that the journal remembers.

With --bulk no server is needed, and none may run: the files go through the checks of the write door straight
to the log of the storage that --variant and its flags name, without waiting for any outcome, and then the first
generation of the index is built as "binnacle rebuild" does. The storage must be empty. Start the servers afterwards.`

func (*importCommand) Help() string { return importHelp }

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
	journal, err := openJournal(c.Journal)
	if err != nil {
		return err
	}
	defer journal.Close()
	if journal.Resumed() {
		fmt.Fprintf(out.Err, "resuming the import of %s (%d requests were done)\n", c.Journal, journal.Len())
	}
	bar := newProgress(out.Err, "import", "resources")
	im := newImporter(importerConfig{Server: c.Server, Clients: c.Clients, RetryFor: c.RetryFor, Dangling: c.Dangling, Progress: bar.Add, Journal: journal})
	summary := im.Run(ctx, files)
	bar.Close()
	summary.Print(out.Out)
	if ctx.Err() != nil {
		fmt.Fprintln(out.Err, "interrupted; run the same command again to resume")
		return errQuiet
	}
	if len(summary.Failed) > 0 {
		return errQuiet
	}
	return journal.Remove()
}

// importerConfig is what an importer needs.
type importerConfig struct {
	Server   string
	Clients  int
	RetryFor time.Duration
	Dangling bool
	Progress func(resources int64)
	Journal  *journal // nil: nothing is remembered
}

// importer sends the units of files to a server, several at once.
type importer struct {
	importerConfig
	poster *poster
	run    string // distinguishes this import's idempotency keys from those of any other

	mu        sync.Mutex
	latency   *hdrhistogram.Histogram // microseconds
	failed    []failedFile
	refused   map[string][]int // unit name → entries of its batch that were refused; nil: the whole unit
	resources atomic.Int64
	requests  atomic.Int64
}

type failedFile struct {
	File, Unit, Reason string
}

// importSummary is what an import has done.
type importSummary struct {
	Files, Requests, Resources, Skipped int64
	Elapsed                             time.Duration
	P50, P95, P99, Max                  time.Duration
	Failed                              []failedFile
}

func newImporter(c importerConfig) *importer {
	im := &importer{importerConfig: c, poster: newPoster(c.Server, c.Clients, c.RetryFor), latency: newHistogram(), refused: map[string][]int{}}
	if c.Journal != nil {
		im.run = c.Journal.Run()
	} else {
		im.run = newRunID()
	}
	return im
}

// Run sends all files: those that others refer to first, one after the other; then the rest, as many at once as there are clients;
// then once more the files that were refused while others were still on their way.
func (im *importer) Run(ctx context.Context, files []string) importSummary {
	began := time.Now()
	first, rest := splitPhases(files)
	var skipped atomic.Int64
	for _, file := range first {
		im.sendFiles(ctx, []string{file}, &skipped, im.firstTime)
	}
	im.sendFiles(ctx, rest, &skipped, im.firstTime)
	if again, onceMore := im.takeRefused(); len(again) > 0 && ctx.Err() == nil {
		im.sendFiles(ctx, again, new(atomic.Int64), onceMore)
	}
	s := importSummary{Files: int64(len(files)), Requests: im.requests.Load(), Resources: im.resources.Load(), Skipped: skipped.Load(),
		Elapsed: time.Since(began), Failed: im.failed}
	s.P50, s.P95, s.P99, s.Max = percentiles(im.latency)
	return s
}

// firstTime passes every unit on as it is.
func (*importer) firstTime(u unit) (unit, bool, error) { return u, true, nil }

// takeRefused returns the files that failed, once each, and forgets their failures. The function returned makes of a unit what is
// to be sent once more, under a name of its own, because a refusal is the lasting outcome of its idempotency key.
func (im *importer) takeRefused() ([]string, func(unit) (unit, bool, error)) {
	im.mu.Lock()
	defer im.mu.Unlock()
	var again []string
	for _, f := range im.failed {
		if !slices.Contains(again, f.File) {
			again = append(again, f.File)
		}
	}
	refused := im.refused
	im.failed, im.refused = nil, map[string][]int{}
	return again, func(u unit) (unit, bool, error) {
		entries, was := refused[u.Name()]
		if !was {
			return unit{}, false, nil
		}
		u, err := u.only(entries)
		return u, err == nil, err
	}
}

func (im *importer) sendFiles(ctx context.Context, files []string, skipped *atomic.Int64, choose func(unit) (unit, bool, error)) {
	units := make(chan unit)
	var senders errgroup.Group
	for range im.Clients {
		senders.Go(func() error {
			for u := range units {
				im.send(ctx, u)
			}
			return nil
		})
	}
	var readers errgroup.Group
	readers.SetLimit(2)
	for _, file := range files {
		readers.Go(func() error {
			err := readUnits(file, func(u unit) error {
				u, wanted, err := choose(u)
				if err != nil || !wanted {
					return err
				}
				if im.Journal != nil && im.Journal.Done(u.Name()) {
					skipped.Add(u.Resources)
					return nil
				}
				select {
				case units <- u:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			if err != nil && ctx.Err() == nil {
				im.fail(file, "", sentence(err))
			}
			return nil // one bad file doesn't keep the others from being read
		})
	}
	_ = readers.Wait()
	close(units)
	_ = senders.Wait()
}

func (im *importer) send(ctx context.Context, u unit) {
	began := time.Now()
	answer, err := im.poster.Send(ctx, u, im.run, im.Dangling)
	took := time.Since(began)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		im.refuse(u, nil)
		im.fail(u.File, u.Label, sentence(err))
		return
	}
	im.mu.Lock()
	_ = im.latency.RecordValue(took.Microseconds()) // a value out of range would be above an hour
	im.mu.Unlock()
	im.requests.Add(1)
	accepted := u.Resources - int64(len(answer.Refused))
	im.resources.Add(accepted)
	if im.Progress != nil {
		im.Progress(accepted)
	}
	if len(answer.Refused) > 0 {
		im.refuse(u, answer.Entries())
	}
	for _, refused := range answer.Refused {
		im.fail(u.File, u.Label, refused.Reason)
	}
	if len(answer.Refused) == 0 && im.Journal != nil {
		if err := im.Journal.Add(u.Name()); err != nil {
			im.fail(u.File, u.Label, "the journal can't be written: "+err.Error())
		}
	}
}

func (im *importer) refuse(u unit, entries []int) {
	im.mu.Lock()
	im.refused[u.Name()] = entries
	im.mu.Unlock()
}

func (im *importer) fail(file, label, reason string) {
	im.mu.Lock()
	im.failed = append(im.failed, failedFile{File: file, Unit: label, Reason: reason})
	im.mu.Unlock()
}

// Print writes the summary for people.
func (s importSummary) Print(w io.Writer) {
	rate := float64(s.Resources) / max(s.Elapsed.Seconds(), 1e-3)
	fmt.Fprintf(w, "%d resources in %d requests from %d files in %s: %.0f resources/s\n", s.Resources, s.Requests, s.Files, s.Elapsed.Round(time.Millisecond), rate)
	if s.Skipped > 0 {
		fmt.Fprintf(w, "%d resources were there from the run before\n", s.Skipped)
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
