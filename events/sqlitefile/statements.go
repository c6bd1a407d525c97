package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
)

// Statement is one that a driver keeps prepared.
type Statement struct {
	Into **sql.Stmt
	On   *sql.DB // Write or Read of a file
	Text string
}

// Prepare prepares statements, which [CloseStatements] closes. After an error none of them is open.
func Prepare(ctx context.Context, op string, statements ...Statement) error {
	for i, s := range statements {
		prepared, err := s.On.PrepareContext(ctx, s.Text) //nolint:sqlclosecheck // by CloseStatements
		if err != nil {
			for _, s := range statements[:i] {
				_ = (*s.Into).Close() // the error of preparing is the one to tell
				*s.Into = nil
			}
			return Classify(op, err)
		}
		*s.Into = prepared
	}
	return nil
}

// CloseStatements closes those that are there.
func CloseStatements(op string, statements ...*sql.Stmt) error {
	var failed []error
	for _, statement := range statements {
		if statement != nil {
			failed = append(failed, statement.Close())
		}
	}
	return Classify(op, errors.Join(failed...))
}
