package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"
	"binnacle/projections/index/search"
)

// generation is one set of tables.
type generation struct {
	*Generations
	number int
	tables string
	reads  reads.Reads // short ones
	audit  reads.Reads // of any length
	engine search.Engine

	writing sync.Mutex
	writers map[int32]*writer // by partition
}

func (g *Generations) open(number int) *generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if opened := g.opened[number]; opened != nil {
		return opened
	}
	tables := g.tables(number)
	opened := &generation{
		Generations: g,
		number:      number,
		tables:      tables,
		reads: reads.Reads{DB: reader{g.work, "postgres.Read", callTimeout}, Dialect: dialect{tables},
			Referred: reads.NewReferred(), Counts: reads.NewCounts(), Sort: func(ctx context.Context) {
				// where it fails, by a missing right or otherwise, the look-up is only slower
				_, _ = g.work.Exec(ctx, "select gin_clean_pending_list($1::regclass)", tables+"version_keys")
			}},
		audit:   reads.Reads{DB: reader{g.work, "postgres.Read", 0}, Dialect: dialect{tables}},
		engine:  search.NewEngine(reader{g.sets, "postgres.Sets", 0}, g.bounds),
		writers: map[int32]*writer{},
	}
	g.opened[number] = opened
	return opened
}

func (g *generation) writer(partition int32) *writer {
	g.writing.Lock()
	defer g.writing.Unlock()
	w := g.writers[partition]
	if w == nil {
		w = &writer{generation: g, next: -1, copies: newCopies()}
		w.from.Store(-1)
		w.to.Store(-1)
		g.writers[partition] = w
	}
	return w
}

// stands is told where a partition stands: anywhere but where this process has left it, somebody else has written.
func (g *generation) stands(partition int32, next int64) {
	if w := g.writer(partition); next != w.from.Load() && next != w.to.Load() {
		g.reads.Referred.Doubt()
	}
}

// search answers a query within the time of one search, on one connection.
func (g *generation) search(ctx context.Context, q projections.Query) (projections.Page, error) {
	const op = "postgres.Search"
	if q.NoTimeLimit {
		return g.searchUnlimited(ctx, q)
	}
	return within(ctx, g, op, func(ctx context.Context, db reader) (projections.Page, error) {
		return g.engine.Search(ctx, db, g.reads.Dialect, q)
	})
}

func (g *generation) versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	return within(ctx, g, "postgres.Versions", func(ctx context.Context, db reader) (projections.SpanPage, error) {
		r := g.reads
		r.DB = db
		return r.Versions(ctx, span)
	})
}

// within asks for a page on one connection for searches, and refuses it when it takes longer than a search may.
func within[P any](
	ctx context.Context, g *generation, op string, ask func(ctx context.Context, db reader) (P, error),
) (P, error) {
	var none P
	limit := projections.SearchTime(ctx, g.timeout)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := g.searches.Acquire(limited)
	if err != nil {
		if errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			return none, events.Wrap(events.Transient, op, err,
				"no connection for the search became free in %s; others take long", limit)
		}
		return none, classify(op, err)
	}
	defer conn.Release()
	if limit != g.timeout {
		if err := statementTime(limited, conn, limit); err != nil {
			return none, err
		}
		defer func() {
			if err := statementTime(context.WithoutCancel(ctx), conn, g.timeout); err != nil {
				_ = conn.Conn().Close(context.WithoutCancel(ctx)) // the pool makes another one, as it should be
			}
		}()
	}
	page, err := ask(limited, reader{conn, op, 0})
	if err != nil && ctx.Err() == nil && (isOverTime(err) || errors.Is(limited.Err(), context.DeadlineExceeded)) {
		return none, search.OverTime(err, limit)
	}
	return page, err
}

// statementTime sets how long a statement of a connection may take.
func statementTime(ctx context.Context, conn *pgxpool.Conn, limit time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := conn.Exec(bounded, "select set_config('statement_timeout', $1, false)",
		strconv.FormatInt(limit.Milliseconds(), 10))
	return classify("postgres.Search", err)
}

// searchUnlimited searches on one of the connections that have no limit of time.
func (g *generation) searchUnlimited(ctx context.Context, q projections.Query) (projections.Page, error) {
	const op = "postgres.Search"
	conn, err := g.patient.Acquire(ctx)
	if err != nil {
		return projections.Page{}, classify(op, err)
	}
	defer conn.Release()
	return g.engine.Search(ctx, reader{conn, op, 0}, g.reads.Dialect, q)
}

// countedTo is how many rows of a table sizes counts; beyond it takes the server's estimate.
const countedTo = 200_000

// sizes takes versions from the positions and resources from the counters. The rows of terms are counted as long as
// they are few.
func (g *generation) sizes(ctx context.Context) (projections.Sizes, error) {
	var z projections.Sizes
	rows := func(table string) string {
		return fmt.Sprintf("(select case when n.n <= %[1]d then n.n else greatest(n.n, (select "+
			"greatest(c.reltuples::bigint, s.n_live_tup) from pg_class c left join pg_stat_user_tables s on s.relid "+
			"= c.oid "+
			"where c.oid = '%[2]s'::regclass)) end from (select count(*) as n from (select 1 from %[2]s limit %[1]d "+
			"+ 1) r) n)", countedTo, g.tables+table)
	}
	sql := "select (select coalesce(sum(p.next_sid - 1 - (p.partition::bigint << " + strconv.Itoa(projections.SidBits) +
		")), 0)::bigint from " + g.tables + "position p), " +
		"(select coalesce(sum(n.living), 0)::bigint from " + g.tables + "counter n), (select count(*) from " +
		g.tables + "quarantine), " +
		rows("term") + " + " + rows("span") + " + " + rows("text") + ", " +
		"(select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c join pg_namespace s on " +
		"s.oid = c.relnamespace where s.nspname = $1 and c.relkind = 'r')"
	err := g.audit.DB.Query(ctx, sql, []any{generationSchema(g.schema, g.number)}, func(scan func(...any) error) error {
		return scan(&z.Versions, &z.Resources, &z.Quarantined, &z.Terms, &z.Bytes)
	})
	return z, err
}

// TableSizes returns the bytes on disk of each table and index of the live generation.
func (g *Generations) TableSizes(ctx context.Context) (map[string]int64, error) {
	const op = "postgres.TableSizes"
	number, _, err := g.pointer(ctx)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	err = queryOn(ctx, g.work, op, "select c.relname::text, pg_relation_size(c.oid) from pg_class c join "+
		"pg_namespace s on s.oid = c.relnamespace where s.nspname = $1 and c.relkind in ('r', 'i')",
		[]any{generationSchema(g.schema, number)}, func(scan func(...any) error) error {
			var name string
			var bytes int64
			err := scan(&name, &bytes)
			sizes[name] = bytes
			return err
		})
	return sizes, err
}

func (g *generation) since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	state, err := g.reads.State(ctx, partition)
	if err != nil {
		return projections.Changes{}, err
	}
	return g.reads.Since(ctx, state, g.number, mark, limit)
}

// live follows the pointer.
type live struct {
	*Generations
	catalog string // that the live generation must have; "": any

	mu    sync.Mutex
	based map[int32]int // the generation that the last State of a partition came from
}

var _ projections.Index = (*live)(nil)

// follow asks the generation that is live, and once more when that one turns out to be gone.
func follow[T any](ctx context.Context, l *live, ask func(g *generation) (T, error)) (answer T, err error) {
	number, catalog, err := l.pointer(ctx)
	if err == nil {
		err = l.bound(number, catalog)
	}
	if err != nil {
		return answer, err
	}
	if answer, err = ask(l.open(number)); !isGone(err) {
		return answer, err
	}
	if number, catalog, again := l.readPointer(ctx); again == nil {
		if err := l.bound(number, catalog); err != nil {
			return answer, err
		}
		return ask(l.open(number))
	}
	return answer, err
}

func (l *live) bound(number int, catalog string) error {
	if l.catalog != "" && l.catalog != catalog {
		return reads.Rebound(number)
	}
	return nil
}

func (l *live) State(ctx context.Context, partition int32) (projections.State, error) {
	return follow(ctx, l, func(g *generation) (projections.State, error) {
		state, err := g.reads.State(ctx, partition)
		if err == nil {
			g.stands(partition, state.Next)
			l.mu.Lock()
			l.based[partition] = g.number
			l.mu.Unlock()
		}
		return state, err
	})
}

func (l *live) Commit(ctx context.Context, c projections.Commit) error {
	l.mu.Lock()
	number, known := l.based[c.Partition]
	l.mu.Unlock()
	if !known {
		var catalog string
		var err error
		if number, catalog, err = l.pointer(ctx); err == nil {
			err = l.bound(number, catalog)
		}
		if err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	w := l.open(number).writer(c.Partition)
	err := w.commit(bounded, c, w.whileLive())
	if isGone(err) {
		if moved, _, again := l.readPointer(ctx); again == nil && moved != number {
			return reads.Moved(number, moved)
		}
	}
	if events.KindOf(err) == events.Conflict {
		l.expire()
	}
	return err
}

func (l *live) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	return follow(ctx, l, func(g *generation) ([]projections.Version, error) { return g.reads.Current(ctx, keys) })
}

func (l *live) Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error) {
	return follow(ctx, l, func(g *generation) ([]*events.Outcome, error) { return g.reads.Outcomes(ctx, eventIDs) })
}

func (l *live) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	return follow(ctx, l, func(g *generation) (projections.Page, error) { return g.search(ctx, q) })
}

func (l *live) Since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	return follow(ctx, l, func(g *generation) (projections.Changes, error) {
		return g.since(ctx, partition, mark, limit)
	})
}

func (l *live) SnapshotAt(ctx context.Context, position events.Position) (int64, error) {
	return follow(ctx, l, func(g *generation) (int64, error) { return g.reads.SnapshotAt(ctx, position) })
}

func (l *live) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	return follow(ctx, l, func(g *generation) (projections.Version, error) {
		return g.reads.Version(ctx, key, number)
	})
}

func (l *live) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	return follow(ctx, l, func(g *generation) (projections.SpanPage, error) { return g.versions(ctx, span) })
}

func (l *live) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	return follow(ctx, l, func(g *generation) (map[int32]projections.State, error) { return g.reads.Partitions(ctx) })
}

// Scan stays with one generation: a visitor must not see a version twice.
func (l *live) Scan(ctx context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	number, catalog, err := l.readPointer(ctx)
	if err != nil {
		return err
	}
	if err := l.bound(number, catalog); err != nil {
		return err
	}
	return l.open(number).audit.Scan(ctx, partition, visit)
}

func (*live) Digests(rows []projections.Row) []events.Hash {
	return reads.Digests(dialect{}, rows)
}

func (l *live) Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	return follow(ctx, l, func(g *generation) ([]projections.Quarantined, error) {
		return g.reads.Quarantine(ctx, after, limit)
	})
}

func (l *live) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	return follow(ctx, l, func(g *generation) ([]events.Decision, error) { return g.audit.Decisions(ctx, from, limit) })
}

func (l *live) Claims(ctx context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
	return follow(ctx, l, func(g *generation) ([]projections.Claim, error) { return g.reads.Claims(ctx, names) })
}

func (l *live) Referrers(
	ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	return follow(ctx, l, func(g *generation) ([][]int, error) { return g.reads.Referrers(ctx, keys, by) })
}

func (l *live) Unsettled(ctx context.Context) (count int64, oldest time.Time, err error) {
	count, err = follow(ctx, l, func(g *generation) (count int64, err error) {
		count, oldest, err = g.reads.Unsettled(ctx)
		return count, err
	})
	return count, oldest, err
}

func (l *live) Sizes(ctx context.Context) (projections.Sizes, error) {
	return follow(ctx, l, func(g *generation) (projections.Sizes, error) { return g.sizes(ctx) })
}
