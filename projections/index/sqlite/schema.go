package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"binnacle/events"
	"binnacle/events/sqlitefile"
)

// schemaVersion is the version of the control tables and of those of a generation. Another one in the file is refused.
const schemaVersion = 9

const control = `
create table index_schema (version integer not null);
create table index_generation (number integer primary key, state text not null, catalog text not null, made integer not null);
create table index_pointer (id integer primary key check (id = 1), number integer not null, paused integer not null default 0);
create table index_catalog (digest text primary key, definitions blob not null) without rowid`

// generationTables are the tables of one generation; % stands for its prefix. The columns are those of package rows.
// Rows by ref are appended in the order of the log; text counts the rows of one ref and key in n.
const generationTables = `
create table %version (sid integer primary key, ledger integer not null, id text not null, number integer not null,
	log_offset integer not null, change integer not null, at integer not null, hash blob not null, deleted integer not null,
	main integer not null, shape integer not null, supersedes integer not null, resource integer not null, keys text);
create table %closed (sid integer primary key, by_sid integer not null);
create table %term (key integer not null, sort integer not null, ref integer not null, primary key (key, sort, ref)) without rowid;
create table %span (ref integer not null, key integer not null, low integer not null, high integer not null,
	primary key (ref, key, low, high)) without rowid;
create table %text (ref integer not null, key integer not null, n integer not null, head blob not null, rest blob not null, raw blob not null,
	primary key (ref, key, n)) without rowid;
create table %coding (param integer not null, code blob not null, system blob not null, key integer not null,
	primary key (param, code, system, key)) without rowid;
create table %shape (key integer primary key, ledger integer not null, params blob not null);
create index %shape_ledger on %shape (ledger);
create table %ledger (key integer primary key, tenant text not null, type text not null);
create table %counter (ledger integer primary key, living integer not null);
create table %outcome (partition integer not null, log_offset integer not null, event text not null, data blob not null,
	primary key (partition, log_offset, event)) without rowid;
create unique index %outcome_event on %outcome (event);
create table %quarantine (partition integer not null, log_offset integer not null, at integer not null, data blob not null, settled blob,
	primary key (partition, log_offset)) without rowid;
create table %claim (name text primary key, data blob not null) without rowid;
create table %position (partition integer primary key, next integer not null, next_sid integer not null, at integer not null,
	horizon integer not null default 0, swept integer not null default 0, sweeping integer not null default 0,
	digest blob not null, log text not null, last blob not null);
create table %sweep (one integer primary key, stage integer not null, a integer not null, b integer not null, c integer not null)`

// laterIndex is an index whose rows come in an order that doesn't suit it.
type laterIndex struct{ kind, name, on string }

// identity finds a version by its type, id and number.
func identity() laterIndex {
	return laterIndex{"unique index", "version_id", "version (ledger, id, number)"}
}

// laterIndexes are made with the tables of a generation that is live at once, and at the end of one that is built.
func laterIndexes() []laterIndex {
	return []laterIndex{
		identity(), {"index", "span_key", "span (key, low, ref, high)"}, {"index", "text_key", "text (key, head, ref)"},
		{"index", "version_updated", "version (ledger, at)"}, {"index", "version_resource", "version (resource)"},
	}
}

func (i laterIndex) create(generation int) string {
	return "create " + i.kind + " if not exists " + prefix(generation) + i.name + " on " + prefix(generation) + i.on
}

// loadTable holds what a generation that is being built has put aside; see bulk.go.
const loadTable = "create table %load (id integer primary key, data blob not null)"

var tables = [...]string{"load", "version", "closed", "term", "span", "text", "coding", "shape", "ledger", "counter",
	"outcome", "quarantine", "claim", "position", "sweep"}

func prefix(generation int) string { return fmt.Sprintf("g%d_", generation) }

func execute(ctx context.Context, tx *sql.Tx, script string) error {
	for statement := range strings.SplitSeq(script, ";") {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func createGeneration(ctx context.Context, tx *sql.Tx, number int, state, catalog string, made int64) error {
	script := generationTables
	if state == stateBuilding {
		script += ";" + loadTable
	}
	if err := execute(ctx, tx, strings.ReplaceAll(script, "%", prefix(number))); err != nil {
		return err
	}
	for _, index := range laterIndexes() {
		if state == stateBuilding {
			break
		}
		if err := execute(ctx, tx, index.create(number)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "insert into index_generation (number, state, catalog, made) values ($1, $2, $3, $4)",
		number, state, catalog, made)
	return err
}

func dropGeneration(ctx context.Context, tx *sql.Tx, number int) error {
	for _, table := range tables {
		if _, err := tx.ExecContext(ctx, "drop table if exists "+prefix(number)+table); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "delete from index_generation where number = $1", number); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx,
		"delete from index_catalog where digest not in (select catalog from index_generation)")
	return err
}

// ensure checks the control tables, and makes them and the first generation when there are none and create is true.
func ensure(ctx context.Context, file *sqlitefile.File, catalog string, made int64, create bool) error {
	const op = "sqlite.Open"
	there := 0
	if err := file.Read.QueryRowContext(ctx, "select count(*) from sqlite_schema where name = 'index_schema'").Scan(
		&there); err != nil {
		return sqlitefile.Classify(op, err)
	}
	if there == 0 {
		if !create {
			return events.Errorf(events.NotFound, op, "the file %s holds no index; run binnacle init", file.Path())
		}
		return file.Relaxed(ctx, func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, "select count(*) from sqlite_schema where name = 'index_schema'").Scan(
				&there); err != nil || there != 0 {
				return err // another process was faster
			}
			if err := execute(ctx, tx, control); err != nil {
				return err
			}
			if err := createGeneration(ctx, tx, 1, stateLive, catalog, made); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "insert into index_schema (version) values ($1)",
				schemaVersion); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "insert into index_pointer (id, number) values (1, 1)")
			return err
		})
	}
	version := 0
	if err := file.Read.QueryRowContext(ctx, "select version from index_schema").Scan(&version); err != nil {
		return sqlitefile.Classify(op, err)
	}
	if version != schemaVersion {
		return events.Errorf(events.Invalid, op, "the index in %s has schema version %d, this program knows version "+
			"%d; run the program that made it, or delete the file's index with that one and rebuild", file.Path(),
			version, schemaVersion)
	}
	return nil
}
