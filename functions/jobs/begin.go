package jobs

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/events/fhir/rest"
	"binnacle/projections"
)

// headers are those of a request that decide what is done, beside what its row names. Who sent it is not among them.
var headers = []string{"Content-Type", "Content-Encoding", "If-Match", "If-None-Match", "If-None-Exist",
	"If-Modified-Since", "Idempotency-Key", rest.HeaderAllowDangling, rest.HeaderMinPosition, rest.HeaderProvenance,
	rest.HeaderSecurityContext, rest.HeaderCascade, "X-Request-Id"}

// Begin makes a job of a request to a row that is Long, and answers with the address of the job. What is wrong by the
// form of the request is answered as ever. Kind Transient with status 429: the tenant has too many jobs.
func (j *Jobs) Begin(w http.ResponseWriter, r *http.Request, ask *rest.Ask, row *rest.Row) error {
	ctx := r.Context()
	of, err := newName(cmp.Or(ask.Tenant, j.Tenant))
	if err != nil {
		return err
	}
	if err := j.admit(ctx, of.tenant); err != nil {
		return err
	}
	body := j.newChunks(ctx, of, kindBody, 0, 1<<62, 2*j.Limits.openLife()) // longer than the job, which needs it
	formed := false
	defer func() {
		if !formed {
			j.dropChunks(context.WithoutCancel(ctx), of, kindBody, 0, body.revisions)
		}
	}()
	refused, err := check(w, r, ask, row, body)
	if err != nil {
		return err
	}
	if refused != nil {
		refused.send(w)
		return nil
	}
	if err := body.close(); err != nil {
		return err
	}
	if err := j.take(ctx, of, j.requestOf(r, ask, row, body)); err != nil {
		return err
	}
	formed = true
	j.poke(of)
	header := w.Header()
	header.Set("Content-Location", ask.Root+path+of.id)
	header.Set("Preference-Applied", "respond-async")
	rest.Revalidate(header)
	_ = rest.Write(w, http.StatusAccepted, told("The request is taken, and will be answered. GET the address in "+
		"Content-Location for its progress and its answer; DELETE it when the answer is wanted no more."))
	return nil
}

// told is an OperationOutcome that tells how things are.
func told(text string) []byte {
	return fhir.OperationOutcome(fhir.Issue{Severity: fhir.SeverityInformation, Code: "informational",
		Diagnostics: text})
}

// admit refuses a tenant that has too many jobs. Several nodes may each admit the last one.
func (j *Jobs) admit(ctx context.Context, tenant string) error {
	waiting, answers, bytes := 0, 0, int64(0)
	if err := j.each(ctx, kindOpen, tenant, func(name, projections.Memo) bool {
		waiting++
		return waiting < j.Limits.Open
	}); err != nil {
		return err
	}
	if waiting >= j.Limits.Open {
		return tooMany("%d requests wait for their answers already; wait for some of them", waiting)
	}
	var broken error
	if err := j.each(ctx, kindKept, tenant, func(_ name, memo projections.Memo) bool {
		one := kept{}
		broken = decode(memo.Value, &one)
		answers, bytes = answers+1, bytes+one.Bytes
		return broken == nil && answers < j.Limits.Kept
	}); err != nil || broken != nil {
		return cmp.Or(err, broken)
	}
	if answers >= j.Limits.Kept || bytes >= j.Limits.KeptBytes {
		return tooMany("%d answers with %d bytes are kept already; DELETE the addresses of those that were read",
			answers, bytes)
	}
	return nil
}

func tooMany(format string, args ...any) error {
	return &rest.Refusal{Err: events.Errorf(events.Transient, op, format, args...),
		Status: http.StatusTooManyRequests, Retry: true}
}

// check refuses what is wrong by its form. The body is kept as it is read.
func check(w http.ResponseWriter, r *http.Request, ask *rest.Ask, row *rest.Row, body *chunks) (*refusal, error) {
	read := *r
	if r.Body != nil {
		read.Body = tee{io.TeeReader(r.Body, body), r.Body}
	}
	said := &refusal{header: w.Header().Clone()}
	if err := row.Form(said, &read, ask); err != nil {
		return nil, err
	}
	if said.status >= http.StatusBadRequest {
		return said, nil
	}
	return nil, nil
}

// tee is a body that is kept as it is read.
type tee struct {
	io.Reader
	io.Closer
}

// refusal is what a row writes when it refuses a form.
type refusal struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (f *refusal) Header() http.Header { return f.header }

func (f *refusal) WriteHeader(status int) {
	if f.status == 0 {
		f.status = status
	}
}

func (f *refusal) Write(data []byte) (int, error) { return f.body.Write(data) }

// send gives the refusal to the client.
func (f *refusal) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), f.header)
	w.WriteHeader(f.status)
	_, _ = w.Write(f.body.Bytes()) // the client has gone: there is nobody left to tell
}

// requestOf is what is kept of a request.
func (j *Jobs) requestOf(r *http.Request, ask *rest.Ask, row *rest.Row, body *chunks) request {
	kept := request{Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, j.Base), Query: r.URL.RawQuery,
		Header: http.Header{}, Host: r.Host, Root: ask.Root, Tenant: ask.Tenant, Prefer: ask.Prefer,
		Unawaited: ask.Unawaited, Length: body.length, Body: body.revisions}
	kept.Prefer.Async = false
	for _, name := range append(slices.Clip(headers), row.About.Headers...) {
		if name == "Prefer" { // it was read
			continue
		}
		if lines := r.Header.Values(name); len(lines) > 0 {
			kept.Header[http.CanonicalHeaderKey(name)] = lines
		}
	}
	return kept
}

// take keeps a job. It is durable when take returns without an error.
func (j *Jobs) take(ctx context.Context, of name, asked request) error {
	now := j.Now().UTC()
	life := j.Limits.openLife()
	revision, err := j.keep(ctx, of, kindJob, 0, job{Request: asked, Asked: now}, life, false)
	if err != nil {
		return err
	}
	// The last one is durable, and all before it with it. Whoever finds it finds the job.
	waiting := open{Method: asked.Method, Path: asked.Path, Asked: now}
	if _, err := j.keep(ctx, of, kindOpen, 0, waiting, life, true); err != nil {
		j.dropped(j.Memos.Forget(context.WithoutCancel(ctx), of.memo(kindJob), revision))
		return err
	}
	return nil
}
