package sqlite

import (
	"context"
	"database/sql"
	"sync"

	"binnacle/events/sqlitefile"
)

// reader runs statements on the readers of a file and keeps them prepared.
type reader struct {
	db *sql.DB

	mu       sync.Mutex
	prepared map[string]*statement
}

// statement is closed by the last of its users once it is not kept any more.
type statement struct {
	*sql.Stmt
	users   int
	dropped bool
}

// preparedBound is how many statements stay prepared, on each connection of the pool; all are given up when it is
// reached.
const preparedBound = 256

func newReader(db *sql.DB) *reader { return &reader{db: db, prepared: map[string]*statement{}} }

// Query runs a statement and calls row for each row.
func (r *reader) Query(ctx context.Context, text string, args []any, row func(scan func(...any) error) error) error {
	const op = "sqlite.Query"
	s, err := r.take(ctx, text)
	if err != nil {
		return sqlitefile.Classify(op, err)
	}
	defer r.giveBack(s)
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return sqlitefile.Classify(op, err)
	}
	defer func() { _ = rows.Close() }() // the error of the rows is told below
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return sqlitefile.Classify(op, err)
		}
	}
	return sqlitefile.Classify(op, rows.Err())
}

func (r *reader) take(ctx context.Context, text string) (*statement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.prepared[text]; s != nil {
		s.users++
		return s, nil
	}
	r.mu.Unlock()
	fresh, err := r.db.PrepareContext(ctx, text)
	r.mu.Lock()
	if err != nil {
		return nil, err
	}
	if len(r.prepared) >= preparedBound {
		r.dropAll()
	}
	s := r.prepared[text]
	if s == nil {
		s = &statement{Stmt: fresh}
		r.prepared[text] = s
	} else { // somebody was faster
		_ = fresh.Close() //nolint:sqlclosecheck // closed only here: elsewhere it is kept
	}
	s.users++
	return s, nil
}

func (r *reader) giveBack(s *statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.users--
	if s.dropped && s.users == 0 {
		_ = s.Close() // it only frees memory
	}
}

func (r *reader) dropAll() {
	for _, s := range r.prepared {
		s.dropped = true
		if s.users == 0 {
			_ = s.Close() // it only frees memory
		}
	}
	clear(r.prepared)
}

func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropAll()
}
