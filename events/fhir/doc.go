// Package fhir holds the documents that events carry: resources, references, bundles and outcomes, as exact bytes.
//
// A document is parsed once into a tape ([Document]) and read through [Node]s; nothing is decoded until asked for,
// and nothing is ever printed again: what goes out is what came in, with a few bytes spliced ([Stamp], [Splice]).
// What comes in is checked as JSON ([Parse]), as a resource by its frame ([ResourceOf]) and as a bundle by its frame
// ([ParseBundle]); what the elements of a type are, the catalog knows. Errors name line and column or the FHIRPath of
// the place, and carry no more than a few bytes of a client's data. Of HTTP it knows nothing: that is package rest.
package fhir
