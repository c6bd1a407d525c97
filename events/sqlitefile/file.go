// Package sqlitefile opens the one SQLite file that holds the log, the blobs and the index of the standalone variant.
//
// The drivers share one handle, so that writers queue inside the process for the one writer that SQLite allows, readers
// never wait for writers (write-ahead log), and the write-ahead log stays bounded. It promises: what [File.Durable]
// committed survives a crash of the machine, and so does all that was committed before it; what [File.Relaxed]
// committed survives a crash of this process, and after a crash of the machine its latest transactions may be missing,
// never an earlier one alone. Drivers use database/sql; the SQLite library shows here and nowhere else.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite" // the database/sql driver "sqlite"

	"binnacle/events"
)

// File is an open file. Its methods are safe for concurrent use.
type File struct {
	// Write is the one connection that writes. Prefer Durable and Relaxed, which say how safe a transaction has to be;
	// a statement that is prepared here runs in their transactions by Tx.Stmt without being parsed again. Transactions
	// begin IMMEDIATE.
	Write *sql.DB
	// Read is a pool of connections that see what was committed when their statement, or their transaction, began. They
	// refuse to write. A reader that stays open for long keeps the write-ahead log from being reused: it grows
	// meanwhile.
	Read *sql.DB

	path            string
	identity        os.FileInfo // of the file that was opened
	temporary       string      // the folder to remove on Close; empty for a file that stays
	logger          *slog.Logger
	keeper          *sql.DB // the connection of the checkpoints
	dirty           chan struct{}
	wal             synced
	stop            func()
	keeping         sync.WaitGroup
	synchronous     level
	pageSize        int64 // of this file
	walBound        int64 // see the constants of these names
	checkpointEvery time.Duration
	closeOnce       sync.Once
	closeError      error

	starved atomic.Int64                 // when there was no room for a transaction of Relaxed, in nanoseconds of Unix time; 0: there was for the last one
	unsafe  atomic.Pointer[events.Error] // why nothing can be made durable any more
}

// level is a value of PRAGMA synchronous.
type level string

const (
	off    level = "OFF"
	normal level = "NORMAL"
)

// pageSize is the size of a database page in bytes, of files that are new. Small commits, which touch a row or two on
// each of many pages, would rather have SQLite's 4,096; searches in a large file would not: the pages above the leaves
// have to fit into the caches of the connections.
const pageSize = 8192

// Open opens the file at path and makes it, and its folder, when there is none. Only one process should write to it at
// a time; a second one waits up to 5 seconds for each transaction of the first.
func Open(path string, logger *slog.Logger) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, events.Wrap(events.Invalid, "sqlitefile.Open", err, "the path %s cannot be made absolute", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, events.Wrap(events.Invalid, "sqlitefile.Open", err, "the folder %s cannot be made; give a folder that this user may write to", filepath.Dir(path))
	}
	return open(&File{path: path, logger: logger, synchronous: normal, walBound: walBound, checkpointEvery: checkpointEvery})
}

// OpenMemory opens a file that is gone when it is closed, for tests and the memory variant: a file in the system's
// temporary folder that is never synced, so it lives in the page cache. It behaves as a file of Open in all but
// durability, which SQLite's own in-memory databases do not: their readers and writers exclude each other.
func OpenMemory(logger *slog.Logger) (*File, error) {
	folder, err := os.MkdirTemp("", "binnacle-memory-")
	if err != nil {
		return nil, events.Wrap(events.Transient, "sqlitefile.OpenMemory", err, "no temporary folder can be made")
	}
	return open(&File{path: filepath.Join(folder, "binnacle.db"), temporary: folder, logger: logger, synchronous: off, walBound: walBound, checkpointEvery: checkpointEvery})
}

func open(f *File) (*File, error) {
	const op = "sqlitefile.Open"
	libraryOnce()
	writer := []string{
		"busy_timeout(5000)", fmt.Sprintf("page_size(%d)", pageSize), "foreign_keys(0)", "wal_autocheckpoint(0)",
		fmt.Sprintf("journal_size_limit(%d)", f.walBound), fmt.Sprintf("cache_size(%d)", writerPages), "temp_store(MEMORY)", "synchronous(" + string(f.synchronous) + ")",
	}
	reader := []string{"busy_timeout(5000)", "foreign_keys(0)", fmt.Sprintf("cache_size(%d)", readerPages), "temp_store(MEMORY)", "query_only(1)"}
	keeper := []string{"busy_timeout(0)", "wal_autocheckpoint(0)", fmt.Sprintf("cache_size(%d)", keeperPages), "synchronous(" + string(f.synchronous) + ")"}
	for _, pool := range []struct {
		into    **sql.DB
		pragmas []string
		lock    string
		size    int
	}{{&f.Write, writer, "immediate", 1}, {&f.Read, reader, "deferred", readers()}, {&f.keeper, keeper, "deferred", 1}} {
		query := url.Values{"_pragma": pool.pragmas, "_txlock": {pool.lock}}
		if pool.into == &f.Write {
			vfs, err := writerVFS()
			if err != nil {
				return nil, err
			}
			if vfs != "" {
				query.Set("vfs", vfs)
			}
			query.Set("_journal_mode", "WAL") // the library does it after the pragmas, which it sorts: page_size has to come first
		}
		name := (&url.URL{Scheme: "file", Path: f.path, RawQuery: query.Encode()}).String()
		db, err := sql.Open("sqlite", name)
		if err == nil && pool.into == &f.Read {
			_ = db.Close() // it has opened nothing yet
			db = sql.OpenDB(readConnector{&sqlite.Driver{}, name})
		}
		if err == nil {
			db.SetMaxOpenConns(pool.size)
			db.SetMaxIdleConns(pool.size)
			err = db.Ping() // the writer first: it makes the file
		}
		if err != nil {
			_ = f.closeAll() // the error of opening is the one to tell
			return nil, f.named(op, err)
		}
		*pool.into = db
	}
	err := f.check(op)
	if err == nil {
		f.identity, err = os.Stat(f.path)
	}
	if err != nil {
		_ = f.closeAll()
		return nil, f.named(op, err)
	}
	f.startKeeper()
	return f, nil
}

// named is Classify for errors of opening, which tell the operator the file that is meant.
func (f *File) named(op string, err error) error {
	err = Classify(op, err)
	return events.Wrap(events.KindOf(err), op, err, "the file %s cannot be used", f.path)
}

// check refuses a file that another program has set up, and one that is damaged where every use begins.
func (f *File) check(op string) error {
	var mode string
	if err := f.Write.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil {
		return Classify(op, err)
	}
	if mode != "wal" {
		return events.Errorf(events.Invalid, op, "the file %s is in journal mode %q and cannot change to a write-ahead log; put it on a local file system", f.path, mode)
	}
	if err := f.Write.QueryRow("PRAGMA page_size").Scan(&f.pageSize); err != nil {
		return Classify(op, err)
	}
	var tables int
	return Classify(op, f.Write.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables))
}

// Path is the absolute path of the file.
func (f *File) Path() string { return f.path }

// starvedRest is how long after there was no room for what is made from the log nothing is added to the log. Who makes
// it tries again sooner.
const starvedRest = time.Second

// Durable runs fn in a transaction and returns when it survives a crash of the machine: the log's. Others see it before
// that, but what they write on it is never there without it. fn must not keep the transaction, and must not ask for
// another one. After an error nothing of it is in the file, except with kind Unknown: then the disk failed, and it may
// be. A disk that could not be synced once isn't trusted again: every later call fails until the file is opened anew.
// While the disk has no room for transactions of Relaxed, which are made from those of Durable, it has none for these:
// what the log takes and nobody can project would be of unknown outcome for its sender.
func (f *File) Durable(ctx context.Context, fn func(*sql.Tx) error) error {
	const op = "sqlitefile.Durable"
	if lost := f.unsafe.Load(); lost != nil {
		return events.Wrap(events.Transient, op, lost, "the disk has failed before; nothing was written")
	}
	if err := f.Usable(); err != nil {
		return err
	}
	if since := f.starved.Load(); since != 0 && time.Since(time.Unix(0, since)) < starvedRest {
		return events.Errorf(events.Transient, op, "the disk of the SQLite file is full, what was written before waits for room, and nothing was written; free some space")
	}
	if err := f.transact(ctx, op, fn); err != nil {
		return err
	}
	return f.sync(op)
}

// sync waits for the disk. The writer is free meanwhile: a connection of the level FULL would hold it.
func (f *File) sync(op string) error {
	if f.synchronous == off {
		return nil
	}
	err := f.moved()
	if err == nil {
		err = f.wal.sync(f.path + "-wal")
	}
	if err == nil {
		return nil
	}
	lost := events.Wrap(events.Unknown, op, err, "%s could not be synced to the disk; see that the disk works and the folder is where it was, and start the program again: what was written last may or may not be there", f.path)
	f.unsafe.Store(lost)
	return lost
}

// errReplaced says that another file lies at the path.
var errReplaced = errors.New("another file lies in its place")

// moved tells why the file that was opened is not the one at its path.
func (f *File) moved() error {
	now, err := os.Stat(f.path)
	if err == nil && !os.SameFile(now, f.identity) {
		err = errReplaced
	}
	return err
}

// Lost tells why nothing can be made durable until the program starts again and opens the file anew; nil: it can. It
// looks at the disk.
func (f *File) Lost() error {
	if lost := f.unsafe.Load(); lost != nil {
		return events.Wrap(events.Transient, "sqlitefile.Lost", lost.Err, "%s", lost.Text)
	}
	if err := f.moved(); errors.Is(err, errReplaced) {
		return events.Wrap(events.Transient, "sqlitefile.Lost", err, "%s is not the file any more that this program has opened: another one was put in its place; start the program again", f.path)
	}
	return nil
}

// Usable is Lost, and tells also of a file that is gone from its path for now.
func (f *File) Usable() error {
	if err := f.Lost(); err != nil {
		return err
	}
	if err := f.moved(); err != nil {
		return events.Wrap(events.Transient, "sqlitefile.Usable", err, "%s is gone: its folder was moved or deleted; bring it back, or start the program again to begin with what is there then; nothing was written", f.path)
	}
	return nil
}

// Relaxed is Durable without waiting for the disk: what can be made again from the log. With a context of
// [File.Joining] fn runs in that transaction.
func (f *File) Relaxed(ctx context.Context, fn func(*sql.Tx) error) error {
	const op = "sqlitefile.Relaxed"
	if j, joins := ctx.Value(joinedKey{}).(joined); joins && j.file == f {
		return Classify(op, fn(j.tx))
	}
	err := f.transact(ctx, op, fn)
	switch {
	case err == nil && f.starved.Load() != 0:
		f.starved.Store(0)
	case isFull(err):
		f.starved.Store(time.Now().UnixNano())
	}
	return err
}

// joined is an open transaction of a file.
type joined struct {
	file *File
	tx   *sql.Tx
}

type joinedKey struct{}

// Joining returns a context with which [File.Relaxed] takes part in a transaction of the file that is open, so that
// what belongs together costs one commit. It takes effect when that transaction commits. It is for the goroutine of the
// transaction.
func (f *File) Joining(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, joinedKey{}, joined{f, tx})
}

func (f *File) transact(ctx context.Context, op string, fn func(*sql.Tx) error) error {
	tx, err := f.Write.BeginTx(ctx, nil)
	if err != nil {
		return Classify(op, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing; after a panic it frees the writer
	if err := fn(tx); err != nil {
		return Classify(op, err)
	}
	if err := tx.Commit(); err != nil {
		return classifyCommit(op, err)
	}
	select {
	case f.dirty <- struct{}{}:
	default:
	}
	return nil
}

// Close ends the checkpoints and closes the file. Transactions that run are waited for by SQLite's own lock.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		f.stop()
		f.keeping.Wait()
		f.closeError = f.closeAll()
	})
	return f.closeError
}

func (f *File) closeAll() error {
	failed := []error{f.wal.close()}
	for _, db := range []*sql.DB{f.Read, f.keeper, f.Write} { // the writer last: it empties the write-ahead log
		if db != nil {
			failed = append(failed, db.Close())
		}
	}
	if f.temporary != "" {
		failed = append(failed, os.RemoveAll(f.temporary))
	}
	if err := errors.Join(failed...); err != nil {
		return Classify("sqlitefile.Close", err)
	}
	return nil
}
