package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"binnacle/events"
)

// schemaVersion is the version of the control tables and of those of a generation. Another one is refused.
const schemaVersion = 9

// control are the tables of the installation; % stands for its schema. The one row of installation holds the pointer
// and the number that the next generation gets; no number is given twice.
const control = `
create table %generation (number int primary key, state text not null, catalog text not null, finished boolean not null, made timestamptz not null default now());
create table %installation (one boolean primary key default true check (one), version int not null, live int not null, next int not null, paused timestamptz);
create table %catalog (digest text primary key, definitions bytea not null);
create table %builder (one boolean primary key default true check (one), holder text not null, since timestamptz not null default now())`

// tables of a generation; % stands for its schema. The columns are those of package rows. They come with the indexes
// that commits need; the others are in searchIndexes. Ids are compared by their bytes.
const generationTables = `
create table %version (sid bigint primary key, ledger bigint not null, log_offset bigint not null, "at" bigint not null, main bigint not null, shape bigint not null,
	supersedes bigint not null, resource bigint not null, number bigint not null, change int not null, deleted smallint not null, id text collate "C" not null, hash bytea not null, keys bigint[]);
create unique index version_id on %version (ledger, id, number);
create table %closed (sid bigint primary key, by_sid bigint not null);
create table %term (key bigint not null, sort bigint not null, ref bigint not null);
create table %span (key bigint not null, low bigint not null, high bigint not null, ref bigint not null);
create table %text (key bigint not null, ref bigint not null, head bytea not null, rest bytea not null, raw bytea not null);
create table %coding (param bigint not null, code bytea not null, system bytea not null, key bigint not null, primary key (param, code, system, key));
create table %shape (ledger bigint not null, key bigint not null, params bytea not null, primary key (ledger, key));
create table %ledger (key bigint primary key, tenant text not null, type text not null);
create table %counter (ledger bigint primary key, living bigint not null) with (fillfactor = 50);
create table %outcome (event text collate "C" primary key, partition int not null, log_offset bigint not null, data bytea not null);
create table %quarantine (partition int not null, log_offset bigint not null, "at" bigint not null, data bytea not null, settled bytea, primary key (partition, log_offset));
create table %claim (name text collate "C" primary key, data bytea not null);
create table %position (partition int primary key, next bigint not null, next_sid bigint not null, "at" bigint not null, horizon bigint not null default 0,
	swept bigint not null default 0, sweeping bigint not null default 0, digest bytea not null default '', log text not null default '', last bytea not null default '')
	with (fillfactor = 50);
create table %sweep (one int primary key, stage bigint not null, a bigint not null, b bigint not null, c bigint not null);
create function %with_keys(wanted bigint[], last bigint, most bigint) returns table (sid bigint) language plpgsql stable rows 100
	set enable_bitmapscan = on set enable_indexscan = off set enable_seqscan = off as $body$
	begin return query select r.sid from unnest(wanted) k cross join lateral
		(select v.sid from %version v where v.keys && array[k] and v.sid + 0 <= last offset 0) r limit most; end $body$`

// searchIndex is an index that only searches need.
type searchIndex struct{ name, on string }

// searchIndexes stand in the order of the time that they take, longest first.
func searchIndexes() []searchIndex {
	return []searchIndex{
		{"term_key", "term (key, sort, ref)"},
		{"text_key", "text (key, head, ref)"},
		{"span_key", "span (key, low, ref, high)"},
		{"text_ref", "text (ref, key)"},
		{"version_updated", `version (ledger, "at", sid)`},
		{"version_resource", "version (resource)"},
		{"version_keys", "version using gin (keys) with (gin_pending_list_limit = 64)"},
		{"span_ref", "span (ref, key)"},
		{"outcome_place", "outcome (partition, log_offset)"}, // for Decisions
		{"coding_system", "coding (param, system, key)"},
		// for Scan, which reads the rows of some versions
		{"term_ref", "term using brin (ref) with (autosummarize = on)"},
	}
}

func (i searchIndex) create(tables string) string {
	return "create index if not exists " + i.name + " on " + tables + i.on
}

// grown are the tables that a build fills; vacuum leaves them alone until it is finished.
func grown() []string {
	return []string{"version", "term", "span", "text", "closed", "coding", "outcome", "claim"}
}

func run(ctx context.Context, tx pgx.Tx, prefix, script string) error {
	_, err := tx.Exec(ctx, strings.ReplaceAll(script, "%", prefix), pgx.QueryExecModeSimpleProtocol)
	return err
}

// createGeneration makes the tables of the generation that the next number stands for, and returns the number.
func (g *Generations) createGeneration(ctx context.Context, tx pgx.Tx, state, catalog string) (int, error) {
	number := 0
	if err := tx.QueryRow(ctx, "update "+g.control+"installation set next = next + 1 returning next - 1").Scan(
		&number); err != nil {
		return 0, err
	}
	tables := g.tables(number)
	if err := run(ctx, tx, "", "create schema "+strings.TrimSuffix(tables, ".")); err != nil {
		return 0, err
	}
	if err := run(ctx, tx, tables, generationTables); err != nil {
		return 0, err
	}
	for _, index := range searchIndexes() {
		if state == stateBuilding {
			break
		}
		if err := run(ctx, tx, "", index.create(tables)); err != nil {
			return 0, err
		}
	}
	for _, table := range grown() {
		if state != stateBuilding {
			break
		}
		if err := run(ctx, tx, tables, "alter table %"+table+" set (autovacuum_enabled = off)"); err != nil {
			return 0, err
		}
	}
	_, err := tx.Exec(ctx, "insert into "+g.control+"generation (number, state, catalog, finished) values ($1, "+
		"$2, $3, $4)", number, state, catalog, state == stateLive)
	return number, err
}

func (g *Generations) dropGeneration(ctx context.Context, tx pgx.Tx, number int) error {
	if err := run(ctx, tx, "", "drop schema if exists "+strings.TrimSuffix(g.tables(number),
		".")+" cascade"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "delete from "+g.control+"generation where number = $1", number); err != nil {
		return err
	}
	_, err := tx.Exec(ctx,
		"delete from "+g.control+"catalog where digest not in (select catalog from "+g.control+"generation)")
	return err
}

// ensure checks the control tables, and makes them and the first generation when there are none and create is true.
func (g *Generations) ensure(ctx context.Context, catalog string, create bool) error {
	const op = "postgres.Open"
	there, err := g.isThere(ctx, g.work)
	if err != nil {
		return classify(op, err)
	}
	if !there && !create {
		return events.Errorf(events.Invalid, op, "the Postgres database holds no index in schema %s; run binnacle init",
			g.schema)
	}
	if !there {
		if err := g.transaction(ctx, op, func(tx pgx.Tx) error { return g.createAll(ctx, tx, catalog) }); err != nil {
			return err
		}
	}
	version := 0
	if err := g.work.QueryRow(ctx, "select version from "+g.control+"installation").Scan(&version); err != nil {
		return classify(op, err)
	}
	if version != schemaVersion {
		return events.Errorf(events.Invalid, op, "the index in schema %s has schema version %d, and this program "+
			"knows version %d; run the program that made it, or name another schema (BINNACLE_POSTGRES_SCHEMA), run "+
			"binnacle init and binnacle rebuild",
			g.schema, version, schemaVersion)
	}
	if create {
		return g.ensureMemos(ctx)
	}
	return nil
}

// isThere tells whether the control tables exist. It reads the catalog itself: to_regclass may answer from before a
// lock was waited for.
func (g *Generations) isThere(ctx context.Context, on interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (there bool, err error) {
	err = on.QueryRow(ctx, "select exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace "+
		"where n.nspname = $1 and c.relname = 'installation')", g.schema).Scan(&there)
	return there, err
}

func (g *Generations) createAll(ctx context.Context, tx pgx.Tx, catalog string) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", g.lockKey("creation")); err != nil {
		return err
	}
	if there, err := g.isThere(ctx, tx); err != nil || there {
		return err // another node was faster
	}
	made := false // by an administrator, for a user who must not create schemas
	if err := tx.QueryRow(ctx, "select exists (select 1 from pg_namespace where nspname = $1)",
		g.schema).Scan(&made); err != nil {
		return err
	}
	if !made {
		if err := run(ctx, tx, "", "create schema "+strings.TrimSuffix(g.control, ".")); err != nil {
			return err
		}
	}
	if err := run(ctx, tx, g.control, control); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "insert into "+g.control+"installation (version, live, next) values ($1, 1, 1)",
		schemaVersion); err != nil {
		return err
	}
	_, err := g.createGeneration(ctx, tx, stateLive, catalog)
	return err
}

// transaction runs a change of the control tables, which waits for the server's disk.
func (g *Generations) transaction(ctx context.Context, op string, do func(tx pgx.Tx) error) error {
	return classify(op, pgx.BeginFunc(ctx, g.work, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = on"); err != nil {
			return err
		}
		return do(tx)
	}))
}

// Drop removes the schemas of an installation; what is not there is no error. Nothing may use them any more.
func Drop(ctx context.Context, config Config) error {
	const op = "postgres.Drop"
	c, err := config.settings()
	if err != nil {
		return err
	}
	g := &Generations{schema: c.Schema, control: pgx.Identifier{c.Schema}.Sanitize() + "."}
	if err := g.connect(ctx, c); err != nil {
		return asConfigured(err)
	}
	defer func() { _ = g.Close() }()
	var names []string
	sql := "select nspname from pg_namespace where nspname = $1 or starts_with(nspname, $1 || '_g') and " +
		"substr(nspname, length($1) + 3) ~ '^[0-9]+$' order by nspname"
	if err := queryOn(ctx, g.work, op, sql, []any{c.Schema}, func(scan func(...any) error) error {
		name := ""
		err := scan(&name)
		names = append(names, name)
		return err
	}); err != nil {
		return asConfigured(err)
	}
	for _, name := range names { // one by one: a transaction has not the locks for hundreds of tables
		if _, err := g.work.Exec(ctx, "drop schema if exists "+pgx.Identifier{name}.Sanitize()+" cascade"); err != nil {
			return asConfigured(classify(op, err))
		}
	}
	return nil
}
