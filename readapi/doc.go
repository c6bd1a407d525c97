// Package readapi is the outer door of a node: the Gin engine, its middleware, health and metrics. Gin lives here and
// nowhere else.
//
// Its routes are the rows of one table: reads are those of package readapi/fhir, and the rows of writes are given to
// it. request.go is the way of every request. The package promises that every request gets an answer of the negotiated
// type, a failed one as an OperationOutcome that says what to do; that a panic becomes a 500 and a line in the
// operator's log; and that no detail of an internal error reaches a client.
package readapi
