package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

const (
	opBuild    = "postgres.Build"
	opBuilding = "postgres.Building"
)

// finishers is how many connections Finish uses at once.
const finishers = 3

// building is a generation that is filled beside the live one. Its reads may take long.
type building struct {
	*generation
	reads.Reads

	mu       sync.Mutex
	lock     *pgx.Conn // holds the exclusive right as long as it is connected; nil: given up
	finished bool
	paused   bool
	catalog  string

	searching sync.Mutex
	searched  time.Duration // spent in searches without indexes
	indexed   bool
}

var _ projections.Building = (*building)(nil)

// Build starts the next generation, or resumes one that has the same catalog. The exclusive right ends with the
// connection that holds it.
func (g *Generations) Build(ctx context.Context, catalog string) (projections.Building, error) {
	lock, err := g.takeBuildLock(ctx)
	if err != nil {
		return nil, err
	}
	b := &building{lock: lock, catalog: catalog}
	number := 0
	err = g.transaction(ctx, opBuild, func(tx pgx.Tx) error {
		number = 0
		rows, err := tx.Query(ctx, "select number, catalog = $1, finished from "+g.control+"generation where state = "+
			"$2 order by number", catalog, stateBuilding)
		if err != nil {
			return err
		}
		type unfinished struct {
			Number         int
			Same, Finished bool
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[unfinished])
		if err != nil {
			return err
		}
		for _, u := range found {
			if u.Same && number == 0 {
				number, b.finished, b.indexed = u.Number, u.Finished, u.Finished
			} else if err := g.dropGeneration(ctx, tx, u.Number); err != nil {
				return err
			}
		}
		if number == 0 {
			number, err = g.createGeneration(ctx, tx, stateBuilding, catalog)
		}
		return err
	})
	if err != nil {
		unlock(ctx, lock)
		return nil, err
	}
	b.generation = g.open(number)
	b.Reads = b.audit
	return b, nil
}

// Reopen goes on with a generation that was live before.
func (g *Generations) Reopen(ctx context.Context, number int) (projections.Building, error) {
	lock, err := g.takeBuildLock(ctx)
	if err != nil {
		return nil, err
	}
	b := &building{lock: lock}
	state := ""
	err = queryOn(ctx, g.work, opBuild,
		"select state, catalog, finished from "+g.control+"generation where number = $1", []any{number},
		func(scan func(...any) error) error { return scan(&state, &b.catalog, &b.finished) })
	if err == nil && state != stateOld {
		err = reads.NotOld(number, state)
	}
	if err != nil {
		unlock(ctx, lock)
		return nil, err
	}
	b.indexed = b.finished
	b.generation = g.open(number)
	b.Reads = b.audit
	return b, nil
}

// Builder names the process that has the exclusive right now.
func (g *Generations) Builder(ctx context.Context) (holder string, err error) {
	key := uint64(g.lockKey("build"))
	sql := "select coalesce((select holder from " + g.control +
		"builder), 'another process') from pg_locks where locktype = 'advisory' and granted and objsubid = 1 " +
		"and database = (select oid from pg_database where datname = current_database()) and classid::bigint = $1 " +
		"and objid::bigint = $2"
	err = queryOn(ctx, g.work, "postgres.Builder", sql, []any{int64(key >> 32), int64(key & 0xffffffff)},
		func(scan func(...any) error) error { return scan(&holder) })
	return holder, err
}

// takeBuildLock takes the exclusive right to build or to drop what is being built, and notes who has it.
func (g *Generations) takeBuildLock(ctx context.Context) (*pgx.Conn, error) {
	config := g.single.Copy()
	config.RuntimeParams["application_name"] = "binnacle build"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, classify(opBuild, err)
	}
	locked := false
	if err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", g.lockKey("build")).Scan(&locked); err == nil &&
		!locked {
		err = g.builder(ctx, conn)
	}
	if err == nil {
		host, unnamed := os.Hostname()
		if unnamed != nil {
			host = "a machine without name"
		}
		_, err = conn.Exec(ctx, "insert into "+g.control+"builder (holder) values ($1) on conflict (one) do update "+
			"set holder = excluded.holder, since = now()", fmt.Sprintf("process %d on %s", os.Getpid(), host))
	}
	if err != nil {
		closeSoon(ctx, conn)
		return nil, classify(opBuild, err)
	}
	return conn, nil
}

// unlock gives the exclusive right back before it closes the connection: the server may take a moment to notice that.
func unlock(ctx context.Context, conn *pgx.Conn) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer cancel()
	_, _ = conn.Exec(bounded, "select pg_advisory_unlock_all()") // it goes with the connection anyway
	closeSoon(ctx, conn)
}

// builder is the refusal that names the holder.
func (g *Generations) builder(ctx context.Context, conn *pgx.Conn) error {
	holder, since := "another process", time.Now()
	err := conn.QueryRow(ctx, "select holder, since from "+g.control+"builder").Scan(&holder, &since)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // it may not have said so yet
		return err
	}
	return events.Errorf(events.Conflict, opBuild, "%s has been building or dropping a generation since %s; wait for "+
		"it or stop it", holder, since.UTC().Format(time.RFC3339))
}

func (b *building) Number() int { return b.number }

func (b *building) Commit(ctx context.Context, c projections.Commit) error {
	w := b.writer(c.Partition)
	return w.commit(ctx, c, w.whileBuilding())
}

func (b *building) Since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	return b.since(ctx, partition, mark, limit)
}

// searchPatience is how much time searches without indexes may take in all before the indexes are built early: about
// what they cost.
const searchPatience = 2 * time.Second

// Search reads bare tables for as long as that is cheaper than to have indexes. It has no limit of time: what a replay
// decides must not depend on it.
func (b *building) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	b.searching.Lock()
	early := !b.indexed && b.searched > searchPatience
	b.searching.Unlock()
	if early {
		if err := b.buildIndexes(ctx, func(string) {}); err != nil {
			return projections.Page{}, err
		}
	}
	started := time.Now()
	page, err := b.searchUnlimited(ctx, q)
	b.searching.Lock()
	b.searched += time.Since(started)
	b.searching.Unlock()
	return page, err
}

func (*building) Digests(rows []projections.Row) []events.Hash {
	return reads.Digests(dialect{}, rows)
}

func (b *building) Referrers(
	ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	return b.EverReferrers(ctx, keys, by)
}

func (b *building) Sizes(ctx context.Context) (projections.Sizes, error) { return b.sizes(ctx) }

// Finish builds the search indexes and gathers the statistics, on several connections at once. To do it again is cheap.
func (b *building) Finish(ctx context.Context, progress func(done, all int, step string)) error {
	if err := b.held(ctx); err != nil {
		return err
	}
	all := len(searchIndexes()) + len(grown())
	var mu sync.Mutex
	done := 0
	report := func(step string) {
		mu.Lock()
		defer mu.Unlock()
		done++
		progress(done, all, step)
	}
	progress(0, all, "building the search indexes")
	if err := b.buildIndexes(ctx, report); err != nil {
		return err
	}
	if err := inParallel(ctx, b, grown(), func(ctx context.Context, conn *pgx.Conn, table string) error {
		if _, err := conn.Exec(ctx, "alter table "+b.tables+table+" reset (autovacuum_enabled)"); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "vacuum (analyze) "+b.tables+table); err != nil {
			return err
		}
		report("statistics of " + table)
		return nil
	}); err != nil {
		return err
	}
	if _, err := b.work.Exec(ctx, "update "+b.control+"generation set finished = true where number = $1",
		b.number); err != nil {
		return classify(opBuilding, err)
	}
	b.mu.Lock()
	b.finished = true
	b.mu.Unlock()
	return nil
}

// buildIndexes builds the search indexes that are not there yet. Commits wait meanwhile.
func (b *building) buildIndexes(ctx context.Context, report func(step string)) error {
	b.searching.Lock()
	defer b.searching.Unlock()
	err := inParallel(ctx, b, searchIndexes(), func(ctx context.Context, conn *pgx.Conn, index searchIndex) error {
		if _, err := conn.Exec(ctx, index.create(b.tables)); err != nil {
			return err
		}
		report("index " + index.name)
		return nil
	})
	b.indexed = b.indexed || err == nil
	return err
}

// inParallel runs a step for each item on a few connections of their own, which may use much memory.
func inParallel[T any](
	ctx context.Context, b *building, items []T, step func(ctx context.Context, conn *pgx.Conn, item T) error,
) error {
	work := make(chan T, len(items))
	for _, item := range items {
		work <- item
	}
	close(work)
	group, ctx := errgroup.WithContext(ctx)
	for range min(finishers, len(items)) {
		group.Go(func() error {
			config := b.single.Copy()
			set(config, map[string]string{"maintenance_work_mem": "256MB"})
			conn, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				return err
			}
			defer closeSoon(ctx, conn)
			for item := range work {
				if err := step(ctx, conn, item); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return classify(opBuilding, group.Wait())
}

// held makes sure that the exclusive right is still ours.
func (b *building) held(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lock == nil {
		return events.Errorf(events.Conflict, opBuilding, "the right to build generation %d was given up", b.number)
	}
	if err := b.lock.Ping(ctx); err != nil {
		if ctx.Err() != nil {
			return classify(opBuilding, err)
		}
		return events.Wrap(events.Conflict, opBuilding, err,
			"the right to build generation %d went with its connection to Postgres; build again to resume", b.number)
	}
	return nil
}
