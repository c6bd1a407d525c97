package events

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Limits of a batch that a follower delivers, and of one record.
const (
	BatchRecords = 1_000   // records
	BatchBytes   = 4 << 20 // bytes of values; a single larger record is a batch of its own
	// bytes of one record's value, after the codec's compression: a body of 64 MiB that does not compress, and what is
	// said of it
	RecordBytes = 72 << 20
)

// Log keeps events in order, durably. A driver promises:
//
//   - events of one tenant go to one partition and keep the order in which their Append calls returned;
//   - what Append acknowledged is there after a crash of this process, and of the machine;
//   - a reader sees every record once per pass, in offset order, with the bytes that were appended.
//
// Methods are safe for concurrent use. Errors are *Error: TooLarge for an event that no record can hold, Transient when
// the log cannot be reached and nothing was written, Unknown when an event may or may not be in the log.
type Log interface {
	// Append returns once every event is durable, with the position of each, in the order given. After an error some of
	// them may be in the log; appending the same events again is safe, because a repeated ID takes effect once.
	Append(ctx context.Context, events []Event) ([]Position, error)

	// Follow returns a Watermill subscriber of the log. Each message that it delivers is a batch: records of one
	// partition in offset order, read with [Records]. The next batch of a partition comes after the message before was
	// acked; a nack brings the same batch again. seek is asked where to start each time a partition is assigned.
	Follow(seek Seek) (Follower, error)

	// Replay calls handle with the records of from.Partition in [from.Offset, to), in batches, and returns when the
	// last was handled or handle fails. It disturbs no follower. Offsets that hold no record are passed over.
	Replay(ctx context.Context, from Position, to int64, handle func([]RawRecord) error) error

	// Ends tells, for every partition, the first offset still kept and the offset after the last record.
	Ends(ctx context.Context) ([]End, error)

	// Close releases what the driver holds. Followers end.
	Close() error
}

// End is the extent of one partition: records have offsets in [First, Next), and the next one will have Next or a
// higher one. Offsets behind the last record that hold none, and never will, don't count.
type End struct {
	Partition   int32
	First, Next int64
}

// Seek tells the offset of the first record wanted of a partition. An error ends the assignment; it is asked again.
type Seek func(ctx context.Context, partition int32) (int64, error)

// Follower is a subscription to the log. Subscribe ignores its topic argument: a log has one.
type Follower interface {
	message.Subscriber
	// Reseek makes the follower drop what it has fetched and ask seek again, for all its partitions. The message in
	// hand should be acked by its handler: acks move nothing that counts.
	Reseek()
}
