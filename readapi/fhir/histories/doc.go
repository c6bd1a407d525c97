// Package histories answers with versions: the history of a resource, as a page of a bundle that tells for each version
// what was asked and how it was answered (FHIR R4 http, 3.1.0.13).
//
// It promises that all pages of a history show the versions that were there when the first one was asked for.
package histories
