// Package readapi is the outer door of a node: the Gin engine, its middleware, health and metrics. Gin lives here and
// nowhere else.
//
// It answers reads itself, in the FHIR dialect of package readapi/fhir, and hands writes to the http.Handler that it
// was given. It promises that every request gets an answer of the negotiated type, a failed one as an
// OperationOutcome that says what to do; that a panic becomes a 500 and a line in the operator's log; and that no
// detail of an internal error reaches a client.
package readapi
