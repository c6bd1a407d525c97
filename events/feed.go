package events

import "context"

// Decision is what was decided about one record of the log: an outcome, or that the record is in quarantine.
type Decision struct {
	Outcome     Outcome // its Position is the record's; of a record in quarantine the rest is there as far as it could be read, without Results
	Quarantined string  // why the record is in quarantine; "" when it is not
}

// Feed keeps decisions for ever, in the order of the log and without gaps: the record of what the projector decided,
// for rebuilds that must not decide again, and for other programs (as JSON CloudEvents). It lies beside the log and
// never in what a rebuild may drop.
//
// A decision is known by its position. A crash between a commit and its feed makes the same decisions come again, and
// so does a projector that lost its partition and does not know it yet; whatever lies in the store, a reader sees each
// position once, ascending.
//
// Methods are safe for concurrent use. Errors are *Error, with the kinds of [Log].
type Feed interface {
	// Publish adds decisions of one partition, positions ascending. Those that the feed has already are passed over.
	// They are durable when it returns.
	Publish(ctx context.Context, decisions []Decision) error

	// End tells the offset after that of the last decision of a partition: records of the log from there on have no
	// recorded decision. 0: there is none.
	End(ctx context.Context, partition int32) (int64, error)

	// Decisions calls handle with the decisions on records in [from.Offset, to) of from.Partition, in batches, and
	// returns when the last was handled or handle fails.
	Decisions(ctx context.Context, from Position, to int64, handle func([]Decision) error) error

	// Follow calls handle with the decisions on records from a place on, in batches and in order, and goes on with
	// those that come: at once with those of this process, within a fraction of a second with those of others. It
	// returns when ctx ends (kind Transient), when handle fails, with its error, or when the feed does. Whoever follows
	// again from after the last decision that was handled misses none.
	Follow(ctx context.Context, from Position, handle func([]Decision) error) error

	// Close releases what the driver holds. It ends those who follow.
	Close() error
}
