// Package functions holds the verbs: [Write] asks, [Project] decides, [Rebuild] makes the projections again, [Heal]
// brings back content that a store has lost. The HTTP side of Write is package door; package verify compares what is with what happened.
//
// A function is a struct of what it needs and a Handle. Only Write appends to the log. Only Project and Rebuild decide what projections
// hold, with the same code. So projections are a function of the log: the same records give the same rows, ids and terms, whatever the
// batches they came in. Three others write projections and decide nothing: Sweep removes rows that searches see no more (ADR 38), Heal
// and verify put back contents that the blob store has lost (ADR 4). Nothing but the log and the projections holds state; what is kept
// here are caches.
package functions
