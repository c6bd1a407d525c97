package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"binnacle/events"
)

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
const (
	codeError     = 1
	codePerm      = 3
	codeBusy      = 5
	codeLocked    = 6
	codeNoMemory  = 7
	codeReadOnly  = 8
	codeInterrupt = 9
	codeIO        = 10
	codeCorrupt   = 11
	codeFull      = 13
	codeCantOpen  = 14
	codeNotADB    = 26

	codeIOWrite = codeIO | 3<<8 // extended: a write beyond what a quota or a limit of the process allows; a disk with no room is codeFull
)

// Classify makes an *events.Error of an error that came from a file: the one place where the drivers translate SQLite's
// errors. An error that is one already, and nil, stay as they are.
func Classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *events.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return events.Wrap(events.Transient, op, err, "the call ended before the file was reached")
	}
	if errors.Is(err, sql.ErrTxDone) { // transactions end with their context
		return events.Wrap(events.Transient, op, err, "the call ended while SQLite worked on it")
	}
	if errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed" || err.Error() == "sql: statement is closed" {
		return events.Wrap(events.Transient, op, err, "the file is closed")
	}
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return events.Wrap(events.Internal, op, err, "the SQLite file cannot be used")
	}
	switch failed.Code() & 0xff {
	case codeError:
		if isTooLarge(failed) {
			return events.Wrap(events.TooCostly, op, err, "this asks for more in one statement than SQLite takes; ask with fewer alternatives")
		}
	case codeBusy, codeLocked:
		return events.Wrap(events.Transient, op, err, "the SQLite file is locked: another process writes to it; stop that process")
	case codeInterrupt:
		return events.Wrap(events.Transient, op, err, "the call ended while SQLite worked on it")
	case codeFull:
		return events.Wrap(events.Transient, op, err, "the disk of the SQLite file is full and nothing was written; free some space")
	case codeReadOnly, codePerm:
		return events.Wrap(events.Transient, op, err, "the SQLite file, or its folder, is read-only; let this user write to both")
	case codeCantOpen:
		return events.Wrap(events.Transient, op, err, "the SQLite file cannot be opened; see that the folder exists and this user may write to it")
	case codeNoMemory:
		return events.Wrap(events.Transient, op, err, "SQLite has run out of memory")
	case codeIO:
		if failed.Code() == codeIOWrite {
			return events.Wrap(events.Transient, op, err, "the disk refused a write to the SQLite file and nothing was written: a quota or a limit of the process is full, or the disk has failed; make room, or look at the system's log")
		}
		return events.Wrap(events.Transient, op, err, "the disk failed to read or write the SQLite file; look at the system's log")
	case codeCorrupt:
		return events.Wrap(events.Internal, op, err, "the SQLite file is damaged; restore it from a backup")
	case codeNotADB:
		return events.Wrap(events.Invalid, op, err, "the file is not a SQLite database; give another path or move that file away")
	}
	return events.Wrap(events.Internal, op, err, "SQLite refused a statement")
}

// isTooLarge tells whether a statement is beyond a limit of SQLite (https://www.sqlite.org/limits.html), which only its
// text tells.
func isTooLarge(failed *sqlite.Error) bool {
	return slices.ContainsFunc([]string{"Expression tree is too large", "parser stack overflow", "too many terms in compound SELECT", "too many SQL variables", "tables in a join"},
		func(limit string) bool { return strings.Contains(failed.Error(), limit) })
}

// isFull tells whether a write failed for want of room.
func isFull(err error) bool {
	var failed *sqlite.Error
	return errors.As(err, &failed) && (failed.Code()&0xff == codeFull || failed.Code() == codeIOWrite)
}

// classifyCommit is Classify for COMMIT. A page that could not be written to the write-ahead log leaves the transaction
// without its end there (https://www.sqlite.org/fileformat2.html#the_write_ahead_log: only frames up to a commit frame
// with a right checksum count), and SQLite has rolled it back. When the disk failed later than that the next opening of
// the file may find the transaction.
func classifyCommit(op string, err error) error {
	var failed *sqlite.Error
	if errors.As(err, &failed) && failed.Code()&0xff == codeIO && failed.Code() != codeIOWrite {
		return events.Wrap(events.Unknown, op, err, "the disk failed while the transaction was committed; it may or may not be in the file")
	}
	return Classify(op, err)
}
