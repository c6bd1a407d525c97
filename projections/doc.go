// Package projections says what is: the contracts of the two projections, [Blobs] and [Index], and their words.
//
// A projection is a cache of the log. Only functions.Project writes it, it can be dropped at any moment, and a replay of the log
// makes the same one again, down to the surrogate ids.
package projections
