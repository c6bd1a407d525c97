package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"binnacle/events"
	"binnacle/events/fhir/rest"
	"binnacle/functions"
	"binnacle/projections/fhir/form"
)

// serverFailed is the least status that says that the server failed.
const serverFailed = http.StatusInternalServerError

// answer answers the request of a job. While it can't be answered now it is tried again, for a bounded time: nobody
// else would do so. What the log has is waited for as long, and not sent again.
func (j *Jobs) answer(ctx context.Context, here *run) *recorder {
	deadline := time.Now().Add(j.Limits.Patience)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		said := j.once(ctx, here)
		if !said.again() || ctx.Err() != nil || time.Now().After(deadline) {
			return said
		}
		here.progress.Say("a part of the server is away; it is tried again")
		j.dropChunks(ctx, here.name, kindPart, here.Attempt, said.body.revisions)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// once answers the request of a job, whatever the answer is.
func (j *Jobs) once(ctx context.Context, here *run) *recorder {
	said := &recorder{header: http.Header{}, body: j.newChunks(ctx, here.name, kindPart, here.Attempt,
		j.Limits.AnswerBytes, j.Limits.answerLife())}
	body := j.readChunks(ctx, here.name, kindBody, 0, len(here.Request.Body))
	err := j.doubtful(here)
	if err == nil {
		err = j.serve(ctx, here, said, body)
	}
	switch {
	case events.KindOf(body.err) == events.NotFound:
		err = events.Wrap(events.Gone, op, body.err,
			"the body of the request is not kept any more, so it can't be answered; send the request again")
	case body.err != nil && !errors.Is(body.err, io.EOF):
		err = events.Wrap(events.Transient, op, body.err, "the body of the request can't be read now")
	case events.KindOf(said.body.err) == events.TooCostly:
		err = events.Errorf(events.TooCostly, op, "the answer has more than %d bytes, which is the most that is kept; "+
			"ask for less at once. What the request has written stands", j.Limits.AnswerBytes)
	case said.body.err != nil:
		err = said.body.err
	}
	if err == nil {
		err = j.close(ctx, here, said)
	}
	if err != nil {
		if events.KindOf(err) == events.Internal && ctx.Err() == nil {
			j.Logger.Error("a job failed", "method", here.Request.Method, "path", here.Request.Path, "request",
				here.Request.Header.Get("X-Request-Id"), "job", here.name.id, "cause", err)
		}
		j.refuse(ctx, here, said, err)
	}
	return said
}

// refuse makes an error the answer, in place of what was answered until then.
func (j *Jobs) refuse(ctx context.Context, here *run, said *recorder, err error) {
	j.dropChunks(ctx, here.name, kindPart, here.Attempt, said.body.revisions)
	said.header, said.status, said.begins = http.Header{}, 0, nil
	said.body = j.newChunks(ctx, here.name, kindPart, here.Attempt, 1<<62, j.Limits.answerLife())
	rest.Refuse(said, err)
	said.unkept = said.body.close()
}

// close keeps the last of an answer. A content that is not in JSON becomes JSON: it stands in a bundle.
func (j *Jobs) close(ctx context.Context, here *run, said *recorder) error {
	said.WriteHeader(http.StatusOK)
	first := form.Of([]byte{said.body.first})
	if said.body.length == 0 || first == form.InJSON {
		return said.body.close()
	}
	body := said.body
	content, err := io.ReadAll(io.MultiReader(j.readChunks(ctx, here.name, kindPart, here.Attempt,
		len(body.revisions)), bytes.NewReader(body.gathered)))
	if err != nil {
		return err
	}
	j.dropChunks(ctx, here.name, kindPart, here.Attempt, body.revisions)
	said.body = j.newChunks(ctx, here.name, kindPart, here.Attempt, j.Limits.AnswerBytes, j.Limits.answerLife())
	if content, err = form.JSON(content); err == nil {
		_, err = said.body.Write(content)
	}
	if err != nil {
		return err
	}
	return said.body.close()
}

// doubtful refuses to begin a write anew whose first outcome the log may not know any more: it could be made twice.
func (j *Jobs) doubtful(here *run) error {
	if here.Attempt == 1 || !here.Request.writes() || j.Now().Sub(here.Began) < j.KeyWindow*9/10 {
		return nil
	}
	return events.Errorf(events.Unknown, op, "the request was begun at %s and broken off, and that is too long ago to "+
		"begin it anew without the danger to do it twice; it may have taken effect, in part or in full",
		here.Began.Format(time.RFC3339))
}

// writes tells whether a request may change something.
func (q *request) writes() bool {
	return q.Method != http.MethodGet && q.Method != http.MethodHead && !strings.HasSuffix(q.Path, "/_search")
}

// serve answers a request by the row that answers it at once, too. An error is its refusal.
func (j *Jobs) serve(ctx context.Context, here *run, said *recorder, body *chunkReader) (err error) {
	asked := &here.Request
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if aborted, is := cause.(error); !is || !errors.Is(aborted, http.ErrAbortHandler) { // then the door has told
			j.Logger.Error("the row of a job has panicked", "method", asked.Method, "path", asked.Path, "job",
				here.name.id, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		}
		err = events.Errorf(events.Internal, op, "the answer was broken off")
	}()
	row, at, err := j.Table().Find(asked.Method, asked.Path)
	if err != nil {
		return err
	}
	header := asked.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Accept", rest.AcceptsResource)
	if asked.writes() && header.Get("Idempotency-Key") == "" {
		header.Set("Idempotency-Key", `"async-`+here.name.id+`"`)
	}
	r := (&http.Request{Method: asked.Method, URL: &url.URL{Path: j.Base + asked.Path, RawQuery: asked.Query},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Host: asked.Host, Body: body,
		ContentLength: asked.Length}).WithContext(functions.WithOutcomeWait(rest.WithProgress(ctx, here.progress),
		j.Limits.Patience))
	return row.Serve(said, r, &rest.Ask{Place: at, Query: asked.Query, Tenant: asked.Tenant, Root: asked.Root,
		ContentType: rest.ContentType, Accepts: rest.AcceptsResource, Prefer: asked.Prefer, Unawaited: asked.Unawaited, Later: true})
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int    // 0: nothing was said
	begins []byte // of the body, its first bytes
	body   *chunks
	unkept error // why the answer itself could not be kept
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *recorder) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if missing := len(outcomeBegins) - len(a.begins); missing > 0 {
		a.begins = append(a.begins, data[:min(missing, len(data))]...)
	}
	return a.body.Write(data)
}

// outcomeBegins is how the outcomes of this server begin.
const outcomeBegins = `{"resourceType":"OperationOutcome"`

// again tells whether the same request will do later.
func (a *recorder) again() bool {
	return a.unkept != nil || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout ||
		a.status == http.StatusConflict && a.header.Get("Retry-After") != ""
}

// answer is what is kept of it.
func (a *recorder) answer() *answer {
	said := &answer{Status: a.status, ETag: a.header.Get("ETag"), Location: a.header.Get("Location"),
		Outcome: a.status >= http.StatusBadRequest || string(a.begins) == outcomeBegins, Length: a.body.length, Body: a.body.revisions}
	if modified, err := http.ParseTime(a.header.Get("Last-Modified")); err == nil {
		said.Modified = modified
	}
	return said
}
