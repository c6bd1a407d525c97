package keys

import "binnacle/projections"

// The bits that a row's ref carries beside the Sid, which stands above them.
const (
	RefBits  = 2
	Smallest = 1 // this value is the smallest of its parameter in this version: an ascending order walks these rows
	Largest  = 2 // the largest: a descending one does
)

// FirstSid is the Sid of a partition's first version.
func FirstSid(partition int32) int64 { return int64(partition)<<projections.SidBits + 1 }

// RefsOf are the first and the last ref of a version.
func RefsOf(sid int64) (first, last int64) { return sid << RefBits, sid<<RefBits | Smallest | Largest }

// SnapshotOf is the snapshot whose first later ref is the one given.
func SnapshotOf(before int64) int64 { return before>>RefBits - 1 }
