package fhir

import (
	"errors"
	"net/http"
	"strconv"

	"binnacle/events"
	documents "binnacle/events/fhir"
)

// retryAfter is how long a client should wait after a Transient failure, in seconds.
const retryAfter = "1"

// Refusal is an error with an HTTP status of its own, where its kind alone does not say it (405, 406, 415).
type Refusal struct {
	Status int
	Err    *events.Error
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// NotAcceptable is the refusal of a client that accepts no JSON.
func NotAcceptable() error {
	return &Refusal{Status: http.StatusNotAcceptable, Err: events.Errorf(events.Unsupported, "fhir.Negotiate",
		"this server answers in JSON of FHIR 4.0: accept application/fhir+json, or give _format=json")}
}

// Refuse answers with an OperationOutcome for an error.
func (d *Door) Refuse(w http.ResponseWriter, err error) {
	status, body := documents.OutcomeOf(err)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		status = refusal.Status
	}
	header := w.Header()
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", ContentType)
	}
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", retryAfter)
	}
	header["Cache-Control"] = d.revalidate
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: there is nobody left to tell
}

// outcome is the entry that tells what was dropped from a search, and how it was answered if that was asked; nil when there is
// nothing to tell.
func (s *search) outcome(plan string) []byte {
	var issues []documents.Issue
	for _, dropped := range s.parsed.Issues {
		issues = append(issues, documents.Issue{Severity: documents.SeverityWarning, Code: documents.IssueCodeOf(dropped.Kind), Diagnostics: dropped.Text})
	}
	if s.parsed.Query.Explain {
		issues = append(issues, documents.Issue{Severity: documents.SeverityInformation, Code: "informational", Diagnostics: plan})
	}
	if len(issues) == 0 {
		return nil
	}
	return documents.OperationOutcome(issues...)
}
