package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/reads"
	"binnacle/projections/index/rows"
)

// writer inserts the rows of commits into the tables of one generation.
type writer struct {
	file   *sqlitefile.File
	number int

	mu         sync.Mutex // held by one commit; SQLite has one writer anyway
	maker      *rows.Maker
	statements map[string]*sql.Stmt
	args       []any
	staged     *staging // nil: term rows go to their table at once
}

func newWriter(file *sqlitefile.File, number int) *writer {
	return &writer{file: file, number: number, maker: rows.NewMaker(dialect{}), statements: map[string]*sql.Stmt{}}
}

// contentsJoined is up to how many rows a commit stores its blobs in its own transaction.
const contentsJoined = 100

// commit writes a commit in one transaction in which allowed holds.
func (w *writer) commit(ctx context.Context, c projections.Commit, allowed func(*sql.Tx) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	// The blobs may lie in the same file, which has one writer. Few of them share the transaction; many go first,
	// because they are compressed meanwhile, and the log waits for the writer.
	joined := len(c.Rows) <= contentsJoined
	if !joined {
		if err := c.Keep(ctx); err != nil {
			return err
		}
	}
	w.maker.Spending(c.Spend)
	defer w.maker.Trim()
	rows, err := w.rows(ctx, c.Rows)
	if err != nil {
		return err
	}
	if c.Spend { // else the heap would grow to twice what it was with the terms before it is looked through again
		runtime.GC()
	}
	err = w.file.Relaxed(ctx, func(tx *sql.Tx) error {
		// the transaction ends with ctx; to watch it the driver would begin a goroutine for each of a hundred
		// statements
		ctx := context.WithoutCancel(ctx)
		if err := allowed(tx); err != nil {
			return err
		}
		if err := w.advance(ctx, tx, c); err != nil {
			return err
		}
		if joined {
			if err := c.Keep(w.file.Joining(ctx, tx)); err != nil {
				return err
			}
		}
		return w.insert(ctx, tx, c, rows)
	})
	if err != nil {
		w.maker.Forget()
		return err
	}
	w.maker.Committed()
	if w.staged != nil && w.staged.latest != nil {
		w.staged.latest.Add(rows.Versions)
	}
	return nil
}

// rows makes the rows of versions. Those that only the index by id can judge have it made.
func (w *writer) rows(ctx context.Context, versions []projections.Row) (*rows.Rows, error) {
	if w.staged == nil {
		return w.maker.Rows(versions), nil
	}
	r := w.maker.Unsorted(versions)
	if l := w.staged.latest; l == nil || l.Follows(r.Versions) {
		return r, nil
	}
	return r, sqlitefile.Classify("sqlite.Commit", w.identify(ctx))
}

// advance moves the position: the fence.
func (w *writer) advance(ctx context.Context, tx *sql.Tx, c projections.Commit) error {
	first := keys.FirstSid(c.Partition)
	next, nextSid := int64(0), first
	err := tx.StmtContext(ctx, w.statements["state"]).QueryRowContext(ctx, int64(c.Partition)).Scan(&next, &nextSid)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := rows.CheckCommit(c, next, nextSid); err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, w.statements["advance"]).ExecContext(ctx, int64(c.Partition), c.Next,
		nextSid+int64(len(c.Rows)), reads.Micro(c.Time), c.Digest[:],
		c.Origin.Log, c.Origin.Last[:])
	return err
}

func (w *writer) insert(ctx context.Context, tx *sql.Tx, c projections.Commit, r *rows.Rows) error {
	b := batch{ctx: ctx, tx: tx, writer: w}
	for _, l := range r.Ledgers {
		b.one("ledger", l.Key, l.Tenant, l.Type)
		b.checkLedger(l)
	}
	for _, h := range r.Shapes {
		b.one("shape", h.Key, h.Ledger, []byte(h.Params))
	}
	if w.staged != nil {
		b.codings(b.putAside(r))
	} else {
		b.codings(r.Codings)
	}
	b.many("version", len(r.Versions), func(args []any, i int) []any {
		v := &r.Versions[i]
		return append(args, v.Sid, v.Ledger, v.ID, v.Number, v.Position.Offset, rows.ChangeColumn(&v.Version),
			v.Time.UnixMicro(), v.Hash[:], rows.Bit(v.Deleted), v.Main, v.Shape, v.Supersedes, v.Resource,
			keysText(v.Keys))
	})
	b.many("closed", len(r.Closed), func(args []any, i int) []any {
		return append(args, r.Closed[i].Sid, r.Closed[i].By)
	})
	if w.staged == nil {
		b.terms(r.Terms)
	}
	b.many("span", len(r.Spans), func(args []any, i int) []any {
		return append(args, r.Spans[i].Ref, r.Spans[i].Key, r.Spans[i].Low, r.Spans[i].High)
	})
	n := int64(0)
	b.many("text", len(r.Texts), func(args []any, i int) []any {
		t := &r.Texts[i]
		if n++; i == 0 || r.Texts[i-1].Ref != t.Ref || r.Texts[i-1].Key != t.Key {
			n = 0
		}
		return append(args, t.Ref, t.Key, n, t.Head, t.Rest, t.Raw)
	})
	for _, c := range r.Counts {
		b.one("count", c.Ledger, c.By)
	}
	b.many("outcome", len(c.Outcomes), func(args []any, i int) []any {
		o := &c.Outcomes[i]
		data, err := rows.EncodeOutcome(o)
		if err != nil {
			b.err = err
		}
		return append(args, int64(o.Position.Partition), o.Position.Offset, o.EventID, data)
	})
	for i := range c.Quarantined {
		data, err := rows.EncodeQuarantined(&c.Quarantined[i])
		if err != nil {
			return err
		}
		record := &c.Quarantined[i].Record
		b.one("quarantine", int64(record.Position.Partition), record.Position.Offset, reads.Micro(record.Time), data)
	}
	b.beside(c)
	return b.err
}

// beside writes what stands beside the versions: claims on idempotency keys, and what was decided about quarantined
// records.
func (b *batch) beside(c projections.Commit) {
	for i := range c.Claims {
		data, err := rows.EncodeClaim(&c.Claims[i])
		if err != nil {
			b.err = err
		}
		b.one("claim", rows.ClaimKey(c.Claims[i].ClaimName), data)
	}
	for i := range c.Settled {
		data, err := rows.EncodeSettled(&c.Settled[i])
		if err != nil {
			b.err = err
		}
		b.one("settled", data, int64(c.Settled[i].Of.Partition), c.Settled[i].Of.Offset)
	}
}

func (b *batch) terms(rows []rows.TermRow) {
	b.many("term", len(rows), func(args []any, i int) []any {
		return append(args, rows[i].Key, rows[i].Sort, rows[i].Ref)
	})
}

func (b *batch) codings(rows []rows.CodingRow) {
	b.many("coding", len(rows), func(args []any, i int) []any {
		c := &rows[i]
		return append(args, c.Param, []byte(c.Code), []byte(c.System), c.Key)
	})
}

const versionColumns = 14

// widths are the numbers of rows that one statement inserts, the most first.
var widths = [...]int{50, 10, 1} //nolint:gochecknoglobals // Go has no constant arrays

// inserting is the name of the statement that inserts so many rows.
func inserting(table string, width int) string {
	if width == 1 {
		return table
	}
	return table + strconv.Itoa(width)
}

func (w *writer) prepare(ctx context.Context) error {
	if len(w.statements) > 0 {
		return nil
	}
	p := prefix(w.number)
	texts := map[string]string{
		"pointer": "select number, paused from index_pointer",
		"state":   "select next, next_sid from " + p + "position where partition = ?",
		"advance": "insert into " + p + "position (partition, next, next_sid, at, digest, log, last) values (?, ?, " +
			"?, ?, ?, ?, ?) on conflict (partition) do update set " +
			"next = excluded.next, next_sid = excluded.next_sid, at = max(at, excluded.at), digest = " +
			"excluded.digest, log = excluded.log, last = excluded.last",
		"ledger":      "insert or ignore into " + p + "ledger values (?, ?, ?)",
		"checkLedger": "select count(*) from " + p + "ledger where key = ? and tenant = ? and type = ?",
		"shape":       "insert or ignore into " + p + "shape values (?, ?, ?)",
		"count": "insert into " + p + "counter values (?, ?) on conflict (ledger) do update set living = " +
			"living + excluded.living",
		"quarantine": "insert or ignore into " + p + "quarantine (partition, log_offset, at, data) values (?, ?, ?, ?)",
		"claim":      "insert or replace into " + p + "claim values (?, ?)",
		"settled": "update " + p + "quarantine set settled = ? where partition = ? and log_offset = ? and " +
			"settled is null",
	}
	for table, columns := range map[string]int{"version": versionColumns, "closed": 2, "term": 3, "span": 4, "text": 6,
		"coding": 4, "outcome": 4} {
		row := "(" + strings.Repeat("?, ", columns-1) + "?)"
		// what a statement that fails has written goes with the transaction: no statement journal
		insert := "insert or fail into "
		if table == "coding" || table == "outcome" { // the first one stays
			insert = "insert or ignore into "
		}
		for _, width := range widths {
			texts[inserting(table, width)] = insert + p + table + " values " + row + strings.Repeat(", "+row, width-1)
		}
	}
	staged, err := w.findStaging(ctx)
	if err != nil {
		return sqlitefile.Classify("sqlite.Commit", err)
	}
	if staged != nil {
		texts["load"] = "insert into " + p + "load values (?, ?)"
	}
	prepared := map[string]*sql.Stmt{}
	for name, text := range texts {
		statement, err := w.file.Write.PrepareContext(ctx, text)
		if err != nil {
			for _, s := range prepared {
				_ = s.Close() // the error to tell is that of Prepare
			}
			return sqlitefile.Classify("sqlite.Commit", err)
		}
		prepared[name] = statement
	}
	w.statements, w.staged = prepared, staged
	return nil
}

// reset forgets what is known of the tables: another process may have written them.
func (w *writer) reset() {
	w.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.maker, w.staged = rows.NewMaker(dialect{}), nil
}

func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.statements {
		_ = s.Close() // nothing to tell: it only frees memory
	}
	clear(w.statements)
}

// batch runs the inserts of a commit until one fails.
type batch struct {
	ctx context.Context //nolint:containedctx // of one commit; the batch lives no longer
	tx  *sql.Tx
	*writer
	bound map[string]*sql.Stmt // to the transaction, which keeps each until it ends
	err   error
}

// statement is one of the transaction.
func (b *batch) statement(name string) *sql.Stmt {
	if b.bound[name] == nil {
		if b.bound == nil {
			b.bound = map[string]*sql.Stmt{}
		}
		b.bound[name] = b.tx.StmtContext(b.ctx, b.statements[name])
	}
	return b.bound[name]
}

func (b *batch) one(statement string, args ...any) {
	if b.err == nil {
		_, b.err = b.statement(statement).ExecContext(b.ctx, args...) //nolint:sqlclosecheck // the transaction's
	}
}

func (b *batch) many(table string, rows int, row func(args []any, i int) []any) {
	done := 0
	for _, width := range widths {
		if b.err != nil || rows-done < width {
			continue
		}
		statement := b.statement(inserting(table, width)) //nolint:sqlclosecheck // the transaction's
		for ; rows-done >= width && b.err == nil; done += width {
			b.args = b.args[:0]
			for i := range width {
				b.args = row(b.args, done+i)
			}
			if b.err == nil {
				_, b.err = statement.ExecContext(b.ctx, b.args...)
			}
		}
	}
}

// checkLedger makes sure that a key stands for one type of one tenant.
func (b *batch) checkLedger(l rows.LedgerRow) {
	if b.err != nil {
		return
	}
	same := 0
	check := b.statement("checkLedger") //nolint:sqlclosecheck // the transaction's
	b.err = check.QueryRowContext(b.ctx, l.Key, l.Tenant, l.Type).Scan(&same)
	if b.err == nil && same == 0 {
		b.err = rows.LedgerCollision(l)
	}
}
