package rows

import (
	"binnacle/events"
	"binnacle/projections"
)

// Bit is the written form of a truth value.
func Bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// CheckCommit holds a commit against the stored position, inside its transaction. Kind Conflict: someone else has
// advanced.
func CheckCommit(c projections.Commit, next, nextSid int64) error {
	const op = "index.Commit"
	if next != c.Expect {
		return events.Errorf(events.Conflict, op,
			"partition %d stands at offset %d and not at %d: another projector has advanced; read the state again",
			c.Partition, next, c.Expect)
	}
	if c.Next < c.Expect {
		return events.Errorf(events.Internal, op, "a commit of partition %d goes back from offset %d to %d",
			c.Partition, c.Expect, c.Next)
	}
	for i := range c.Rows {
		if c.Rows[i].Sid != nextSid+int64(i) {
			return events.Errorf(events.Internal, op, "row %d of a commit has Sid %d in place of %d", i,
				c.Rows[i].Sid, nextSid+int64(i))
		}
	}
	return nil
}

// LedgerCollision is the refusal of a type whose key another one has: the two could see each other's resources.
func LedgerCollision(l LedgerRow) error {
	return events.Errorf(events.Internal, "index.Commit",
		"the type %s of tenant %q has the same key %d in the index as another; rename the tenant", l.Type, l.Tenant,
		l.Key)
}
