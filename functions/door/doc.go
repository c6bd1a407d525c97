// Package door is the HTTP side of package write: create, update and delete with their conditional forms, batches and
// transactions (FHIR R4, http.html).
//
// It promises that a request is checked as far as it can be before anything is appended: its body, its form, the
// references that it can resolve, its conditions. What only the order of the log can tell stands in the event. An
// answer tells what the projector decided, and an error what to do. Bodies in flight share a bounded memory.
package door
