package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"binnacle/events"
	"binnacle/events/fhir"
)

// Names of headers of this server's own, and of one that is none of HTTP's yet.
const (
	// on answers: a place in the log that the answer has reached; of a write its own
	HeaderPosition    = "Binnacle-Position"
	HeaderMinPosition = "Binnacle-Min-Position" // on reads: the place that the answer must have reached
	// "true": references need not lead to something (an import may ask for it)
	HeaderAllowDangling = "Binnacle-Allow-Dangling"
	// "log": a write is answered when it is in the log, and nobody waits for its outcome (an import may ask for it)
	HeaderAcknowledge = "Binnacle-Acknowledge"
	// "true": the outcome is that of an earlier request with the same Idempotency-Key
	HeaderReplayed = "Idempotent-Replayed"
	// on writes: a Provenance of what they write, as JSON in one line (FHIR R4, provenance.html#header)
	HeaderProvenance = "X-Provenance"
	// on deletes: [ParamCascade] as a header, as HAPI FHIR has it
	HeaderCascade = "X-Cascade"
	// of the bytes of a Binary: the reference that is its securityContext (FHIR R4, binary.html)
	HeaderSecurityContext = "X-Security-Context"
	// on answers: where that Provenance is
	HeaderProvenanceMade = "Binnacle-Provenance"
)

// SetPosition tells a place in the log that an answer has reached.
func SetPosition(header http.Header, position events.Position) {
	header[HeaderPosition] = []string{position.String()}
}

// SetVersion tells which version an answer is about, by the version's [ETagOf].
func SetVersion(header http.Header, etag string, modified time.Time) {
	header["Etag"] = []string{etag}
	header["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
}

var revalidated = []string{"private, no-cache"} // shared by all answers, and never written to

// Revalidate makes caches ask again: Last-Modified alone would let them, a browser's too, guess how long an answer is
// good, and some refusals are cached as well (RFC 9111, 4.2.2).
func Revalidate(header http.Header) { header["Cache-Control"] = revalidated }

// ETagOf is the entity tag of a version: W/"3" (FHIR R4 http, 3.1.0.2). It is weak because one version has several
// representations (compressed, another JSON content type).
func ETagOf(version int64) string {
	buffer := make([]byte, 0, 24)
	buffer = append(buffer, `W/"`...)
	buffer = strconv.AppendInt(buffer, version, 10)
	buffer = append(buffer, '"')
	return string(buffer)
}

// Read answers a read: it begins the answer, or returns an error and has set fields of the answer at the most.
type Read func(ctx context.Context, ask *Ask, answer *Answer) error

// Answer is where a [Read] puts what it answers. Fields that are set before the answer begins, or an error is
// returned, are told.
type Answer struct {
	ETag     string
	Modified time.Time // of the version that the answer is about; zero: it is about none
	Reached  events.Position
	Known    bool     // Reached counts
	Links    []string // as a Link header has them (RFC 8288)
	out      sink
}

// sink takes an answer.
type sink interface {
	io.Writer
	head()
	begin(status, length int)
}

// Begin begins the answer; what is written then is its body. length is that of the body in bytes; negative: not
// known, or there is none.
func (a *Answer) Begin(status, length int) io.Writer {
	a.out.begin(status, length)
	return a.out
}

// Head tells what is known of the answer where somebody else begins it: by HTTP its headers are set.
func (a *Answer) Head() { a.out.head() }

// Whole is an answer with status 200 and a body that is at hand, which may be used again afterwards.
func (a *Answer) Whole(body []byte) {
	_, _ = a.Begin(http.StatusOK, len(body)).Write(body) // the client has gone: there is nobody left to tell
}

// NotModified is the answer that the client's copy is good.
func (a *Answer) NotModified() { a.Begin(http.StatusNotModified, -1) }

// overHTTP is a read by HTTP.
type overHTTP struct {
	answer Answer
	w      http.ResponseWriter
}

// Reading makes the function of a [Row] of a read.
func Reading(read Read) func(w http.ResponseWriter, r *http.Request, ask *Ask) error {
	return func(w http.ResponseWriter, r *http.Request, ask *Ask) error { return ReadHTTP(w, r, ask, read) }
}

// ReadHTTP answers a request by a read.
func ReadHTTP(w http.ResponseWriter, r *http.Request, ask *Ask, read Read) error {
	if err := ask.readHeaders(r.Header); err != nil {
		return err
	}
	h := &overHTTP{w: w}
	h.answer.out = h
	err := read(r.Context(), ask, &h.answer)
	if err != nil {
		h.head()
	}
	return err
}

// head writes what is told beside the body.
func (h *overHTTP) head() {
	header := h.w.Header()
	if h.answer.ETag != "" {
		SetVersion(header, h.answer.ETag, h.answer.Modified)
	}
	if h.answer.Known {
		SetPosition(header, h.answer.Reached)
	}
	if len(h.answer.Links) > 0 {
		header["Link"] = h.answer.Links
	}
}

func (h *overHTTP) begin(status, length int) {
	h.head()
	header := h.w.Header()
	Revalidate(header)
	if length >= 0 {
		header["Content-Length"] = []string{strconv.Itoa(length)}
	}
	if status == http.StatusNotModified {
		delete(header, "Content-Type")
	} else {
		SetContentType(header)
	}
	h.w.WriteHeader(status)
}

func (h *overHTTP) Write(data []byte) (int, error) { return h.w.Write(data) }

// answerOf is the one table from a kind of error to the HTTP status and the code of the value set issue-type. A kind
// that is not known is answered like Internal.
func answerOf(kind events.Kind) (status int, code string) {
	switch kind {
	case events.Invalid:
		return http.StatusBadRequest, "invalid"
	case events.NotFound:
		return http.StatusNotFound, "not-found"
	case events.Gone:
		return http.StatusGone, "deleted"
	case events.Conflict:
		return http.StatusConflict, "conflict"
	case events.Precondition:
		return http.StatusPreconditionFailed, "conflict"
	case events.Ambiguous:
		return http.StatusPreconditionFailed, "multiple-matches"
	case events.TooLarge:
		return http.StatusRequestEntityTooLarge, "too-long"
	case events.TooCostly:
		return http.StatusUnprocessableEntity, "too-costly"
	case events.Unsupported:
		return http.StatusBadRequest, "not-supported"
	case events.Transient:
		return http.StatusServiceUnavailable, "transient"
	case events.Unknown:
		return http.StatusGatewayTimeout, "timeout"
	case events.Unprocessable:
		return http.StatusUnprocessableEntity, "processing"
	case events.Reused:
		return http.StatusUnprocessableEntity, "business-rule"
	}
	return http.StatusInternalServerError, "exception"
}

// IssueCodeOf returns the issue code (value set issue-type) of an error of this kind.
func IssueCodeOf(kind events.Kind) string {
	_, code := answerOf(kind)
	return code
}

// IssueOf returns the issue that tells a client of an error: the text and the expression of the outermost
// [events.Error], never its cause. Of an Internal error it tells nothing but that it happened.
func IssueOf(err error) fhir.Issue {
	kind := events.KindOf(err)
	status, code := answerOf(kind)
	issue := fhir.Issue{Severity: fhir.SeverityError, Code: code, Diagnostics: kind.String()}
	var e *events.Error
	switch {
	case status == http.StatusInternalServerError:
		issue.Severity = fhir.SeverityFatal
		issue.Diagnostics = "The server failed; its log tells more."
	case errors.As(err, &e):
		if e.Text != "" {
			issue.Diagnostics = e.Text
		}
		issue.Expression = e.Expression
	default: // a context that ended
		issue.Diagnostics = "The request took too long or was given up; try it again."
	}
	return issue
}

// Refusal is an error with what only HTTP knows of it.
type Refusal struct {
	Err    *events.Error
	Status int    // where the kind alone does not say it (405, 406, 415); 0: it does
	Allow  string // of a 405: the methods that are offered
	Retry  bool   // the same request will do later: the answer tells when, as every 503 does
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// Refused makes a [Refusal] with a status of its own.
func Refused(status int, kind events.Kind, op, format string, args ...any) error {
	return &Refusal{Err: events.Errorf(kind, op, format, args...), Status: status}
}

// NotAllowed is the refusal of a method where others are offered (RFC 9110, 15.5.6).
func NotAllowed(method, allow string) error {
	return &Refusal{Err: events.Errorf(events.Unsupported, "rest.Table",
		"%.20s is not offered here; this place takes %s", method, allow), Status: http.StatusMethodNotAllowed,
		Allow: allow}
}

// Relocate gives an error another place, and leaves the one that it was made from as it is.
func Relocate(err error, move func(expression string) string) error {
	switch e := err.(type) { //nolint:errorlint // the error itself is made anew: one in a wrapper would lose it
	case *Refusal:
		refusal, moved := *e, *e.Err
		moved.Expression = move(moved.Expression)
		refusal.Err = &moved
		return &refusal
	case *events.Error:
		moved := *e
		moved.Expression = move(moved.Expression)
		return &moved
	}
	return err
}

// OutcomeOf returns the HTTP status and the OperationOutcome that answer an error; see [IssueOf] for what is told.
func OutcomeOf(err error) (status int, body []byte) {
	status, _ = answerOf(events.KindOf(err))
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) && refusal.Status != 0 {
		status = refusal.Status
	}
	return status, fhir.OperationOutcome(IssueOf(err))
}

// retryAfter is how long a client should wait before it sends a request again that could not be answered now, in
// seconds. What stands in the way is looked at again several times a second.
const retryAfter = "1"

// Refuse answers with an OperationOutcome for an error, and returns the status.
func Refuse(w http.ResponseWriter, err error) (status int) {
	status, body := OutcomeOf(err)
	header := w.Header()
	retry := status == http.StatusServiceUnavailable
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		if refusal.Allow != "" {
			header.Set("Allow", refusal.Allow)
		}
		retry = retry || refusal.Retry
	}
	if retry {
		header.Set("Retry-After", retryAfter)
	}
	Revalidate(header)
	_ = Write(w, status, body) // the client has gone: there is nobody left to tell
	return status
}

// Write answers with a whole body, in FHIR's JSON unless another form was chosen before. An error says that the
// client has gone.
func Write(w http.ResponseWriter, status int, body []byte) error {
	header := w.Header()
	SetContentType(header)
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// SetContentType says what a body is, unless another form was chosen before.
func SetContentType(header http.Header) {
	if len(header["Content-Type"]) == 0 {
		header["Content-Type"] = []string{ContentType}
	}
}
