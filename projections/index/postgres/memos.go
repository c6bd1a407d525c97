package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"

	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// memoTable stands beside the generations; % stands for the schema of the installation. A revision is never given
// twice.
const memoTable = `
create sequence if not exists %memo_revision;
create table if not exists %memo (kind text collate "C" not null, name text collate "C" not null, revision bigint not null default nextval('%memo_revision'),
	owner text not null, value bytea not null, until timestamptz, primary key (kind, name)) with (fillfactor = 70);
create index if not exists memo_until on %memo (until) where until is not null`

// memos are those of an installation. The clock is the server's.
type memos struct{ *Generations }

var _ projections.Memos = memos{}

// Memos returns the memos of the installation.
func (g *Generations) Memos() projections.Memos { return memos{g} }

const memoColumns = "revision, kind, name, owner, value, until"

func (m memos) query(ctx context.Context, op, where string, args ...any) (found []projections.Memo, err error) {
	err = queryOn(ctx, m.work, op, "select "+memoColumns+" from "+m.control+"memo where "+where, args,
		func(scan func(...any) error) error {
			memo, until := projections.Memo{}, sql.NullTime{}
			if err := scan(&memo.Revision, &memo.Kind, &memo.Name, &memo.Owner, &memo.Value, &until); err != nil {
				return err
			}
			if until.Valid {
				memo.Until = until.Time.UTC()
			}
			found = append(found, memo)
			return nil
		})
	return found, err
}

// Memo is projections.Memos.Memo.
func (m memos) Memo(ctx context.Context, name projections.MemoName) (projections.Memo, error) {
	const op = "postgres.Memo"
	found, err := m.query(ctx, op, "kind = $1 and name = $2 and (until is null or until > now())", name.Kind, name.Name)
	return reads.OneMemo(op, name, found, err)
}

// List is projections.Memos.List.
func (m memos) List(ctx context.Context, kind, after string, limit int) ([]projections.Memo, error) {
	return m.query(ctx, "postgres.List", "kind = $1 and name > $2 and (until is null or until > now()) order by name "+
		"limit $3", kind, after, limit)
}

// Keep is projections.Memos.Keep.
func (m memos) Keep(ctx context.Context, memo projections.Memo, life time.Duration) (revision int64, err error) {
	const op = "postgres.Keep"
	if err := reads.CheckMemo(op, memo); err != nil {
		return 0, err
	}
	value := memo.Value
	if value == nil {
		value = []byte{}
	}
	var lasts *time.Duration
	if life > 0 {
		lasts = &life
	}
	table := m.control + "memo"
	next := "nextval('" + m.control + "memo_revision')"
	statement := "update " + table + " set owner = $3, value = $4, until = now() + $5, revision = " + next +
		" where kind = $1 and name = $2 and revision = $6 and (until is null or until > now()) returning revision"
	args := []any{memo.Kind, memo.Name, memo.Owner, value, lasts, memo.Revision}
	if memo.Revision == 0 {
		statement = "insert into " + table + " as memo (kind, name, owner, value, until) values ($1, $2, $3, $4, " +
			"now() + $5)" +
			" on conflict (kind, name) do update set owner = excluded.owner, value = excluded.value, until = " +
			"excluded.until, revision = " + next +
			" where memo.until <= now() returning revision"
		args = args[:5]
		if err := m.forgetEnded(ctx, memo.MemoName); err != nil {
			return 0, err
		}
	}
	kept := false
	keep := func(on queryer) error {
		return queryOn(ctx, on, op, statement, args, func(scan func(...any) error) error {
			kept = true
			return scan(&revision)
		})
	}
	if memo.Durable {
		err = m.transaction(ctx, op, func(tx pgx.Tx) error { return keep(tx) })
	} else {
		err = keep(m.work)
	}
	if err == nil && !kept {
		err = reads.OtherMemo(op, memo.MemoName)
	}
	return revision, err
}

// forgetEnded removes some memos that have ended, but one that is about to be kept anew.
func (m memos) forgetEnded(ctx context.Context, besides projections.MemoName) error {
	table := m.control + "memo"
	_, err := m.work.Exec(ctx, "delete from "+table+" where ctid = any (array(select ctid from "+table+
		" where until <= now() and (kind, name) <> ($1, $2) order by until limit $3 for update skip locked))",
		besides.Kind, besides.Name, reads.MemoSweep)
	return classify("postgres.Keep", err)
}

// Forget is projections.Memos.Forget.
func (m memos) Forget(ctx context.Context, name projections.MemoName, revision int64) error {
	const op = "postgres.Forget"
	done, err := m.work.Exec(ctx, "delete from "+m.control+"memo where kind = $1 and name = $2 and revision = $3 and "+
		"(until is null or until > now())", name.Kind, name.Name, revision)
	if err == nil && done.RowsAffected() == 0 {
		return reads.OtherMemo(op, name)
	}
	return classify(op, err)
}

// ensureMemos makes the table of an installation that an earlier version of the program made.
func (g *Generations) ensureMemos(ctx context.Context) error {
	there := false
	const sql = "select exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where " +
		"n.nspname = $1 and c.relname = 'memo')"
	if err := queryOn(ctx, g.work, "postgres.Open", sql, []any{g.schema},
		func(scan func(...any) error) error { return scan(&there) }); err != nil || there {
		return err
	}
	return g.transaction(ctx, "postgres.Open", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", g.lockKey("creation")); err != nil {
			return err
		}
		return run(ctx, tx, g.control, memoTable)
	})
}
