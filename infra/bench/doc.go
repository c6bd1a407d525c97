// Package bench measures: a FHIR server over HTTP, and the index by itself. It makes the data for both.
package bench
