package sqlterms

import "binnacle/projections"

// The bits that a row's ref carries beside the Sid, which stands above them.
const (
	refBits  = 2
	smallest = 1 // this value is the smallest of its parameter in this version: an ascending order walks these rows
	largest  = 2 // the largest: a descending one does
)

// FirstSid is the Sid of a partition's first version.
func FirstSid(partition int32) int64 { return int64(partition)<<projections.SidBits + 1 }

// RefsOf are the first and the last ref of a version.
func RefsOf(sid int64) (first, last int64) { return sid << refBits, sid<<refBits | smallest | largest }

// snapshotOf is the snapshot whose first later ref is the one given.
func snapshotOf(before int64) int64 { return before>>refBits - 1 }
