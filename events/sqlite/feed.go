package sqlite

import (
	"context"
	"database/sql"
	"sync/atomic"

	"binnacle/events"
	"binnacle/events/sqlitefile"
)

var _ events.Feed = (*Feed)(nil)

// feedSchema lies beside the log: what is dropped with an index is elsewhere. Data is the JSON of
// events.EncodeDecision, by the record's offset.
const feedSchema = `CREATE TABLE IF NOT EXISTS feed ("offset" INTEGER PRIMARY KEY, data BLOB NOT NULL)`

// Feed is the feed of decisions in a file, of the log's one partition.
type Feed struct {
	file   *sqlitefile.File
	closed atomic.Bool
	growth events.Growth

	last, insert *sql.Stmt // of the writer
	end, page    *sql.Stmt // of readers
}

// OpenFeed makes the feed's table when there is none. The file stays open when the feed is closed.
func OpenFeed(ctx context.Context, file *sqlitefile.File) (*Feed, error) {
	if err := file.Durable(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, feedSchema)
		return err
	}); err != nil {
		return nil, err
	}
	f := &Feed{file: file}
	if err := sqlitefile.Prepare(ctx, "sqlite.OpenFeed",
		sqlitefile.Statement{Into: &f.last, On: file.Write, Text: feedEnd},
		sqlitefile.Statement{Into: &f.insert, On: file.Write, Text: `INSERT INTO feed ("offset", data) VALUES (?, ?)`},
		sqlitefile.Statement{Into: &f.end, On: file.Read, Text: feedEnd},
		sqlitefile.Statement{Into: &f.page, On: file.Read, Text: `SELECT "offset", data FROM feed WHERE "offset" >= ? AND "offset" < ? ORDER BY "offset" LIMIT ?`},
	); err != nil {
		return nil, err
	}
	return f, nil
}

// DropFeed deletes the feed; OpenFeed makes an empty one.
func DropFeed(ctx context.Context, file *sqlitefile.File) error {
	return file.Durable(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DROP TABLE IF EXISTS feed`)
		return err
	})
}

func (f *Feed) check(ctx context.Context, op string, partition int32) error {
	switch {
	case f.closed.Load():
		return events.Errorf(events.Transient, op, "the feed is closed")
	case partition != 0:
		return events.Errorf(events.Invalid, op, "the feed has no partition %d", partition)
	case ctx.Err() != nil:
		return events.Wrap(events.Transient, op, ctx.Err(), "the call ended before it began")
	}
	return nil
}

// Publish is events.Feed.Publish: all of the decisions or none, in one transaction. Nothing comes between its look at
// the end and its rows.
func (f *Feed) Publish(ctx context.Context, decisions []events.Decision) error {
	const op = "sqlite.Publish"
	if err := events.CheckDecisions(decisions); err != nil || len(decisions) == 0 {
		return err
	}
	if err := f.check(ctx, op, decisions[0].Outcome.Position.Partition); err != nil {
		return err
	}
	values := make([][]byte, len(decisions))
	for i := range decisions {
		var err error
		if _, values[i], err = events.EncodeDecision(decisions[i]); err != nil {
			return err
		}
	}
	err := f.file.Durable(ctx, func(tx *sql.Tx) error {
		end := int64(0)
		if err := tx.Stmt(f.last).QueryRow().Scan(&end); err != nil {
			return err
		}
		insert := tx.Stmt(f.insert)
		for i := range decisions {
			if offset := decisions[i].Outcome.Position.Offset; offset >= end {
				if _, err := insert.Exec(offset, values[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		f.growth.Tell()
	}
	return err
}

const feedEnd = `SELECT coalesce(max("offset") + 1, 0) FROM feed`

// End is events.Feed.End.
func (f *Feed) End(ctx context.Context, partition int32) (end int64, err error) {
	const op = "sqlite.End"
	if err := f.check(ctx, op, partition); err != nil {
		return 0, err
	}
	return end, sqlitefile.Classify(op, f.end.QueryRowContext(ctx).Scan(&end))
}

// feedBatchBytes bounds the JSON that is read at once.
const feedBatchBytes = 4 << 20

// Decisions is events.Feed.Decisions. No statement stays open while handle works: a long read would keep the
// write-ahead log growing.
func (f *Feed) Decisions(ctx context.Context, from events.Position, to int64, handle func([]events.Decision) error) error {
	for from.Offset < to {
		batch, err := f.read(ctx, from, to)
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := handle(batch); err != nil {
			return err
		}
		from.Offset = batch[len(batch)-1].Outcome.Position.Offset + 1
	}
	return nil
}

func (f *Feed) read(ctx context.Context, from events.Position, to int64) ([]events.Decision, error) {
	const op = "sqlite.Decisions"
	if err := f.check(ctx, op, from.Partition); err != nil {
		return nil, err
	}
	rows, err := f.page.QueryContext(ctx, from.Offset, to, events.BatchRecords)
	if err != nil {
		return nil, sqlitefile.Classify(op, err)
	}
	defer func() { _ = rows.Close() }() // Err tells of failures
	var batch []events.Decision
	for size := 0; size < feedBatchBytes && rows.Next(); {
		var offset int64
		var data []byte
		if err := rows.Scan(&offset, &data); err != nil {
			return nil, sqlitefile.Classify(op, err)
		}
		d, err := events.DecodeDecision(data)
		if err != nil || d.Outcome.Position != (events.Position{Offset: offset}) {
			return nil, events.Wrap(events.Internal, op, err, "the decision at offset %d of the feed cannot be read", offset)
		}
		batch, size = append(batch, d), size+len(data)
	}
	return batch, sqlitefile.Classify(op, rows.Err())
}

// Follow is events.Feed.Follow.
func (f *Feed) Follow(ctx context.Context, from events.Position, handle func([]events.Decision) error) error {
	return events.FollowFeed(ctx, f, from, &f.growth, events.FeedLook, handle)
}

// Close ends the feed; the file stays open.
func (f *Feed) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	f.growth.Tell()
	return sqlitefile.CloseStatements("sqlite.Close", f.last, f.insert, f.end, f.page)
}
