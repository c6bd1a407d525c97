package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"binnacle/infra/load"
)

// loader sends the requests of one measurement. It runs on the machine that it measures, so it is lean: a client of
// net/http takes as much of the processor for a small request as the server that answers.
type loader struct {
	client *fasthttp.Client
	base   string // of the FHIR API, no slash at the end
}

func newLoader(base string, clients int) *loader {
	return &loader{base: base, client: &fasthttp.Client{
		Name: "binnacle-bench", MaxConnsPerHost: clients, ReadTimeout: 5 * time.Minute, WriteTimeout: time.Minute, ReadBufferSize: 64 << 10, DisablePathNormalizing: true,
	}}
}

// Close gives up the connections.
func (l *loader) Close() { l.client.CloseIdleConnections() }

// Perform sends one request and what follows on it.
func (l *loader) Perform(ctx context.Context, b benchRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(l.base + b.Path)
	request.Header.SetMethod(b.Method)
	if b.Body != nil {
		request.Header.SetContentType("application/fhir+json")
		if b.Method == http.MethodPatch {
			request.Header.SetContentType("application/json-patch+json")
		}
		if b.Type != "" {
			request.Header.SetContentType(b.Type)
		}
		request.Header.Set("Prefer", "return=minimal")
		request.SetBodyRaw(b.Body)
	}
	if b.Later {
		request.Header.Set("Prefer", "respond-async, return=minimal")
	}
	if err := l.client.Do(request, response); err != nil {
		return err
	}
	body, status := response.Body(), response.StatusCode()
	switch {
	case status >= 300:
		return fmt.Errorf("%s %s: %s", b.Method, b.Path, load.Reason(strconv.Itoa(status)+" "+http.StatusText(status), body))
	case b.Later && status == http.StatusAccepted:
		return l.fetch(ctx, string(response.Header.Peek("Content-Location")))
	case b.Want != "" && !bytes.Contains(body, []byte(b.Want)):
		return fmt.Errorf("%s %s: %q is not in the answer", b.Method, b.Path, b.Want)
	case b.Then != nil:
		return l.Perform(ctx, b.Then(string(response.Header.Peek("Location"))))
	}
	return nil
}

// fetch waits for an answer that is fetched later, reads it and gives it back.
func (l *loader) fetch(ctx context.Context, at string) error {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(at)
	for ; ; time.Sleep(time.Millisecond) {
		if err := l.client.Do(request, response); err != nil {
			return err
		}
		if status := response.StatusCode(); status != http.StatusAccepted {
			if status != http.StatusOK || bytes.Contains(response.Body(), []byte(`"outcome":{"resourceType":"OperationOutcome"`)) {
				return fmt.Errorf("GET %s: %s", at, load.Reason(strconv.Itoa(status), response.Body()))
			}
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	request.Header.SetMethod(http.MethodDelete)
	return l.client.Do(request, response)
}
