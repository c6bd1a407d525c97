// Package fhir holds the documents that events carry: resources, references, bundles and outcomes, as exact bytes.
//
// A document is parsed once into a tape ([Document]) and read through [Node]s; nothing is decoded until asked for, and nothing is
// ever printed again: what goes out is what came in, with a few bytes spliced. No HTTP lives here.
package fhir
