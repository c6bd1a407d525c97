// Package functions holds the verbs: [Write] asks, [Project] decides, [Rebuild] makes the projections again, [Verify] compares what
// is with what happened, [Heal] brings back content that a store has lost.
//
// A function is a struct of what it needs and a Handle. Only Write appends to the log; only Project and Rebuild write projections, with
// the same deciding code, so projections are a function of the log: the same records give the same rows, ids and terms whatever the
// batches they came in. Nothing but the log and the projections holds state; what is kept here are caches.
package functions
