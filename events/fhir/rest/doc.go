// Package rest is FHIR R4 over HTTP as all doors speak it: which status answers which error, preferences, entity tags and
// preconditions, the bodies of requests, positions in headers, the base URL that a client sees, the tenant in a path, and
// the content type of an answer.
//
// It promises that a rule of HTTP stands in one place. It knows requests and answers, and nothing of what is asked.
package rest
