// Package sqlite keeps a log of one partition in a table of a SQLite file: the log of the standalone variant.
//
// Calls of Append that wait at the same time share one transaction and one sync of the disk. A record's offset is its
// row id, from 0 on without gaps. Followers are told of appends inside the process; those of another process are seen
// within 250 ms.
package sqlite

import (
	"context"
	"database/sql"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"binnacle/events"
	"binnacle/events/sqlitefile"
)

var (
	_ events.Log        = (*Log)(nil)
	_ events.Prober     = (*Log)(nil)
	_ events.Identifier = (*Log)(nil)
)

// schema of the log. Append time is in milliseconds of Unix time; headers are in the form of encodeHeaders, NULL when
// there are none.
const schema = `CREATE TABLE IF NOT EXISTS log (
	"offset" INTEGER PRIMARY KEY,
	time     INTEGER NOT NULL,
	key      BLOB,
	headers  BLOB,
	value    BLOB
);
CREATE TABLE IF NOT EXISTS log_identity (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)`

// ends asks for both ends apart: SQLite looks up one min or max in the index, and scans the table for the two together.
const ends = `SELECT coalesce((SELECT min("offset") FROM log), 0), coalesce((SELECT max("offset") + 1 FROM log), 0)`

// pollEvery bounds how late the append of another process is seen.
const pollEvery = 250 * time.Millisecond

// Log is the log in a file.
type Log struct {
	file   *sqlitefile.File
	logger *slog.Logger
	insert *sql.Stmt
	last   *sql.Stmt
	read   *sql.Stmt
	ends   *sql.Stmt
	queue  *queue
	tail   *tail
	unsafe atomic.Int64 // offset of the first record that may not survive a crash of the machine, and that nobody is shown; MaxInt64: all do

	mu        sync.Mutex
	appended  chan struct{} // closed and replaced when there may be news
	followers []*events.PullFollower
	closed    bool
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// Open makes the log's table when there is none. The file stays open when the log is closed: others use it too.
func Open(ctx context.Context, file *sqlitefile.File, logger *slog.Logger) (*Log, error) {
	const op = "sqlite.Open"
	if err := file.Durable(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO log_identity (one, id) VALUES (1, ?)`, uuid.NewString())
		return err
	}); err != nil {
		return nil, err
	}
	l := &Log{file: file, logger: logger, appended: make(chan struct{}), queue: &queue{news: make(chan struct{}, 1)}, tail: newTail()}
	l.unsafe.Store(math.MaxInt64)
	if err := sqlitefile.Prepare(ctx, op,
		sqlitefile.Statement{Into: &l.insert, On: file.Write, Text: `INSERT INTO log ("offset", time, key, headers, value) VALUES (?, ?, ?, ?, ?)`},
		sqlitefile.Statement{Into: &l.last, On: file.Write, Text: `SELECT "offset", time FROM log ORDER BY "offset" DESC LIMIT 1`},
		sqlitefile.Statement{Into: &l.read, On: file.Read, Text: `SELECT "offset", time, key, headers, value, key IS NOT NULL, value IS NOT NULL FROM log WHERE "offset" >= ? ORDER BY "offset" LIMIT ?`},
		sqlitefile.Statement{Into: &l.ends, On: file.Read, Text: ends},
	); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.running.Go(l.commitAll)
	l.running.Go(func() { l.poll(running) })
	return l, nil
}

// Append is events.Log.Append. Either all of the events are appended or none.
func (l *Log) Append(ctx context.Context, batch []events.Event) ([]events.Position, error) {
	rows := make([]row, len(batch))
	for i, event := range batch {
		headers, value, err := events.Encode(event)
		if err != nil {
			return nil, err
		}
		rows[i] = row{key: []byte(event.Tenant), headers: encodeHeaders(headers), value: value, named: headers}
	}
	return l.write(ctx, rows)
}

// Follow is events.Log.Follow.
func (l *Log) Follow(seek events.Seek) (events.Follower, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, closedError("sqlite.Follow")
	}
	follower := events.NewFollower(following{source{l}}, seek, l.logger)
	l.followers = append(l.followers, follower)
	return follower, nil
}

// Replay is events.Log.Replay.
func (l *Log) Replay(ctx context.Context, from events.Position, to int64, handle func([]events.RawRecord) error) error {
	return events.ReplaySource(ctx, source{l}, from, to, handle)
}

// Ends is events.Log.Ends.
func (l *Log) Ends(ctx context.Context) ([]events.End, error) {
	end := events.End{}
	err := l.ends.QueryRowContext(ctx).Scan(&end.First, &end.Next)
	if err != nil {
		return nil, sqlitefile.Classify("sqlite.Ends", err)
	}
	end.Next = min(end.Next, l.unsafe.Load()) // as it is after the look: what was seen was told unsafe before
	return []events.End{end}, nil
}

// Identity is events.Identifier.Identity: a random id that was given when the file got its log.
func (l *Log) Identity(ctx context.Context) (events.Identity, error) {
	identity := events.Identity{Partitions: 1}
	err := l.file.Read.QueryRowContext(ctx, `SELECT id FROM log_identity`).Scan(&identity.Log)
	return identity, sqlitefile.Classify("sqlite.Identity", err)
}

// Health is events.Prober.Health.
func (l *Log) Health(ctx context.Context) error {
	l.mu.Lock()
	followers, closed := l.followers, l.closed
	l.mu.Unlock()
	if closed {
		return closedError("sqlite.Health")
	}
	if err := l.file.Usable(); err != nil {
		return err
	}
	for _, follower := range followers {
		if err := follower.Health(ctx); err != nil {
			return err
		}
	}
	_, err := l.Ends(ctx)
	return err
}

// Close ends followers, and appends once those that wait are committed. The file stays open.
func (l *Log) Close() error {
	l.mu.Lock()
	closed, followers := l.closed, l.followers
	l.closed, l.followers = true, nil
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.queue.close()
	l.stop()
	l.running.Wait()
	for _, follower := range followers {
		if err := follower.Close(); err != nil {
			return err
		}
	}
	return sqlitefile.CloseStatements("sqlite.Close", l.insert, l.last, l.read, l.ends)
}

func closedError(op string) error {
	return events.Errorf(events.Transient, op, "the log is closed; nothing was written")
}

// announce wakes everyone who waits for news.
func (l *Log) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.appended)
	l.appended = make(chan struct{})
}

// poll sees the appends of other processes.
func (l *Log) poll(ctx context.Context) {
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	next := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		ends, err := l.Ends(ctx)
		if err != nil {
			continue // whoever reads or writes tells of it
		}
		if ends[0].Next != next {
			next = ends[0].Next
			l.tail.reach(next)
			l.announce()
		}
	}
}

// timeOf reads an append time.
func timeOf(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }

// source shows who replays the inside of the log.
type source struct{ *Log }

func (s source) Appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appended
}

func (s source) Read(ctx context.Context, from events.Position) ([]events.RawRecord, error) {
	const op = "sqlite.Read"
	if from.Partition != 0 {
		return nil, events.Errorf(events.Invalid, op, "the log has no partition %d", from.Partition)
	}
	rows, err := s.read.QueryContext(ctx, from.Offset, events.BatchRecords)
	if err != nil {
		return nil, sqlitefile.Classify(op, err)
	}
	defer func() { _ = rows.Close() }() // Err tells of failures
	var batch events.Batch
	for rows.Next() {
		var record events.RawRecord
		var milliseconds int64
		var headers []byte
		var hasKey, hasValue bool
		if err := rows.Scan(&record.Position.Offset, &milliseconds, &record.Key, &headers, &record.Value, &hasKey, &hasValue); err != nil {
			return nil, sqlitefile.Classify(op, err)
		}
		if hasKey && record.Key == nil { // the SQLite library gives an empty value as none
			record.Key = []byte{}
		}
		if hasValue && record.Value == nil {
			record.Value = []byte{}
		}
		record.Time = timeOf(milliseconds)
		if record.Headers, err = decodeHeaders(headers); err != nil {
			return nil, events.Wrap(events.Internal, op, err, "the record %s has headers that cannot be read", record.Position)
		}
		if !batch.Add(record) {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return nil, sqlitefile.Classify(op, err)
	}
	unsafe := s.unsafe.Load()
	return slices.DeleteFunc(batch.Records, func(r events.RawRecord) bool { return r.Position.Offset >= unsafe }), nil
}
