// Package project decides: it turns the records of the log, in their order, into versions, search terms, blobs and
// outcomes.
//
// It promises that what it makes is a function of the records of a partition alone, whatever the batches they came in;
// that a record takes effect once, however often it is delivered; that of two projectors on one partition one wins; and
// that a record that can't be projected goes to quarantine and the next one is served.
//
// A [Projector] follows the log with a [Line] for each partition. A rebuild has lines of its own.
package project
