// Package memory keeps a log in the memory of this process, for tests and for trying things out.
//
// It holds every record until the process ends and is bounded by nothing but the machine's memory: it is not for
// production. What it acknowledges survives nothing; all other promises of the contract hold.
package memory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"binnacle/events"
)

var (
	_ events.Log        = (*Log)(nil)
	_ events.Prober     = (*Log)(nil)
	_ events.Identifier = (*Log)(nil)
)

// Log is a log in memory.
type Log struct {
	logger *slog.Logger
	id     string

	mu         sync.RWMutex
	partitions [][]events.RawRecord // the records of each partition; a record's index is its offset
	appended   chan struct{}        // closed and replaced by each append
	followers  []*events.PullFollower
	closed     bool
}

// Open makes an empty log of one partition or more. A tenant's partition is [events.PartitionOf].
func Open(partitions int32, logger *slog.Logger) *Log {
	return &Log{logger: logger, id: uuid.NewString(), partitions: make([][]events.RawRecord, max(1, partitions)), appended: make(chan struct{})}
}

// Append is events.Log.Append. Either all of the events are appended or none.
func (l *Log) Append(ctx context.Context, batch []events.Event) ([]events.Position, error) {
	if err := ctx.Err(); err != nil {
		return nil, events.Wrap(events.Transient, "memory.Append", err, "the call ended before anything was written")
	}
	records := make([]events.RawRecord, len(batch))
	for i, event := range batch {
		headers, value, err := events.Encode(event)
		if err != nil {
			return nil, err
		}
		records[i] = events.RawRecord{Key: []byte(event.Tenant), Headers: headers, Value: value}
		records[i].Position.Partition = events.PartitionOf(event.Tenant, int32(len(l.partitions)))
	}
	return l.write(records)
}

// AppendRaw appends a record as it is, with the partition that its position names; offset and time are given by the
// log. It is for tests of what follows the log: no event is checked.
func (l *Log) AppendRaw(record events.RawRecord) (events.Position, error) {
	positions, err := l.write([]events.RawRecord{record})
	if err != nil {
		return events.Position{}, err
	}
	return positions[0], nil
}

func (l *Log) write(records []events.RawRecord) ([]events.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, events.Errorf(events.Transient, "memory.Append", "the log is closed; nothing was written")
	}
	positions := make([]events.Position, len(records))
	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	for i, record := range records {
		partition := &l.partitions[record.Position.Partition]
		record.Position.Offset = int64(len(*partition))
		record.Time = now
		if n := len(*partition); n > 0 && (*partition)[n-1].Time.After(now) { // the clock was set back: append time is not
			record.Time = (*partition)[n-1].Time
		}
		*partition = append(*partition, record)
		positions[i] = record.Position
	}
	close(l.appended)
	l.appended = make(chan struct{})
	return positions, nil
}

// Follow is events.Log.Follow.
func (l *Log) Follow(seek events.Seek) (events.Follower, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, events.Errorf(events.Transient, "memory.Follow", "the log is closed")
	}
	follower := events.NewFollower(source{l}, seek, l.logger)
	l.followers = append(l.followers, follower)
	return follower, nil
}

// Replay is events.Log.Replay.
func (l *Log) Replay(ctx context.Context, from events.Position, to int64, handle func([]events.RawRecord) error) error {
	return events.ReplaySource(ctx, source{l}, from, to, handle)
}

// Ends is events.Log.Ends.
func (l *Log) Ends(context.Context) ([]events.End, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, events.Errorf(events.Transient, "memory.Ends", "the log is closed")
	}
	ends := make([]events.End, len(l.partitions))
	for i, partition := range l.partitions {
		ends[i] = events.End{Partition: int32(i), Next: int64(len(partition))}
	}
	return ends, nil
}

// Identity is events.Identifier.Identity.
func (l *Log) Identity(context.Context) (events.Identity, error) {
	return events.Identity{Log: l.id, Partitions: int32(len(l.partitions))}, nil
}

// Health is events.Prober.Health.
func (l *Log) Health(ctx context.Context) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return events.Errorf(events.Transient, "memory.Health", "the log is closed")
	}
	for _, follower := range l.followers {
		if err := follower.Health(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close is events.Log.Close.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	followers := l.followers
	l.followers = nil
	l.mu.Unlock()
	for _, follower := range followers {
		if err := follower.Close(); err != nil {
			return err
		}
	}
	return nil
}

// source shows a follower the inside of the log.
type source struct{ *Log }

func (s source) Appended() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.appended
}

func (s source) Read(_ context.Context, from events.Position) ([]events.RawRecord, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if from.Partition < 0 || int(from.Partition) >= len(s.partitions) {
		return nil, events.Errorf(events.Invalid, "memory.Read", "the log has no partition %d", from.Partition)
	}
	partition := s.partitions[from.Partition]
	if from.Offset < 0 || from.Offset >= int64(len(partition)) {
		return nil, nil
	}
	rest := partition[from.Offset:]
	n := events.BatchLength(rest)
	return rest[:n:n], nil // records never change once they are in
}
