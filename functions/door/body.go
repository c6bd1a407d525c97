package door

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/projections/fhir/form"
)

// body reads the body of a request, within the limit and the budget. release gives its share of the budget back, once
// or more often; it is never nil.
func (d *door) body(r *http.Request) (data []byte, release func(), err error) {
	xml, err := rest.CheckDocument(r.Header)
	if err != nil {
		return nil, func() {}, err
	}
	return d.document(r, xml)
}

// document is body for a document that comes as XML, or as JSON.
func (d *door) document(r *http.Request, xml bool) (data []byte, release func(), err error) {
	data, held, err := d.receive(nil, r)
	switch {
	case err != nil:
	case len(data) == 0:
		err = invalid("the body is empty; send the resource as JSON or XML")
	case xml:
		if data, err = inXML(data); err == nil { // it is mapped to JSON, which takes as much again
			err = held.grow(r.Context(), min(2*int64(len(data)), max(int64(len(data)), d.Limits.BodyBytes)))
		}
	case form.Of(data) == form.Raw:
		err = invalid("1:1: the body begins with a control character; send the resource as JSON or XML")
	case form.Of(data) == form.InXML:
		err = invalid("1:1: the body is XML, and its Content-Type says that it is JSON; send it as application/fhir+xml")
	}
	return data, held.release, err
}

// bodyBehind is body for any bytes, and returns them behind a head.
func (d *door) bodyBehind(head []byte, r *http.Request) (data []byte, release func(), err error) {
	data, held, err := d.receive(head, r)
	return data, held.release, err
}

// receive reads the body of a request and tells what it has of the budget.
func (d *door) receive(head []byte, r *http.Request) (data []byte, held *holding, err error) {
	held = &holding{budget: d.budget, who: addressOf(r), large: r.ContentLength > largeBody}
	data, err = rest.BodyBehind(head, r, d.Limits.BodyBytes, func(n int64) error { return held.grow(r.Context(), n) })
	if err != nil {
		return nil, held, err
	}
	held.keep(int64(len(data)))
	return data, held, nil
}

// inXML is a body that came as XML, from its first < on.
func inXML(body []byte) ([]byte, error) {
	body = form.Trim(body)
	switch {
	case bytes.HasPrefix(body, []byte("\xfe\xff")), bytes.HasPrefix(body, []byte("\xff\xfe")):
		return nil, rest.Refused(http.StatusUnsupportedMediaType, events.Unsupported, "door.Door",
			"the body is XML in UTF-16; send it in UTF-8")
	case form.Of(body) != form.InXML:
		return nil, invalid("the body is no XML, as its Content-Type says: its first character is not <")
	}
	return body, nil
}

// addressOf is the address that a request's connection comes from: that of a proxy, when there is one.
func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// budget bounds the memory of bodies in flight. Small bodies have a share of their own, so that they never wait for
// large ones, and no address gets all of a share.
type budget struct {
	small, rest *share
	wait        time.Duration
	large       chan struct{} // a place for each large body that is being worked on
}

// largeBody is the size in bytes from which a body is large: it takes a place while it is worked on, which needs four
// times its size. More of them at once than there are cores make nothing faster: they only keep the collector busy.
const largeBody = 256 << 10

// newBudget divides bytes: an eighth is for small bodies, and the rest has room for the largest body, which has most
// bytes, at the least. What an address may have of the rest leaves room for such a body of another one, where there
// is room for two.
func newBudget(bytes, most int64, wait time.Duration) *budget {
	small := max(bytes/8, largeBody)
	rest := max(bytes-small, most)
	return &budget{
		small: newShare(small, max(small-small/4, largeBody)),
		rest:  newShare(rest, max(rest-most, most)),
		wait:  wait, large: make(chan struct{}, runtime.GOMAXPROCS(0)+1),
	}
}

// work waits for a place for a body of n bytes; whoever has one gives it back in bounded time. It is given back by
// calling done, once or more often.
func (b *budget) work(ctx context.Context, n int) (done func(), err error) {
	if n < largeBody {
		return func() {}, nil
	}
	select {
	case b.large <- struct{}{}:
		return sync.OnceFunc(func() { <-b.large }), nil
	case <-ctx.Done():
		return func() {}, events.Wrap(events.Transient, "door.Door", ctx.Err(),
			"the caller left before anything was written")
	}
}

// holding is what one body has of a budget.
type holding struct {
	budget      *budget
	who         string // the address that it comes from; "": from this process, which is not bounded by addresses
	large       bool   // it is known to become larger than a small body
	small, rest int64
}

// grow makes the holding one of at least n bytes, waiting for others to finish within the bound; else kind Transient.
func (h *holding) grow(ctx context.Context, n int64) error {
	if (h.large || n > largeBody) && h.rest < n {
		if err := h.budget.take(ctx, h.budget.rest, h.who, n-h.rest); err != nil {
			return err
		}
		h.rest = n
		h.budget.small.give(h.who, h.small)
		h.small = 0
		return nil
	}
	if h.rest == 0 && h.small < n {
		if err := h.budget.take(ctx, h.budget.small, h.who, n-h.small); err != nil {
			return err
		}
		h.small = n
	}
	return nil
}

// keep gives back what is beyond n bytes of the rest.
func (h *holding) keep(n int64) {
	if n < h.rest {
		h.budget.rest.give(h.who, h.rest-n)
		h.rest = n
	}
}

// release gives everything back, once or more often.
func (h *holding) release() {
	h.budget.small.give(h.who, h.small)
	h.budget.rest.give(h.who, h.rest)
	h.small, h.rest = 0, 0
}

func (b *budget) take(ctx context.Context, from *share, who string, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	if err := from.take(ctx, who, n); err != nil {
		return events.Wrap(events.Transient, "door.Door", err,
			"too many requests with large bodies are in flight; nothing was written, try again in a moment")
	}
	return nil
}

// share is a number of bytes that bodies take from and give back to. Who waits is served in turn; those whose address
// has its part already are passed over.
type share struct {
	mu      sync.Mutex
	free    int64
	each    int64 // that one address may have
	held    map[string]int64
	waiting []*waitingBody
}

type waitingBody struct {
	who   string
	n     int64
	given chan struct{}
}

func newShare(bytes, each int64) *share {
	return &share{free: bytes, each: each, held: make(map[string]int64)}
}

func (s *share) take(ctx context.Context, who string, n int64) error {
	w := &waitingBody{who: who, n: n, given: make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.serve()
	s.mu.Unlock()
	select {
	case <-w.given:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.serve() // what this one held up may fit
		return ctx.Err()
	}
	return nil // it was given meanwhile
}

func (s *share) give(who string, n int64) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	if s.held[who] -= n; s.held[who] == 0 {
		delete(s.held, who)
	}
	s.serve()
}

// serve gives to those who wait, as far as it goes. The lock is held.
func (s *share) serve() {
	full := false
	s.waiting = slices.DeleteFunc(s.waiting, func(w *waitingBody) bool {
		if full || w.who != "" && s.held[w.who]+w.n > s.each {
			return false
		}
		if full = w.n > s.free; full {
			return false
		}
		s.free -= w.n
		s.held[w.who] += w.n
		close(w.given)
		return true
	})
}
