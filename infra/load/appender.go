package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"binnacle/events/fhir"
	"binnacle/infra/terminal"
)

// Appender sends units to a door in this process.
type Appender struct {
	Door      http.Handler
	Dangling  bool
	Bar       *terminal.Progress
	Resources atomic.Int64

	mu     sync.Mutex
	Failed []failedFile
}

// Run appends the files that others refer to first, one after the other, then the rest.
func (a *Appender) Run(ctx context.Context, files []string, clients int) error {
	first, rest := SplitPhases(files)
	for _, file := range first {
		if err := a.send(ctx, []string{file}, clients); err != nil {
			return err
		}
	}
	return a.send(ctx, rest, clients)
}

func (a *Appender) send(ctx context.Context, files []string, clients int) error {
	units := make(chan Unit)
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
			err := ReadUnits(file, func(u Unit) error {
				select {
				case units <- u:
					return nil
				case <-rctx.Done():
					return rctx.Err()
				}
			})
			if err != nil && rctx.Err() == nil {
				a.fail(file, "", terminal.Sentence(err))
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
func (a *Appender) post(ctx context.Context, u Unit) error {
	request, err := http.NewRequestWithContext(ctx, u.Method, "http://localhost"+strings.TrimSuffix(BulkBase+"/"+u.Path, "/"), bytes.NewReader(u.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/fhir+json")
	request.Header.Set("Prefer", "return=minimal")
	request.Header.Set("Binnacle-Acknowledge", "log")
	if a.Dangling {
		request.Header.Set("Binnacle-Allow-Dangling", "true")
	}
	answer := &localAnswer{header: http.Header{}, status: http.StatusOK}
	a.Door.ServeHTTP(answer, request)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	line := fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status))
	switch {
	case answer.status >= http.StatusInternalServerError:
		return fmt.Errorf("%s %s can't be appended to the log: %s; the log may have a part of the files: binnacle drop, and this command again", u.File, u.Label, Reason(line, answer.body.Bytes()))
	case answer.status >= http.StatusMultipleChoices:
		a.fail(u.File, u.Label, Reason(line, answer.body.Bytes()))
		return nil
	}
	refused := 0
	if u.Path == "" && answer.body.Len() > 0 {
		refused = a.refusedEntries(u, answer.body.Bytes())
	}
	accepted := u.Resources - int64(refused)
	a.Resources.Add(accepted)
	a.Bar.Add(accepted)
	return nil
}

// refusedEntries reports the entries of a batch that the door refused, and counts them.
func (a *Appender) refusedEntries(u Unit, body []byte) int {
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

func (a *Appender) fail(file, label, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Failed = append(a.Failed, failedFile{File: file, Unit: label, Reason: why})
}

// localAnswer is the answer of a handler in this process.
type localAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (l *localAnswer) Header() http.Header { return l.header }

func (l *localAnswer) WriteHeader(status int) { l.status = status }

func (l *localAnswer) Write(data []byte) (int, error) { return l.body.Write(data) }

// BulkBase is the base path of the door that a bulk import writes through. Nobody sees it.
const BulkBase = "/fhir"
