package sqlterms

import (
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// FirstSid is the Sid of a partition's first version.
func FirstSid(partition int32) int64 { return int64(partition)<<projections.SidBits + 1 }

// Bit is the written form of a truth value.
func Bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// CheckCommit holds a commit against the stored position, inside its transaction. Kind Conflict: someone else has advanced.
func CheckCommit(c projections.Commit, next, nextSid int64) error {
	const op = "index.Commit"
	if next != c.Expect {
		return events.Errorf(events.Conflict, op, "partition %d stands at offset %d and not at %d: another projector has advanced; read the state again", c.Partition, next, c.Expect)
	}
	if c.Next < c.Expect {
		return events.Errorf(events.Internal, op, "a commit of partition %d goes back from offset %d to %d", c.Partition, c.Expect, c.Next)
	}
	for i := range c.Rows {
		if c.Rows[i].Sid != nextSid+int64(i) {
			return events.Errorf(events.Internal, op, "row %d of a commit has Sid %d in place of %d", i, c.Rows[i].Sid, nextSid+int64(i))
		}
	}
	return nil
}

// LedgerCollision is the refusal of a type whose key another one has: the two could see each other's resources.
func LedgerCollision(l LedgerRow) error {
	return events.Errorf(events.Internal, "index.Commit", "the type %s of tenant %q has the same key %d in the index as another; rename the tenant", l.Type, l.Tenant, l.Key)
}

// Moved is the refusal of a commit that was based on another generation's state.
func Moved(based, live int) error {
	return events.Errorf(events.Conflict, "index.Commit", "generation %d is live and not %d, which the state came from; read the state again", live, based)
}

// Paused is the refusal of a commit to a generation that is about to be replaced.
func Paused() error {
	return events.Errorf(events.Transient, "index.Commit", "a rebuilt generation is about to take over; commits wait until it has")
}

// Lapsed is the refusal of a switch that came after its pause had run out.
func Lapsed(number int) error {
	return events.Errorf(events.Conflict, "index.Switch", "the pause before the switch to generation %d has run out, and the live one may have gone on; catch up and switch again", number)
}

// Rebound is the refusal of a call in terms of a catalog that the live generation does not have.
func Rebound(generation int) error {
	return events.Errorf(events.Transient, "index.Bound", "the search parameters are changing: generation %d is live and has others; ask again", generation)
}

// NoDefinitions is the answer when nothing was kept of a catalog.
func NoDefinitions(catalog string) error {
	return events.Errorf(events.NotFound, "index.Definitions", "the index has kept no definitions of the search parameters %.12s", catalog)
}

// NotOld is the refusal to go on with a generation that is not old.
func NotOld(number int, state string) error {
	if state == "" {
		return events.Errorf(events.NotFound, "index.Reopen", "there is no generation %d", number)
	}
	return events.Errorf(events.Conflict, "index.Reopen", "generation %d is %s; only an old one can take over again", number, state)
}

// DefaultTimeout is how long a search may take when the configuration says nothing.
const DefaultTimeout = 10 * time.Second

// Timeout is the configured one or the default.
func Timeout(configured time.Duration) time.Duration {
	if configured <= 0 {
		return DefaultTimeout
	}
	return configured
}

// OverTime is the refusal of a search that took too long.
func OverTime(err error, limit time.Duration) error {
	return events.Wrap(events.TooCostly, op, err, "the search took longer than %s; narrow it by a more selective parameter, or sort by fewer", limit)
}
