// Package rest is FHIR R4 over HTTP as all doors speak it. Its files follow a request: what it asks (request.go,
// preferences.go, conditional.go), its body, the row of the table that answers it, what an answer is made of, and the
// same answer for an entry of a bundle (entry.go).
//
// It promises that a rule of HTTP stands in one place. It knows requests and answers, and nothing of what is asked.
package rest
