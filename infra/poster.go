package infra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"binnacle/events/fhir"
)

// poster sends the units of an import and tries again while the server is away.
type poster struct {
	base     string
	client   *http.Client
	retryFor time.Duration
}

func newPoster(base string, clients int, retryFor time.Duration) *poster {
	return &poster{base: strings.TrimSuffix(base, "/"), client: newHTTPClient(clients), retryFor: retryFor}
}

// newHTTPClient makes a client that keeps one connection alive for each of so many callers.
func newHTTPClient(callers int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = callers, callers
	transport.DisableCompression = true
	return &http.Client{Transport: transport, Timeout: 5 * time.Minute}
}

// answer is what a server said to a unit.
type answer struct {
	Refused []refusedEntry // the entries of a batch that were refused
}

type refusedEntry struct {
	Entry  int
	Reason string
}

// Entries returns the indexes of the refused entries.
func (a answer) Entries() []int {
	var entries []int
	for _, r := range a.Refused {
		entries = append(entries, r.Entry)
	}
	return entries
}

// Send sends one unit until the server has decided it. The idempotency key makes a repetition harmless.
func (p *poster) Send(ctx context.Context, u unit, run string, dangling bool) (answer, error) {
	sum := sha256.Sum256([]byte(run + "\n" + u.Name()))
	key := hex.EncodeToString(sum[:16])
	deadline := time.Now().Add(p.retryFor)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		result, again, err := p.attempt(ctx, u, key, dangling)
		if !again || time.Now().After(deadline) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// attempt sends the unit once; again tells whether trying again may help.
func (p *poster) attempt(ctx context.Context, u unit, key string, dangling bool) (result answer, again bool, err error) {
	url := p.base
	if u.Path != "" {
		url += "/" + u.Path
	}
	request, err := http.NewRequestWithContext(ctx, u.Method, url, bytes.NewReader(u.Body))
	if err != nil {
		return answer{}, false, err
	}
	request.Header.Set("Content-Type", "application/fhir+json")
	request.Header.Set("Prefer", "return=minimal")
	request.Header.Set("Idempotency-Key", strconv.Quote(key))
	if dangling {
		request.Header.Set("Binnacle-Allow-Dangling", "true")
	}
	response, err := p.client.Do(request)
	if err != nil {
		return answer{}, ctx.Err() == nil, fmt.Errorf("the server at %s can't be reached: %w", p.base, errors.Unwrap(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, true, fmt.Errorf("the answer broke off: %w", err)
	}
	switch {
	case response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusGatewayTimeout ||
		response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusConflict && response.Header.Get("Retry-After") != "":
		return answer{}, true, errors.New(reason(response.Status, body))
	case response.StatusCode >= 300:
		return answer{}, false, errors.New(reason(response.Status, body))
	}
	if u.Path == "" {
		result.Refused, err = refusedEntries(body)
	}
	return result, false, err
}

// reason makes one line of an answer that is an error.
func reason(status string, body []byte) string {
	doc, err := fhir.Parse(body)
	if err != nil {
		return status
	}
	for issue := range doc.Root().Get("issue").Items() {
		if text := issue.Get("diagnostics").Text(); text != "" {
			return status + ": " + text
		}
	}
	return status
}

// refusedEntries reads a batch-response or transaction-response bundle.
func refusedEntries(body []byte) ([]refusedEntry, error) {
	doc, err := fhir.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no bundle: %w", err)
	}
	var refused []refusedEntry
	i := 0
	for entry := range doc.Root().Get("entry").Items() {
		response := entry.Get("response")
		if status := response.Get("status").Text(); !strings.HasPrefix(status, "2") {
			refused = append(refused, refusedEntry{Entry: i, Reason: fmt.Sprintf("entry %d: %s", i, reason(status, response.Get("outcome").Raw()))})
		}
		i++
	}
	return refused, nil
}
