package fhir

import (
	documents "binnacle/events/fhir"
	"binnacle/events/fhir/rest"
)

// outcome is the entry that tells what was dropped from a search, and how it was answered if that was asked; nil when there is
// nothing to tell.
func (s *search) outcome(plan string) []byte {
	var issues []documents.Issue
	for _, dropped := range s.parsed.Issues {
		issues = append(issues, documents.Issue{Severity: documents.SeverityWarning, Code: rest.IssueCodeOf(dropped.Kind), Diagnostics: dropped.Text})
	}
	if s.parsed.Query.Explain {
		issues = append(issues, documents.Issue{Severity: documents.SeverityInformation, Code: "informational", Diagnostics: plan})
	}
	if len(issues) == 0 {
		return nil
	}
	return documents.OperationOutcome(issues...)
}
