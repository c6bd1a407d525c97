package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// memoTable stands beside the generations. Its revisions are never given twice (SQLite, "autoincrement"); until is in
// microseconds since 1970.
const memoTable = `
create table if not exists index_memo (revision integer primary key autoincrement, kind text not null, name text not null, owner text not null,
	value blob not null, until integer, unique (kind, name));
create index if not exists index_memo_until on index_memo (until) where until is not null`

// memos are those of a file. Its clock is that of the machine.
type memos struct{ *Generations }

var _ projections.Memos = memos{}

// Memos returns the memos of the file.
func (g *Generations) Memos() projections.Memos { return memos{g} }

// ensureMemos makes the table in a file that an earlier version of the program made.
func ensureMemos(ctx context.Context, file *sqlitefile.File, create bool) error {
	there := 0
	if err := file.Read.QueryRowContext(ctx, "select count(*) from sqlite_schema where name = 'index_memo'").Scan(
		&there); err != nil || there != 0 || !create {
		return sqlitefile.Classify("sqlite.Open", err)
	}
	return file.Relaxed(ctx, func(tx *sql.Tx) error { return execute(ctx, tx, memoTable) })
}

const memoColumns = "revision, kind, name, owner, value, until"

func (m memos) query(ctx context.Context, where string, args ...any) (found []projections.Memo, err error) {
	err = m.reader.Query(ctx, "select "+memoColumns+" from index_memo where "+where, args,
		func(scan func(...any) error) error {
			memo, until := projections.Memo{}, sql.NullInt64{}
			if err := scan(&memo.Revision, &memo.Kind, &memo.Name, &memo.Owner, &memo.Value, &until); err != nil {
				return err
			}
			if until.Valid {
				memo.Until = time.UnixMicro(until.Int64).UTC()
			}
			found = append(found, memo)
			return nil
		})
	return found, err
}

// Memo is projections.Memos.Memo.
func (m memos) Memo(ctx context.Context, name projections.MemoName) (projections.Memo, error) {
	found, err := m.query(ctx, "kind = $1 and name = $2 and (until is null or until > $3)", name.Kind, name.Name,
		time.Now().UnixMicro())
	return reads.OneMemo("sqlite.Memo", name, found, err)
}

// List is projections.Memos.List.
func (m memos) List(ctx context.Context, kind, after string, limit int) ([]projections.Memo, error) {
	return m.query(ctx, "kind = $1 and name > $2 and (until is null or until > $3) order by name limit $4", kind, after,
		time.Now().UnixMicro(), int64(limit))
}

// Keep is projections.Memos.Keep.
func (m memos) Keep(ctx context.Context, memo projections.Memo, life time.Duration) (revision int64, err error) {
	const op = "sqlite.Keep"
	if err := reads.CheckMemo(op, memo); err != nil {
		return 0, err
	}
	now := time.Now()
	var until sql.NullInt64
	if life > 0 {
		until = sql.NullInt64{Int64: now.Add(life).UnixMicro(), Valid: true}
	}
	value := memo.Value
	if value == nil {
		value = []byte{}
	}
	keep := m.file.Relaxed
	if memo.Durable {
		keep = m.file.Durable
	}
	err = keep(ctx, func(tx *sql.Tx) error {
		there := int64(0)
		err := tx.QueryRowContext(ctx, "select revision from index_memo where kind = $1 and name = $2 and (until is "+
			"null or until > $3)", memo.Kind, memo.Name, now.UnixMicro()).Scan(&there)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if there != memo.Revision {
			return reads.OtherMemo(op, memo.MemoName)
		}
		if there == 0 {
			if _, err := tx.ExecContext(ctx, "delete from index_memo where revision in (select revision from "+
				"index_memo where until <= $1 order by until limit $2)", now.UnixMicro(),
				int64(reads.MemoSweep)); err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, "insert or replace into index_memo (kind, name, owner, value, until) values "+
			"($1, $2, $3, $4, $5) returning revision",
			memo.Kind, memo.Name, memo.Owner, value, until).Scan(&revision)
	})
	return revision, err
}

// Forget is projections.Memos.Forget.
func (m memos) Forget(ctx context.Context, name projections.MemoName, revision int64) error {
	const op = "sqlite.Forget"
	return m.file.Relaxed(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "delete from index_memo where kind = $1 and name = $2 and revision = $3 and "+
			"(until is null or until > $4)", name.Kind, name.Name, revision, time.Now().UnixMicro())
		if err != nil {
			return err
		}
		gone, err := done.RowsAffected()
		if err == nil && gone == 0 {
			err = reads.OtherMemo(op, name)
		}
		return err
	})
}
