package postgres

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/reads"
	"binnacle/projections/index/rows"
)

const opCommit = "postgres.Commit"

// writer commits to one partition of one generation.
type writer struct {
	*generation

	mu     sync.Mutex // held by one commit
	maker  *rows.Maker
	next   int64 // where the last commit of this writer ended; -1: there was none, or it failed
	copies copies

	from, to atomic.Int64 // what the last commit was to move the position from and to; -1: it failed
}

// permission is what must hold for a commit besides its position: a statement that locks, or "", one that reads, and
// what is made of the number that this one gives.
type permission struct {
	lock  string
	read  string
	check func(number int) error
}

// commit writes a commit in one transaction, in which permission holds. What the dictionaries have is remembered only
// from one commit to the next of the same writer: a server that crashed has forgotten its last commits, and then the
// position is another one, too.
func (w *writer) commit(ctx context.Context, c projections.Commit, p permission) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Expect != w.next {
		w.maker = rows.NewMaker(dialect{})
		w.reads.Referred.Doubt()
	}
	w.next = -1
	w.from.Store(c.Expect)
	w.to.Store(c.Next)
	defer func() {
		if err != nil {
			w.from.Store(-1)
			w.to.Store(-1)
			w.reads.Referred.Doubt()
		}
	}()
	rows := w.maker.Rows(c.Rows)
	w.reads.Referred.Note(rows.Codings)
	begin, err := w.beginning(c, rows, p)
	if err != nil {
		return err
	}
	conn, err := w.work.Acquire(ctx)
	if err != nil {
		return classify(opCommit, err)
	}
	defer conn.Release()
	if err := w.send(ctx, conn, c, rows, begin); err != nil {
		w.rollback(ctx, conn)
		if isReadOnlyError(err) {
			_ = w.renew(ctx) // the error to tell is that of the commit, which is tried again
		}
		return classify(opCommit, err)
	}
	w.maker.Committed()
	w.next = c.Next
	return nil
}

// rollback leaves a connection that can be used again, or none.
func (w *writer) rollback(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Conn().Close(ctx) // the error to tell is that of the commit
	}
}

// stored is the position as the transaction has locked it.
type stored struct{ next, nextSid int64 }

func (w *writer) send(
	ctx context.Context, conn *pgxpool.Conn, c projections.Commit, rows *rows.Rows, begin *beginning,
) error {
	storing, sctx := errgroup.WithContext(ctx)
	store := func() {
		if len(c.Contents) > 0 {
			storing.Go(func() error { return c.Keep(sctx) })
		}
	}
	if begin.whole {
		store() // beside the one round trip that there is
	}
	err := begin.send(ctx, conn, c)
	if err == nil && !begin.whole {
		store() // while the rows are copied
		err = w.copyAll(ctx, conn)
	}
	// The transaction ends after both.
	if stored := storing.Wait(); err == nil {
		err = stored
	}
	if err != nil {
		return err
	}
	return conn.SendBatch(ctx, w.ending(c, rows, begin.at)).Close()
}

// send makes the first round trip. That somebody else was faster goes before every other error: rows that are there
// already are one of its consequences.
func (b *beginning) send(ctx context.Context, conn *pgxpool.Conn, c projections.Commit) error {
	err := conn.SendBatch(ctx, &b.Batch).Close()
	if b.verdict != nil {
		return b.verdict
	}
	if b.locked {
		if conflict := rows.CheckCommit(c, b.at.next, b.at.nextSid); conflict != nil {
			return conflict
		}
	}
	return err
}

func (w *writer) copyAll(ctx context.Context, conn *pgxpool.Conn) error {
	for _, table := range w.copies.all() {
		if err := table.run(ctx, conn.Conn(), w.tables); err != nil {
			return err
		}
	}
	return nil
}

// beginning is the first round trip of a commit: the locks, and all small inserts. If the locks tell that it must not
// be, all is rolled back.
type beginning struct {
	pgx.Batch
	at      stored
	locked  bool // at was read
	whole   bool // all rows are in it, none are to be copied
	verdict error
}

func (w *writer) beginning(c projections.Commit, rows *rows.Rows, p permission) (*beginning, error) {
	b := &beginning{}
	b.Queue("begin")
	if p.lock != "" {
		b.Queue(p.lock)
	}
	b.Queue(p.read).Query(func(answer pgx.Rows) error {
		number, err := pgx.CollectExactlyOneRow(answer, pgx.RowTo[int])
		if err == nil {
			b.verdict = p.check(number)
		}
		return err
	})
	if c.Expect == 0 { // there may be no row to lock; of two who make it the second waits here
		b.Queue("insert into "+w.tables+"position values ($1, 0, $2, $3) on conflict do nothing", c.Partition,
			keys.FirstSid(c.Partition), projections.MinTime)
	}
	b.at = stored{nextSid: keys.FirstSid(c.Partition)}
	b.Queue("select next, next_sid from "+w.tables+"position where partition = $1 for update",
		c.Partition).Query(func(answer pgx.Rows) error {
		for answer.Next() {
			if err := answer.Scan(&b.at.next, &b.at.nextSid); err != nil {
				return err
			}
		}
		b.locked = answer.Err() == nil
		return answer.Err()
	})
	b.dictionaries(w.tables, rows)
	if b.whole = small(rows); b.whole {
		b.insert(w.tables, rows)
	} else {
		w.copies.fill(rows)
	}
	return b, b.outcomes(w.tables, c)
}

func (b *beginning) dictionaries(tables string, made *rows.Rows) {
	if n := len(made.Ledgers); n > 0 {
		keys, tenants, types := make([]int64, n), make([]string, n), make([]string, n)
		for i, l := range made.Ledgers {
			keys[i], tenants[i], types[i] = l.Key, l.Tenant, l.Type
		}
		b.Queue("insert into "+tables+"ledger select * from unnest($1::bigint[], $2::text[], $3::text[]) on conflict "+
			"do nothing", keys, tenants, types)
		b.Queue("select u.i from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality u(key, tenant, type, "+
			"i) join "+tables+
			"ledger l on l.key = u.key where l.tenant <> u.tenant or l.type <> u.type", keys, tenants,
			types).Query(func(answer pgx.Rows) error {
			for answer.Next() {
				at := 0
				if err := answer.Scan(&at); err != nil {
					return err
				}
				b.verdict = rows.LedgerCollision(made.Ledgers[at-1])
			}
			return answer.Err()
		})
	}
	if n := len(made.Shapes); n > 0 {
		ledgers, keys, params := make([]int64, n), make([]int64, n), make([][]byte, n)
		for i, s := range made.Shapes {
			ledgers[i], keys[i], params[i] = s.Ledger, s.Key, []byte(s.Params)
		}
		b.Queue("insert into "+tables+"shape select * from unnest($1::bigint[], $2::bigint[], $3::bytea[]) on "+
			"conflict do nothing", ledgers, keys, params)
	}
	if n := len(made.Codings); n > 0 {
		params, codes, systems, keys := make([]int64, n), make([][]byte, n), make([][]byte, n), make([]int64, n)
		for i, c := range made.Codings {
			params[i], codes[i], systems[i], keys[i] = c.Param, []byte(c.Code), []byte(c.System), c.Key
		}
		b.Queue("insert into "+tables+"coding select * from unnest($1::bigint[], $2::bytea[], $3::bytea[], "+
			"$4::bigint[]) on conflict do nothing", params, codes, systems, keys)
	}
}

func (b *beginning) outcomes(tables string, c projections.Commit) error {
	if n := len(c.Outcomes); n > 0 {
		ids, partitions, offsets, data := make([]string, n), make([]int32, n), make([]int64, n), make([][]byte, n)
		for i := range c.Outcomes {
			var err error
			if data[i], err = rows.EncodeOutcome(&c.Outcomes[i]); err != nil {
				return err
			}
			ids[i], partitions[i], offsets[i] = c.Outcomes[i].EventID, c.Outcomes[i].Position.Partition,
				c.Outcomes[i].Position.Offset
		}
		b.Queue("insert into "+tables+"outcome select * from unnest($1::text[], $2::int[], $3::bigint[], "+
			"$4::bytea[]) on conflict do nothing", ids, partitions, offsets, data)
	}
	for i := range c.Quarantined {
		data, err := rows.EncodeQuarantined(&c.Quarantined[i])
		if err != nil {
			return err
		}
		record := &c.Quarantined[i].Record
		b.Queue("insert into "+tables+`quarantine (partition, log_offset, "at", data) values ($1, $2, $3, $4) on conflict do nothing`,
			record.Position.Partition, record.Position.Offset, reads.Micro(record.Time), data)
	}
	return b.beside(tables, c)
}

// beside queues what stands beside the versions: claims on idempotency keys, and what was decided about quarantined
// records.
func (b *beginning) beside(tables string, c projections.Commit) error {
	if n := len(c.Claims); n > 0 {
		names, data := make([]string, n), make([][]byte, n)
		for i := range c.Claims {
			var err error
			if data[i], err = rows.EncodeClaim(&c.Claims[i]); err != nil {
				return err
			}
			names[i] = rows.ClaimKey(c.Claims[i].ClaimName)
		}
		b.Queue("insert into "+tables+"claim select * from unnest($1::text[], $2::bytea[]) on conflict (name) do "+
			"update set data = excluded.data", names, data)
	}
	for i := range c.Settled {
		data, err := rows.EncodeSettled(&c.Settled[i])
		if err != nil {
			return err
		}
		of := c.Settled[i].Of
		b.Queue("update "+tables+"quarantine set settled = $3 where partition = $1 and log_offset = $2 and "+
			"settled is null", of.Partition, of.Offset, data)
	}
	return nil
}

// ending is the last round trip: what needs the versions in place, the position, the notification.
func (w *writer) ending(c projections.Commit, rows *rows.Rows, at stored) *pgx.Batch {
	b := &pgx.Batch{}
	closed, by := make([]int64, len(rows.Closed)), make([]int64, len(rows.Closed))
	for i, r := range rows.Closed {
		closed[i], by[i] = r.Sid, r.By
	}
	if len(closed) > 0 {
		b.Queue("insert into "+w.tables+"closed select * from unnest($1::bigint[], $2::bigint[])", closed, by)
	}
	if n := len(rows.Counts); n > 0 {
		ledgers, living := make([]int64, n), make([]int64, n)
		for i, r := range rows.Counts {
			ledgers[i], living[i] = r.Ledger, r.By
		}
		b.Queue("insert into "+w.tables+"counter as n select * from unnest($1::bigint[], $2::bigint[]) on conflict "+
			"(ledger) do update set living = n.living + excluded.living", ledgers, living)
	}
	b.Queue("update "+w.tables+`position set next = $2, next_sid = $3, "at" = greatest("at", $4), digest = $5, log = $6, last = $7 where partition = $1`,
		c.Partition, c.Next, at.nextSid+int64(len(c.Rows)), reads.Micro(c.Time), c.Digest[:], c.Origin.Log,
		c.Origin.Last[:])
	b.Queue("select pg_notify($1, $2)", w.schema, events.Position{Partition: c.Partition, Offset: c.Next}.String())
	b.Queue("commit")
	return b
}

// whileLive is the permission to commit to the generation that a state came from: it is live, and no switch happens
// meanwhile.
func (w *writer) whileLive() permission {
	return permission{
		lock: "select pg_advisory_xact_lock_shared(" + strconv.FormatInt(w.lockKey("pointer"), 10) + ")",
		read: "select case when paused > clock_timestamp() then -live else live end from " + w.control + "installation",
		check: func(number int) error {
			if number == -w.number {
				return reads.Paused()
			}
			if number != w.number {
				return reads.Moved(w.number, max(number, -number))
			}
			return nil
		},
	}
}

// whileBuilding is the permission to commit to a generation that is being built.
func (w *writer) whileBuilding() permission {
	return permission{
		// an old one may be reopened
		read: "select count(*) from " + w.control + "generation where number = " + strconv.Itoa(w.number) +
			" and state <> '" + stateLive + "'",
		check: func(number int) error {
			if number == 0 {
				return notBuilding(w.number)
			}
			return nil
		},
	}
}

func notBuilding(number int) error {
	return events.Errorf(events.Conflict, "postgres.Building", "generation %d is not being built any more", number)
}
