package infra

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"binnacle/events/fhir"
	"binnacle/functions"
)

// bulkBase is the base path of the door that a bulk import writes through. Nobody sees it.
const bulkBase = "/fhir"

// bulk loads files into empty storage without a server: everything goes through the write door of this process to the log, and nothing
// waits for its outcome; then the first generation of the index is made as a rebuild makes one.
func (c *importCommand) bulk(ctx context.Context, config *Config, files []string, out *output, logger *slog.Logger) error {
	lock, err := lockFolder(config)
	if err != nil {
		return err
	}
	defer lock.Close()
	p, err := openParts(ctx, config, logger, partsOptions{create: true})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.empty(ctx); err != nil {
		return err
	}
	began := time.Now()
	appender := &appender{door: p.bulkDoor(), dangling: c.Dangling, bar: newProgress(out.Err, "append to the log", "resources")}
	err = appender.run(ctx, files, c.Clients)
	appender.bar.Close()
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; the log has a part of the files: run binnacle rebuild to use that, or binnacle drop and this command again")
			return errQuiet
		}
		return err
	}
	appended := time.Since(began)
	summary, err := rebuild(ctx, p, out, func(*functions.Rebuild) {})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out.Err, "interrupted; everything is in the log: run binnacle rebuild to go on")
			return errQuiet
		}
		return err
	}
	all := time.Since(began)
	fmt.Fprintf(out.Out, "%s resources in %s events are in the log after %s, and %s versions in generation %d of the index after %s: %.0f resources/s\n",
		humanize.Comma(appender.resources.Load()), humanize.Comma(summary.Records), appended.Round(time.Millisecond), humanize.Comma(summary.Sizes.Versions),
		summary.Generation, all.Round(time.Millisecond), float64(summary.Sizes.Versions)/max(all.Seconds(), 1e-3))
	for _, f := range appender.failed {
		fmt.Fprintf(out.Out, "FAILED %s %s: %s\n", f.File, f.Unit, f.Reason)
	}
	if missing := appender.resources.Load() - summary.Sizes.Versions; missing > 0 {
		fmt.Fprintf(out.Out, "%s resources were refused or left as they were; their outcomes tell why (binnacle tail)\n", humanize.Comma(missing))
	}
	if len(appender.failed) > 0 {
		return errQuiet
	}
	return nil
}

// empty refuses storage that has anything in its log.
func (p *parts) empty(ctx context.Context) error {
	ends, err := p.log.Ends(ctx)
	if err != nil {
		return err
	}
	for _, end := range ends {
		if end.Next > 0 {
			return fmt.Errorf("the storage is not empty: its log has %s records; --bulk is for the first load alone, import without it into a running server", humanize.Comma(end.Next))
		}
	}
	return nil
}

// bulkDoor is the write door with nobody behind it: no projector runs, so none is waited for.
func (p *parts) bulkDoor() http.Handler {
	write := &functions.Write{
		Log: p.log, Index: p.generations.Live(), Blobs: p.blobs, Catalog: p.catalog, Waiters: functions.NewWaiters(p.generations.Live()), Tenant: defaultTenant,
		Partitions: p.partitions, Now: time.Now, NewID: newID, Logger: p.logger, Heal: p.heal(),
		Limits: functions.Limits{LagRecords: math.MaxInt64, LagStall: math.MaxInt64},
	}
	return write.Door(bulkBase, nil)
}

// appender sends units to a door in this process.
type appender struct {
	door      http.Handler
	dangling  bool
	bar       *progress
	resources atomic.Int64

	mu     sync.Mutex
	failed []failedFile
}

// run appends the files that others refer to first, one after the other, then the rest.
func (a *appender) run(ctx context.Context, files []string, clients int) error {
	first, rest := splitPhases(files)
	for _, file := range first {
		if err := a.send(ctx, []string{file}, clients); err != nil {
			return err
		}
	}
	return a.send(ctx, rest, clients)
}

func (a *appender) send(ctx context.Context, files []string, clients int) error {
	units := make(chan unit)
	senders, sctx := errgroup.WithContext(ctx)
	for range clients {
		senders.Go(func() error {
			for u := range units {
				if err := a.post(sctx, u); err != nil {
					return err
				}
			}
			return nil
		})
	}
	readers, rctx := errgroup.WithContext(sctx)
	readers.SetLimit(2)
	for _, file := range files {
		readers.Go(func() error {
			err := readUnits(file, func(u unit) error {
				select {
				case units <- u:
					return nil
				case <-rctx.Done():
					return rctx.Err()
				}
			})
			if err != nil && rctx.Err() == nil {
				a.fail(file, "", sentence(err))
				err = nil // one bad file doesn't keep the others from being read
			}
			return err
		})
	}
	read := readers.Wait()
	close(units)
	if err := senders.Wait(); err != nil {
		return err
	}
	return read
}

// post asks the door once. What the door refuses is reported; what the log can't take ends the import.
func (a *appender) post(ctx context.Context, u unit) error {
	request, err := http.NewRequestWithContext(ctx, u.Method, "http://localhost"+strings.TrimSuffix(bulkBase+"/"+u.Path, "/"), bytes.NewReader(u.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/fhir+json")
	request.Header.Set("Prefer", "respond-async, return=minimal")
	if a.dangling {
		request.Header.Set("Binnacle-Allow-Dangling", "true")
	}
	answer := &localAnswer{header: http.Header{}, status: http.StatusOK}
	a.door.ServeHTTP(answer, request)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	line := fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status))
	switch {
	case answer.status >= http.StatusInternalServerError:
		return fmt.Errorf("%s %s can't be appended to the log: %s; the log may have a part of the files: binnacle drop, and this command again", u.File, u.Label, reason(line, answer.body.Bytes()))
	case answer.status >= http.StatusMultipleChoices:
		a.fail(u.File, u.Label, reason(line, answer.body.Bytes()))
		return nil
	}
	refused := 0
	if u.Path == "" && answer.body.Len() > 0 {
		refused = a.refusedEntries(u, answer.body.Bytes())
	}
	accepted := u.Resources - int64(refused)
	a.resources.Add(accepted)
	a.bar.Add(accepted)
	return nil
}

// refusedEntries reports the entries of a batch that the door refused, and counts them.
func (a *appender) refusedEntries(u unit, body []byte) int {
	doc, err := fhir.Parse(body)
	if err != nil || doc.Root().Get("type").Text() != "batch-response" {
		return 0
	}
	list, err := refusedEntries(body)
	if err != nil {
		return 0
	}
	for _, r := range list {
		a.fail(u.File, u.Label, r.Reason)
	}
	return len(list)
}

func (a *appender) fail(file, label, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, failedFile{File: file, Unit: label, Reason: why})
}

// localAnswer is the answer of a handler in this process.
type localAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (l *localAnswer) Header() http.Header            { return l.header }
func (l *localAnswer) WriteHeader(status int)         { l.status = status }
func (l *localAnswer) Write(data []byte) (int, error) { return l.body.Write(data) }
