package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"binnacle/events"
)

// Codes of PostgreSQL's errors (its documentation, appendix A); classes are the first two characters.
const (
	codeQueryCanceled     = "57014"
	codeUndefinedTable    = "42P01"
	codeUndefinedSchema   = "3F000"
	codeUndefinedDatabase = "3D000"
	codeNoPrivilege       = "42501"
	codeReadOnly          = "25006"
	codeDiskFull          = "53100"
	codeTooMany           = "53300"

	classConnection    = "08"
	classRollback      = "40" // serialization failures and deadlocks
	classAuthorization = "28"
	classResources     = "53"
	classBusy          = "55" // a lock is not to be had
	classIntervention  = "57" // shutting down, starting up
	classCorrupt       = "XX"
)

// classify makes an *events.Error of what the client or the server reports: the one place where Postgres' errors are
// translated. An error that is one already, and nil, stay as they are.
func classify(op string, err error) error {
	var known *events.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		kind, text := meaning(failed)
		return events.Wrap(kind, op, err, "%s", text)
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return events.Wrap(events.Transient, op, err, "the call ended before Postgres answered")
	case errors.As(err, &connecting):
		return events.Wrap(events.Transient, op, err, "Postgres cannot be reached; see that it runs and that the URL "+
			"names its host and port")
	case err.Error() == "closed pool":
		return events.Wrap(events.Transient, op, err, "the index is closed")
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), pgconn.SafeToRetry(err), strings.Contains(err.Error(), "conn closed"):
		return events.Wrap(events.Transient, op, err, "the connection to Postgres is lost")
	}
	return events.Wrap(events.Internal, op, err, "Postgres' answer cannot be used")
}

func meaning(e *pgconn.PgError) (events.Kind, string) {
	switch e.Code {
	case codeQueryCanceled:
		return events.Transient, "the call ended while Postgres worked on it"
	case codeUndefinedTable, codeUndefinedSchema:
		return events.Transient, "a generation of the index is gone: it was dropped meanwhile, or the installation was"
	case codeUndefinedDatabase:
		return events.Transient, "the Postgres database that the URL names does not exist; create it, or name another"
	case codeNoPrivilege:
		return events.Transient, "Postgres does not allow this user what the index needs; make the user the owner of " +
			"its schemas, and give it CREATE on the database"
	case codeReadOnly:
		return events.Transient, "Postgres is read-only (default_transaction_read_only is on, or it is a standby); " +
			"make it writable, or name the primary in the URL"
	case codeDiskFull:
		return events.Transient, "the disk of the Postgres server is full; free some space"
	case codeTooMany:
		return events.Transient, "Postgres has no connection left; give it more (max_connections), or the nodes " +
			"fewer (BINNACLE_POSTGRES_CONNECTIONS)"
	}
	switch e.Code[:min(2, len(e.Code))] {
	case classAuthorization:
		return events.Transient, "Postgres refuses the user or the password of the URL"
	case classConnection, classIntervention:
		return events.Transient, "Postgres is going down or coming up"
	case classRollback, classBusy, classResources:
		return events.Transient, "Postgres could not do this now"
	case classCorrupt:
		return events.Internal, "Postgres reports damage; look at its log, and rebuild the index"
	}
	return events.Internal, "Postgres refused a statement"
}

// asConfigured makes the errors of Open that no waiting would cure ones of kind Invalid.
func asConfigured(err error) error {
	var known *events.Error
	var failed *pgconn.PgError
	if errors.As(err, &known) && errors.As(err, &failed) {
		switch {
		case failed.Code == codeUndefinedDatabase, failed.Code == codeNoPrivilege,
			strings.HasPrefix(failed.Code, classAuthorization):
			return events.Wrap(events.Invalid, known.Op, known.Err, "%s", known.Text)
		}
	}
	return err
}

// spoils tells whether a connection is of no use after an error: its session is read-only and stays so, or the server
// ends it.
func spoils(e *pgconn.PgError) bool {
	switch class := e.Code[:min(2, len(e.Code))]; {
	case e.SeverityUnlocalized == "FATAL", e.SeverityUnlocalized == "PANIC", e.Code == codeReadOnly,
		class == classConnection:
		return true
	default:
		return class == classIntervention && e.Code != codeQueryCanceled
	}
}

// isReadOnlyError tells whether the server refused to write.
func isReadOnlyError(err error) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.Code == codeReadOnly
}

// isGone tells whether an error says that a table or its schema is not there.
func isGone(err error) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && (failed.Code == codeUndefinedTable || failed.Code == codeUndefinedSchema)
}

// isOverTime tells whether the server ended a statement because of its time.
func isOverTime(err error) bool {
	var failed *pgconn.PgError
	return errors.As(err, &failed) && failed.Code == codeQueryCanceled &&
		strings.Contains(failed.Message, "statement timeout")
}
