// Package fhir is the FHIR R4 dialect of the reading doors: read, vread, search, capability
// statement, and the headers that belong to them.
//
// It promises four things:
//
//   - an answer is made of the exact bytes that were written, with id, versionId and lastUpdated spliced in;
//   - a search never widens: what cannot be answered is refused, or named in the answer and left out of the self link;
//   - every page of a search shows the state of the first page, however much is written meanwhile;
//   - a method that returns an error has written nothing, so that its caller can answer with the error.
//
// The reads know rest.Ask and rest.Answer, and a search by POST its request; routing, middleware and everything that
// is not FHIR stand in package readapi.
package fhir
