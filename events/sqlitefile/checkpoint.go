package sqlitefile

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

const (
	// walBound is the size of the write-ahead log, in bytes, above which the writer is held for as long as it takes to
	// start the log again from its beginning. Without that a busy writer lets it grow without end (2.4 GB were seen).
	walBound = 64 << 20
	// checkpointEvery is how long commits gather before their pages move from the write-ahead log into the database:
	// long enough that a page that many commits touch is moved once.
	checkpointEvery = 500 * time.Millisecond
)

// startKeeper runs the checkpoints beside the writer, on a connection of their own: the committer, which SQLite would
// have do it, never pays.
func (f *File) startKeeper() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.dirty = make(chan struct{}, 1)
	f.keeping.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-f.dirty:
			}
			pages, err := checkpoint(ctx, f.keeper, "PASSIVE")
			if err == nil && pages*f.pageSize > f.walBound {
				err = f.restart(ctx)
			}
			if err != nil && ctx.Err() == nil {
				f.logger.Warn("the SQLite write-ahead log was not moved into the database; it grows until that works", "file", f.path, "error", Classify("sqlitefile.checkpoint", err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(f.checkpointEvery):
			}
		}
	})
}

// restart moves the rest of the pages while the writer is held, so that the next commit writes to the beginning of the
// write-ahead log again. When a reader is in the way it is tried again after the next checkpoint.
func (f *File) restart(ctx context.Context) error {
	conn, err := f.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(writer any) error {
		if err := execRaw(ctx, writer, "PRAGMA busy_timeout=100"); err != nil { // writers wait meanwhile
			return err
		}
		err := execRaw(ctx, writer, "PRAGMA wal_checkpoint(RESTART)")
		return errors.Join(err, execRaw(context.WithoutCancel(ctx), writer, "PRAGMA busy_timeout=5000"))
	})
}

// checkpoint tells how many pages the write-ahead log holds, moved or not.
func checkpoint(ctx context.Context, db *sql.DB, mode string) (pages int64, err error) {
	var busy, moved int64
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &moved)
	return pages, err
}

func execRaw(ctx context.Context, connection any, statement string) error {
	_, err := connection.(driver.ExecerContext).ExecContext(ctx, statement, nil)
	return err
}
