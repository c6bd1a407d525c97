// Package reads holds every read of an index that is no search ([Reads]): states and current versions, history,
// outcomes and decisions, what refers to a resource, what an audit compares, what a sweep removes; and what the
// drivers refuse in the same words.
//
// Rows of superseded versions are swept from term, span and text; version and closed keep theirs, in Postgres without
// the keys. Who sweeps first sets the position's horizon to the earliest snapshot that will be whole, and deletes
// when the searches that began before it have ended: an earlier snapshot is refused with kind Gone. A search from the
// horizon on sees no version that is swept, but between two of its statements rows may disappear: what one statement
// has counted must not be set off against what another one finds.
//
// It promises that each method answers as of one moment: one statement, or rows that are only ever inserted.
package reads
