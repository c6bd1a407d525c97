package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"

	"binnacle/events"
	"binnacle/events/sqlitefile"
)

// buildLock is the exclusive right to build: the write lock of a small file beside the index, which the operating
// system takes away from a process that dies. The file names the holder for the others.
type buildLock struct {
	file *sqlitefile.File
	conn *sql.Conn
}

func takeBuildLock(ctx context.Context, path string, logger *slog.Logger) (*buildLock, error) {
	const op = "sqlite.Build"
	file, err := sqlitefile.Open(path+"-build", logger)
	if err != nil {
		return nil, err
	}
	lock := &buildLock{file: file}
	if lock.conn, err = file.Write.Conn(ctx); err == nil {
		err = lock.hold(ctx)
	}
	if err == nil {
		return lock, nil
	}
	err = sqlitefile.Classify(op, err)
	if events.KindOf(err) == events.Transient && ctx.Err() == nil {
		holder := "another process"
		_ = file.Read.QueryRowContext(ctx, "select name from holder").Scan(&holder) // it may not have said so yet
		err = events.Errorf(events.Conflict, op, "%s is building or dropping a generation; wait for it or stop it",
			holder)
	}
	_ = lock.release() // the error to tell is that of taking it
	return nil, err
}

// hold takes the write lock twice: to say who holds it, which takes a commit, and then for good.
func (l *buildLock) hold(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	for _, statement := range []string{
		"pragma busy_timeout = 0",
		"begin immediate",
		"create table if not exists holder (id integer primary key check (id = 1), name text not null)",
		"insert or replace into holder values (1, ?)",
		"commit",
		"begin immediate",
	} {
		var args []any
		if statement[0] == 'i' {
			args = []any{fmt.Sprintf("process %d on %s", os.Getpid(), host)}
		}
		if _, err := l.conn.ExecContext(ctx, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// release closes the file: with its connection the lock is gone.
func (l *buildLock) release() error {
	if l.conn != nil {
		_, _ = l.conn.ExecContext(context.Background(), "rollback") // fails when nothing was begun
		_ = l.conn.Close()
	}
	return l.file.Close()
}

// Builder names the process that has the exclusive right now.
func (g *Generations) Builder(ctx context.Context) (string, error) {
	if _, err := os.Stat(g.file.Path() + "-build"); err != nil {
		return "", nil // nobody has ever built here
	}
	file, err := sqlitefile.Open(g.file.Path()+"-build", g.logger)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	conn, err := file.Write.Conn(ctx)
	if err != nil {
		return "", sqlitefile.Classify("sqlite.Builder", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err = conn.ExecContext(ctx, "pragma busy_timeout = 0"); err == nil {
		if _, err = conn.ExecContext(ctx, "begin immediate"); err == nil {
			_, _ = conn.ExecContext(ctx, "rollback") // it was free
			return "", nil
		}
	}
	if err = sqlitefile.Classify("sqlite.Builder", err); events.KindOf(err) != events.Transient || ctx.Err() != nil {
		return "", err
	}
	holder := "another process"
	_ = file.Read.QueryRowContext(ctx, "select name from holder").Scan(&holder) // it may not have said so yet
	return holder, nil
}
