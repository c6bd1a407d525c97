package sqlitefile

import (
	"context"
	"database/sql/driver"
	"reflect"
	"sync"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"binnacle/events"
)

// The library interrupts a statement only until its first row is there: one that then looks for the next row for a
// minute would go on for that long after its call has ended. Readers' connections are therefore wrapped: as long as
// rows are open, the end of the context interrupts SQLite.

// readConnector opens connections whose statements end with their contexts.
type readConnector struct {
	library *sqlite.Driver
	name    string
}

var _ driver.Connector = readConnector{}

func (c readConnector) Driver() driver.Driver { return c.library }

func (c readConnector) Connect(context.Context) (driver.Conn, error) {
	const op = "sqlitefile.Open"
	conn, err := c.library.Open(c.name)
	if err != nil {
		return nil, err
	}
	full, is := conn.(fullConn)
	handle := reflect.Indirect(reflect.ValueOf(conn)).FieldByName("db") // what sqlite3_open gave: the library has no other way to ask for it
	if !is || handle.Kind() != reflect.Uintptr || handle.Uint() == 0 {
		_ = conn.Close() // the error below is the one to tell
		return nil, events.Errorf(events.Internal, op, "the SQLite library is another one than this program was written for: its connections have no handle")
	}
	return &readConn{full, uintptr(handle.Uint())}, nil
}

// fullConn is what database/sql asks of a connection of the library.
type fullConn interface {
	driver.Conn
	driver.Pinger
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type readConn struct {
	fullConn
	handle uintptr // of SQLite; it is there for as long as the connection is
}

func (c *readConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &readStmt{s, c}, nil
}

func (c *readConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *readConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.fullConn.QueryContext(ctx, query, args)
	return c.ending(ctx, rows, err)
}

// ending makes rows end with a context.
func (c *readConn) ending(ctx context.Context, rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil || ctx.Done() == nil {
		return rows, err
	}
	r := &readRows{Rows: rows}
	r.stop = context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed { // else the connection may run another statement
			tls := libc.NewTLS() // that of the connection is in use
			defer tls.Close()
			sqlite3.Xsqlite3_interrupt(tls, c.handle)
		}
	})
	return r, nil
}

type readStmt struct {
	driver.Stmt
	conn *readConn
}

func (s *readStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	return s.conn.ending(ctx, rows, err)
}

func (s *readStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

type readRows struct {
	driver.Rows
	stop func() bool

	mu     sync.Mutex
	closed bool
}

func (r *readRows) Close() error {
	r.stop()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.Rows.Close()
}
