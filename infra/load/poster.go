package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"binnacle/events/fhir"
)

// poster sends the units of an import and tries again while the server is away.
type poster struct {
	base     string
	client   *http.Client
	retryFor time.Duration
	Run      string       // part of every idempotency key
	dangling bool         // references to what doesn't exist are asked to be allowed
	notify   func(string) // tells people what is waited for; nil: nobody

	mu   sync.Mutex
	said time.Time // when that was last
}

func NewPoster(base string, clients int, retryFor time.Duration) *poster {
	return &poster{base: strings.TrimSuffix(base, "/"), client: NewHTTPClient(clients), retryFor: retryFor}
}

// NewHTTPClient makes a client that keeps one connection alive for each of so many callers.
func NewHTTPClient(callers int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = callers, callers
	transport.DisableCompression = true
	return &http.Client{Transport: transport, Timeout: 5 * time.Minute}
}

// answer is what a server said to a unit.
type answer struct {
	Refused  []refusedEntry // the entries of a batch that were refused
	Replayed bool           // it is the outcome of an earlier request under the same key
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

// maxTurns bounds how many refusals of earlier runs are passed by.
const maxTurns = 1000

// Send sends one unit until the server has decided it. The idempotency key makes a repetition harmless: it tells the
// unit by its content, so it holds in later runs too. But a refusal of an earlier run says nothing of now: what was
// refused is asked for once more, under the next key.
func (p *poster) Send(ctx context.Context, u Unit) (answer, error) {
	var places []int // where the entries that are sent stand in the unit; nil: all are sent
	for turn := 0; turn < maxTurns; turn++ {
		result, err := p.send(ctx, u, turn)
		if refused := err != nil || len(result.Refused) > 0; !refused || !result.Replayed {
			for n, entry := range within(places, result.Entries()) {
				result.Refused[n].Entry = entry
			}
			return result, err
		}
		if entries := result.Entries(); err == nil && len(entries) < int(u.Resources) { // the others were accepted then
			if u, err = u.only(entries); err != nil {
				return answer{}, err
			}
			places, turn = within(places, entries), -1
		}
	}
	return answer{}, fmt.Errorf("it was refused in %d earlier runs", maxTurns)
}

// within tells where entries of a part stand in the whole, when those of the part stand at places; nil: the part is the
// whole.
func within(places, entries []int) []int {
	if places == nil {
		return entries
	}
	whole := make([]int, len(entries))
	for n, entry := range entries {
		whole[n] = places[entry]
	}
	return whole
}

// awayError is the end of patience with a server that can't be reached.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

// send sends one unit under the key of one turn, again and again while the server is away.
func (p *poster) send(ctx context.Context, u Unit, turn int) (answer, error) {
	unitKey := u.Key()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%x\n%t\n%d", p.Run, unitKey, p.dangling, turn))
	key := hex.EncodeToString(sum[:16])
	var result answer
	tries := 0
	err := p.patiently(ctx, func() (again bool, err error) {
		tries++
		result, again, err = p.attempt(ctx, u, key)
		return again, err
	})
	if tries > 1 {
		result.Replayed = false // what is answered again is most likely what this call has asked for before
	}
	return result, err
}

// patiently calls attempt until it has come to an end or the time for it has, and says what it waits for.
func (p *poster) patiently(ctx context.Context, attempt func() (again bool, err error)) error {
	deadline := time.Now().Add(p.retryFor)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, sayEvery) {
		again, err := attempt()
		if !again || time.Now().After(deadline) {
			return err
		}
		p.say(fmt.Sprintf("waiting until %s at the most: %v", deadline.Format(time.TimeOnly), err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// sayEvery is the time between two words about what is waited for, of all callers together.
const sayEvery = 3 * time.Second

func (p *poster) say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.notify != nil && time.Since(p.said) >= sayEvery {
		p.said = time.Now()
		p.notify(what)
	}
}

// Greet asks who the server is, before anything is sent to it.
func (p *poster) Greet(ctx context.Context) (Ledger, error) {
	of := Ledger{Server: p.base}
	err := p.patiently(ctx, func() (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/metadata", http.NoBody)
		if err != nil {
			return false, err
		}
		request.Header.Set("Accept", "application/fhir+json")
		response, err := p.do(request)
		if err != nil {
			return ctx.Err() == nil, err
		}
		if response.isAway() {
			return true, fmt.Errorf("the server at %s answers %s", p.base, response.reason())
		}
		doc, err := fhir.Parse(response.body)
		if response.StatusCode != http.StatusOK || err != nil || doc.Root().Get("resourceType").Text() != "CapabilityStatement" {
			hint := ""
			if !strings.HasSuffix(p.base, "/fhir") {
				hint = fmt.Sprintf("; is it --server %s/fhir?", p.base)
			}
			return false, fmt.Errorf("there is no FHIR server at %s: it answers %s/metadata with %s%s", p.base, p.base, response.reason(), hint)
		}
		of.ID = response.Header.Get("Binnacle-Ledger")
		return false, nil
	})
	return of, err
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response
	body []byte
}

// do sends a request and reads its answer; an error says that the server can't be reached.
func (p *poster) do(request *http.Request) (reply, error) {
	response, err := p.client.Do(request)
	if err != nil {
		return reply{}, awayError{fmt.Errorf("the server at %s can't be reached: %w", p.base, errors.Unwrap(err))}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, awayError{fmt.Errorf("the answer of the server at %s broke off: %w", p.base, err)}
	}
	return reply{response, body}, nil
}

// isAway tells whether the answer says that a later one will be another.
func (r reply) isAway() bool {
	switch r.StatusCode {
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return true
	}
	return r.StatusCode == http.StatusConflict && r.Header.Get("Retry-After") != ""
}

func (r reply) reason() string { return Reason(r.Status, r.body) }

// attempt sends the unit once; again tells whether trying again may help.
func (p *poster) attempt(ctx context.Context, u Unit, key string) (result answer, again bool, err error) {
	target := p.base
	if u.Path != "" {
		target += "/" + u.Path
	}
	request, err := http.NewRequestWithContext(ctx, u.Method, target, bytes.NewReader(u.Body))
	if err != nil {
		return answer{}, false, err
	}
	request.Header.Set("Content-Type", "application/fhir+json")
	request.Header.Set("Prefer", "return=minimal")
	request.Header.Set("Idempotency-Key", strconv.Quote(key))
	if p.dangling {
		request.Header.Set("Binnacle-Allow-Dangling", "true")
	}
	response, err := p.do(request)
	if err != nil {
		return answer{}, ctx.Err() == nil, err
	}
	result.Replayed = response.Header.Get("Idempotent-Replayed") == "true"
	switch {
	case response.isAway():
		return answer{}, true, fmt.Errorf("the server at %s answers %s", p.base, response.reason())
	case response.StatusCode >= 300:
		return result, false, errors.New(response.reason())
	}
	if u.Path == "" {
		result.Refused, err = refusedEntries(response.body)
	}
	return result, false, err
}

// CheckServer refuses what is no base URL of a FHIR server. flag is what it was given with.
func CheckServer(flag, server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s %s is no base URL of a FHIR server: write it as http://127.0.0.1:8080/fhir", flag, server)
	}
	return nil
}

// CheckCount refuses a number of requests in flight with which nothing would be sent.
func CheckCount(flag string, count int) error {
	if count < 1 {
		return fmt.Errorf("%s is %d: at least 1 request must be in flight", flag, count)
	}
	return nil
}

// Reason makes one line of an answer that is an error.
func Reason(status string, body []byte) string {
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
			refused = append(refused, refusedEntry{Entry: i, Reason: fmt.Sprintf("entry %d: %s", i, Reason(status, response.Get("outcome").Raw()))})
		}
		i++
	}
	return refused, nil
}
