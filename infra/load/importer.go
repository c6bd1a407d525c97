package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"binnacle/infra/terminal"
)

// StartImporter asks the server who it is, and opens the journal of that ledger.
func StartImporter(ctx context.Context, c ImporterConfig, path string, again bool) (*importer, error) {
	im := NewImporter(c)
	of, err := im.poster.Greet(ctx)
	if err != nil {
		return nil, err
	}
	if im.Journal, err = OpenJournal(path, of, again); err != nil {
		return nil, err
	}
	im.poster.Run = im.Journal.Run()
	if n := im.Journal.Found(); n > 0 {
		im.poster.notify(fmt.Sprintf("%s has taken %d requests before (%s)", of.Server, n, im.Journal.Path()))
	}
	return im, nil
}

// ImporterConfig is what an importer needs.
type ImporterConfig struct {
	Server   string
	Clients  int
	RetryFor time.Duration
	Dangling bool
	Progress *terminal.Progress
	Journal  *Journal // nil: nothing is remembered
}

// importer sends the units of files to a server, several at once.
type importer struct {
	ImporterConfig
	poster *poster
	Stop   context.CancelCauseFunc // ends a run that has no server any more; nil: none is under way

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

// Summary is what an import has done.
type Summary struct {
	Files, Requests, Resources, Skipped int64
	Elapsed                             time.Duration
	P50, P95, P99, Max                  time.Duration
	Failed                              []failedFile
}

func NewImporter(c ImporterConfig) *importer {
	im := &importer{ImporterConfig: c, poster: NewPoster(c.Server, c.Clients, c.RetryFor), latency: NewHistogram(), refused: map[unitKey][]int{}}
	im.poster.dangling = c.Dangling
	if c.Progress != nil {
		im.poster.notify = c.Progress.Note
	}
	return im
}

// Run sends all files: those that others refer to first, one after the other; then the rest, as many at once as there
// are clients; then once more what was refused while others were still on their way. It ends early when the server
// stays away.
func (im *importer) Run(ctx context.Context, files []string) Summary {
	began := time.Now()
	ctx, im.Stop = context.WithCancelCause(ctx)
	defer im.Stop(nil)
	first, rest := SplitPhases(files)
	for _, file := range first {
		im.sendFiles(ctx, []string{file}, im.NotTaken)
	}
	im.sendFiles(ctx, rest, im.NotTaken)
	if again, refused := im.takeRefused(); len(again) > 0 {
		im.sendFiles(ctx, again, refused)
	}
	return im.Summary(len(files), began)
}

// Summary is what has been done since a time.
func (im *importer) Summary(files int, began time.Time) Summary {
	im.mu.Lock()
	defer im.mu.Unlock()
	s := Summary{Files: int64(files), Requests: im.requests.Load(), Resources: im.resources.Load(), Skipped: im.skipped.Load(),
		Elapsed: time.Since(began), Failed: slices.Clone(im.failed)}
	s.P50, s.P95, s.P99, s.Max = Percentiles(im.latency)
	return s
}

// NotTaken chooses what the ledger has not taken before: a whole unit, or what is left of a batch.
func (im *importer) NotTaken(u Unit) (entries []int, wanted bool) {
	left, known := im.Journal.Known(u)
	if known {
		before := u.Resources - int64(len(left))
		im.skipped.Add(before)
		im.progress(before)
	}
	return left, !known || len(left) > 0
}

// takeRefused returns the files that something of was refused, once each, and forgets their failures. The function
// returned chooses of a unit what is to be sent once more.
func (im *importer) takeRefused() ([]string, func(Unit) ([]int, bool)) {
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
	return again, func(u Unit) ([]int, bool) {
		entries, was := refused[u.Key()]
		return entries, was
	}
}

// sendFiles sends what choose says of each unit of files: some entries of a batch, nil for the whole unit, or nothing.
func (im *importer) sendFiles(ctx context.Context, files []string, choose func(Unit) (entries []int, wanted bool)) {
	type part struct {
		Unit
		entries []int
	}
	parts := make(chan part)
	var senders errgroup.Group
	for range im.Clients {
		senders.Go(func() error {
			for p := range parts {
				im.Send(ctx, p.Unit, p.entries)
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
			err := ReadUnits(file, func(u Unit) error {
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
				im.fail(failedFile{File: file, Reason: terminal.Sentence(err)})
			}
			return nil // one bad file doesn't keep the others from being read
		})
	}
	_ = readers.Wait() // the end of ctx is the caller's to tell
	close(parts)
	_ = senders.Wait()
}

// Send sends a unit, or some entries of its batch, and remembers what came of it.
func (im *importer) Send(ctx context.Context, whole Unit, entries []int) {
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
		if errors.As(err, new(awayError)) && im.Stop != nil { // nothing else would be taken either
			im.fail(failedFile{File: u.File, Unit: u.Label, Reason: terminal.Sentence(err) + "; the import ends here: run the same command again to resume"})
			im.Stop(err)
			return
		}
		im.refuse(whole, entries)
		im.fail(failedFile{File: u.File, Unit: u.Label, Reason: terminal.Sentence(err), again: true})
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

func (im *importer) refuse(u Unit, entries []int) {
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
func (s Summary) Print(w io.Writer) {
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
		fmt.Fprintf(w, "FAILED %s: %s\n", strings.TrimSpace(f.File+" "+f.Unit), f.Reason)
	}
}
