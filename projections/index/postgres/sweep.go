package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/reads"
)

const opSweep = "postgres.Sweep"

// Sizes of a portion.
const (
	sweptVersions = 500
	sweptBlocks   = 128 // of the term table, that are looked at

	// sweepVacuum is the stage after those of package reads.
	sweepVacuum = reads.SweepTerms + 1
)

// sweeper sweeps the generation that is live.
type sweeper struct {
	*Generations
	superseded reads.Superseded
}

// Sweeper sweeps the live generation.
func (g *Generations) Sweeper() projections.Sweeper { return &sweeper{Generations: g} }

func (s *sweeper) live(ctx context.Context) (*generation, error) {
	number, _, err := s.pointer(ctx)
	if err != nil {
		return nil, err
	}
	return s.open(number), nil
}

func (s *sweeper) Horizon(ctx context.Context, partition int32, snapshot int64) error {
	g, err := s.live(ctx)
	if err != nil {
		return err
	}
	_, err = g.work.Exec(ctx, reads.MoveHorizon(g.tables), partition, snapshot)
	return classify(opSweep, err)
}

func (s *sweeper) Waste(ctx context.Context) (projections.Waste, error) {
	g, err := s.live(ctx)
	if err != nil {
		return projections.Waste{}, err
	}
	return s.superseded.Waste(ctx, g.audit, g.number)
}

// Sweep has a connection of its own, which holds the lock that makes it exclusive.
func (s *sweeper) Sweep(ctx context.Context) (projections.Sweep, error) {
	g, err := s.live(ctx)
	if err != nil {
		return nil, err
	}
	config := g.single.Copy()
	config.RuntimeParams["application_name"] = "binnacle sweep"
	set(config, forSearches)
	set(config, map[string]string{"vacuum_cost_delay": "2ms"}) // as the server's own
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, classify(opSweep, err)
	}
	locked := false
	if err = conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", g.lockKey("sweep")).Scan(&locked); err == nil &&
		!locked {
		err = events.Errorf(events.Conflict, opSweep, "another process is sweeping")
	}
	if err == nil {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return all(ctx, tx, reads.BeginSweep(g.tables)) })
	}
	if err != nil {
		closeSoon(ctx, conn)
		return nil, classify(opSweep, err)
	}
	started := &sweep{generation: g, conn: conn, reads: reads.Reads{DB: reader{conn, opSweep, 0},
		Dialect: g.reads.Dialect}}
	started.release = sync.OnceFunc(func() { unlock(context.WithoutCancel(ctx), conn) })
	return started, nil
}

func all(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// sweep is a sweep of one generation.
type sweep struct {
	*generation
	conn    *pgx.Conn
	reads   reads.Reads
	release func()
}

func (s *sweep) Release() error {
	s.release()
	return nil
}

func (s *sweep) Portion(ctx context.Context) (portion projections.SweepPortion, err error) {
	place, begun, err := s.reads.SweepPlace(ctx)
	switch {
	case err != nil:
		return portion, err
	case !begun:
		portion.Done = true
		return portion, nil
	case place.Stage == reads.SweepByVersion:
		err = s.byVersion(ctx, place, &portion)
	case place.Stage == sweepVacuum:
		err = s.vacuum(ctx, &portion)
	default:
		err = s.terms(ctx, place, &portion)
	}
	if err != nil {
		return projections.SweepPortion{}, classify(opSweep, err)
	}
	return portion, nil
}

// byVersion removes the ranges and texts of some versions.
func (s *sweep) byVersion(ctx context.Context, place reads.SweepPlace, portion *projections.SweepPortion) error {
	versions, last, err := s.reads.ToSweep(ctx, place.A, sweptVersions)
	if err != nil {
		return err
	}
	if last == 0 { // B is the end of the table as it is now: what is added later is not superseded
		blocks := int64(0)
		if err := s.conn.QueryRow(ctx, "select pg_relation_size($1::text::regclass) / "+
			"current_setting('block_size')::bigint", s.tables+"term").Scan(&blocks); err != nil {
			return err
		}
		return s.remove(ctx, reads.SweepPlace{Stage: reads.SweepTerms, B: blocks}, func(pgx.Tx) error { return nil })
	}
	firsts, lasts := make([]int64, len(versions)), make([]int64, len(versions))
	for i, sid := range versions {
		firsts[i], lasts[i] = keys.RefsOf(sid)
	}
	return s.remove(ctx, reads.SweepPlace{Stage: reads.SweepByVersion, A: last}, func(tx pgx.Tx) error {
		for _, table := range [...]string{"span", "text"} {
			tag, err := tx.Exec(ctx, "delete from "+s.tables+table+" t using unnest($1::bigint[], $2::bigint[]) "+
				"r(first, last) where t.ref >= r.first and t.ref <= r.last", firsts, lasts)
			if err != nil {
				return err
			}
			portion.Removed += tag.RowsAffected()
		}
		_, err := tx.Exec(ctx, "update "+s.tables+"version set keys = null where sid = any($1) and keys is not null",
			versions)
		return err
	})
}

// terms looks at the next blocks of the term table and removes the rows of versions that are swept. Place A is the
// first block.
func (s *sweep) terms(ctx context.Context, place reads.SweepPlace, portion *projections.SweepPortion) error {
	next := place
	if next.A += sweptBlocks; next.A >= place.B {
		next.Stage = sweepVacuum
	}
	return s.remove(ctx, next, func(tx pgx.Tx) error {
		sql := fmt.Sprintf("delete from %sterm t where t.ctid >= '(%d,0)'::tid and t.ctid < '(%d,0)'::tid and %s",
			s.tables, place.A, place.A+sweptBlocks, reads.Doomed(s.tables))
		tag, err := tx.Exec(ctx, sql, pgx.QueryExecModeExec) // each text is asked once: it is not prepared
		portion.Removed += tag.RowsAffected()
		return err
	})
}

// vacuum has the server note which pages all may see, after rows were removed from nearly each of them: searches read
// an index alone again, and not the row to every entry. What it does by itself begins when a fifth of a table is dead.
func (s *sweep) vacuum(ctx context.Context, portion *projections.SweepPortion) error {
	for _, table := range [...]string{"span", "text", "version", "term"} {
		if _, err := s.conn.Exec(ctx, "vacuum "+s.tables+table); err != nil {
			return err
		}
	}
	portion.Done = true
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { return all(ctx, tx, reads.EndSweep(s.tables)) })
}

// remove runs a transaction that removes rows, and moves the place.
func (s *sweep) remove(ctx context.Context, next reads.SweepPlace, do func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, reads.MoveSweep(s.tables), next.Stage, next.A, next.B, next.C); err != nil {
			return err
		}
		return do(tx)
	})
}
