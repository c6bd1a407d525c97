package rest

import (
	"errors"
	"net/http"
	"strconv"

	"binnacle/events"
	"binnacle/events/fhir"
)

// answerOf is the one table from a kind of error to the HTTP status and the code of the value set issue-type. A kind that is not
// known is answered like Internal.
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

// IssueOf returns the issue that tells a client of an error: the text and the expression of the outermost [events.Error], never its
// cause. Of an Internal error it tells nothing but that it happened.
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
	return &Refusal{Err: events.Errorf(events.Unsupported, "rest.Table", "%.20s is not offered here; this place takes %s", method, allow), Status: http.StatusMethodNotAllowed, Allow: allow}
}

// OutcomeOf returns the HTTP status and the OperationOutcome that answer an error; see [IssueOf] for what is told.
func OutcomeOf(err error) (status int, body []byte) {
	status, _ = answerOf(events.KindOf(err))
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) && refusal.Status != 0 {
		status = refusal.Status
	}
	return status, fhir.OperationOutcome(IssueOf(err))
}

// retryAfter is how long a client should wait before it sends a request again that could not be answered now, in seconds. What stands in the
// way is looked at again several times a second.
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

// Write answers with a whole body, in FHIR's JSON unless another form was chosen before. An error says that the client has gone.
func Write(w http.ResponseWriter, status int, body []byte) error {
	header := w.Header()
	SetContentType(header)
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// SetContentType says what a body is, unless another JSON form was chosen before.
func SetContentType(header http.Header) {
	if len(header["Content-Type"]) == 0 {
		header["Content-Type"] = []string{ContentType}
	}
}
