// Package functions holds the verbs. The large ones are rooms of their own:
//
//   - write asks: it appends events to the log. door is its HTTP side.
//   - project decides: it makes versions of events.
//   - rebuild makes the projections again from the log.
//   - verify compares what is with what happened.
//
// The small verbs stand here, with the words that the rooms share: Publish and Follow (the feed), Sweep, Fit, Heal,
// Quarantine.
//
// A function is a struct of what it needs and a Handle. Only write appends to the log. Only project decides what
// projections hold, and a rebuild decides with its code. So projections are a function of the log: the same records
// give the same rows, ids and terms, whatever the batches they came in. Three others write projections and decide
// nothing: Sweep removes rows that searches see no more (ADR 38), Heal and verify put back contents that the blob store
// has lost (ADR 4). Nothing but the log, the projections and the memos beside them (ADR 68) holds state; what is kept
// here are caches.
package functions
