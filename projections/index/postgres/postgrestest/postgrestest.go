// Package postgrestest makes databases whose settings a test may change.
package postgrestest

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Database is a database of one test.
type Database struct {
	URL  string
	t    testing.TB
	main string // the URL of the one that was there
	name string
}

// New makes a database on the server of a URL. It is dropped when the test ends.
func New(t testing.TB, main string) *Database {
	t.Helper()
	address, err := url.Parse(main)
	if err != nil {
		t.Fatal(err)
	}
	d := &Database{t: t, main: main, name: "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")}
	address.Path = "/" + d.name
	d.URL = address.String()
	d.run(t.Context(), "create database "+d.name)
	t.Cleanup(func() { d.run(context.Background(), "drop database "+d.name+" with (force)") })
	return d
}

func (d *Database) run(ctx context.Context, statement string) {
	d.t.Helper()
	conn, err := pgx.Connect(ctx, d.main)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // what was to be done is done
	if _, err := conn.Exec(ctx, statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// Alter changes a setting for the sessions that begin from now on: "set x = y", "reset x".
func (d *Database) Alter(what string) {
	d.t.Helper()
	d.run(d.t.Context(), "alter database "+d.name+" "+what)
}

// Terminate ends all sessions.
func (d *Database) Terminate() {
	d.t.Helper()
	d.run(d.t.Context(), "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '"+d.name+"'")
}
