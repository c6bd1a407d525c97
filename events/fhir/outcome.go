package fhir

import (
	"errors"

	"binnacle/events"
)

// Issue is one issue of an OperationOutcome (FHIR R4, operationoutcome.html).
type Issue struct {
	Severity    string // fatal, error, warning or information; empty: error
	Code        string // of the value set issue-type: invalid, not-found, …
	Diagnostics string // for people; left out when empty
	Expression  string // the FHIRPath of the place; left out when empty
}

// Severities of an [Issue].
const (
	SeverityFatal       = "fatal"
	SeverityError       = "error"
	SeverityWarning     = "warning"
	SeverityInformation = "information"
)

// OperationOutcome writes issues, of which FHIR wants one at least, as a resource in JSON.
func OperationOutcome(issues ...Issue) []byte {
	dst := []byte(`{"resourceType":"OperationOutcome","issue":[`)
	for i, issue := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		if issue.Severity == "" {
			issue.Severity = SeverityError
		}
		dst = AppendString(append(dst, `{"severity":`...), issue.Severity)
		dst = AppendString(append(dst, `,"code":`...), issue.Code)
		if issue.Diagnostics != "" {
			dst = AppendString(append(dst, `,"diagnostics":`...), issue.Diagnostics)
		}
		if issue.Expression != "" {
			dst = append(AppendString(append(dst, `,"expression":[`...), issue.Expression), ']')
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// answerOf is the one table from a kind of error to the HTTP status and the code of the value set issue-type. A kind that is not
// known is answered like Internal.
func answerOf(kind events.Kind) (status int, code string) {
	switch kind {
	case events.Invalid:
		return 400, "invalid"
	case events.NotFound:
		return 404, "not-found"
	case events.Gone:
		return 410, "deleted"
	case events.Conflict:
		return 409, "conflict"
	case events.Precondition:
		return 412, "conflict"
	case events.Ambiguous:
		return 412, "multiple-matches"
	case events.TooLarge:
		return 413, "too-long"
	case events.TooCostly:
		return 422, "too-costly"
	case events.Unsupported:
		return 400, "not-supported"
	case events.Transient:
		return 503, "transient"
	case events.Unknown:
		return 504, "timeout"
	case events.Reused:
		return 422, "business-rule"
	}
	return 500, "exception"
}

// StatusOf returns the HTTP status that answers an error of this kind.
func StatusOf(kind events.Kind) int {
	status, _ := answerOf(kind)
	return status
}

// IssueCodeOf returns the issue code (value set issue-type) of an error of this kind.
func IssueCodeOf(kind events.Kind) string {
	_, code := answerOf(kind)
	return code
}

// IssueOf returns the issue that tells a client of an error: the text and the expression of the outermost [events.Error], never its
// cause. Of an Internal error it tells nothing but that it happened.
func IssueOf(err error) Issue {
	kind := events.KindOf(err)
	status, code := answerOf(kind)
	issue := Issue{Severity: SeverityError, Code: code, Diagnostics: kind.String()}
	var e *events.Error
	switch {
	case status == 500:
		issue.Severity = SeverityFatal
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

// OutcomeOf returns the HTTP status and the OperationOutcome that answer an error; see [IssueOf] for what is told.
func OutcomeOf(err error) (status int, body []byte) {
	return StatusOf(events.KindOf(err)), OperationOutcome(IssueOf(err))
}
