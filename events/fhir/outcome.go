package fhir

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
