package sqlite

import (
	"context"
	"database/sql"
	"sync"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/reads"
	"binnacle/projections/index/rows"
)

// Sizes of a portion. The term rows are read beside commits; only what is removed keeps one waiting.
const (
	sweptVersions = 500
	sweptTerms    = 10_000 // that are looked at
)

// sweeper sweeps the generation that is live.
type sweeper struct {
	*Generations
	superseded reads.Superseded
	sweeping   sync.Mutex // held by a sweep
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
	return g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, reads.MoveHorizon(prefix(g.number)), partition, snapshot)
		return err
	})
}

func (s *sweeper) Waste(ctx context.Context) (projections.Waste, error) {
	g, err := s.live(ctx)
	if err != nil {
		return projections.Waste{}, err
	}
	return s.superseded.Waste(ctx, g.reads, g.number)
}

func (s *sweeper) Sweep(ctx context.Context) (projections.Sweep, error) {
	const op = "sqlite.Sweep"
	if !s.sweeping.TryLock() {
		return nil, events.Errorf(events.Conflict, op, "a sweep is under way")
	}
	g, err := s.live(ctx)
	if err == nil {
		err = g.file.Relaxed(ctx, func(tx *sql.Tx) error { return all(ctx, tx, reads.BeginSweep(prefix(g.number))) })
	}
	if err != nil {
		s.sweeping.Unlock()
		return nil, err
	}
	return &sweep{generation: g, release: sync.OnceFunc(s.sweeping.Unlock)}, nil
}

func all(ctx context.Context, tx *sql.Tx, statements []string) error {
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// sweep is a sweep of one generation. Two processes that sweep the same do no harm: a portion is removed from where the
// place is, however far that is.
type sweep struct {
	*generation
	release func()
}

func (s *sweep) Release() error {
	s.release()
	return nil
}

func (s *sweep) Portion(ctx context.Context) (projections.SweepPortion, error) {
	place, begun, err := s.reads.SweepPlace(ctx)
	switch {
	case err != nil:
		return projections.SweepPortion{}, err
	case !begun:
		return projections.SweepPortion{Done: true}, nil
	case place.Stage == reads.SweepByVersion:
		return s.byVersion(ctx, place)
	}
	return s.terms(ctx, place)
}

// byVersion removes the ranges and texts of some versions.
func (s *sweep) byVersion(ctx context.Context, place reads.SweepPlace) (portion projections.SweepPortion, err error) {
	versions, last, err := s.reads.ToSweep(ctx, place.A, sweptVersions)
	if err != nil {
		return portion, err
	}
	next := reads.SweepPlace{Stage: reads.SweepByVersion, A: last}
	if last == 0 {
		next = reads.FirstTerm()
	}
	err = s.remove(ctx, next, func(tx *sql.Tx) error {
		for _, table := range [...]string{"span", "text"} {
			removed, err := removeEach(ctx, tx, "delete from "+prefix(s.number)+table+" where ref >= ? and ref <= ?",
				len(versions), func(i int) []any {
					first, last := keys.RefsOf(versions[i])
					return []any{first, last}
				})
			if err != nil {
				return err
			}
			portion.Removed += removed
		}
		return nil
	})
	return portion, err
}

// terms looks at the next term rows in the order of their key, and removes those of versions that are swept.
func (s *sweep) terms(ctx context.Context, place reads.SweepPlace) (portion projections.SweepPortion, err error) {
	table := prefix(s.number) + "term"
	last, more := rows.TermRow{}, false
	err = s.reader.Query(ctx, "select t.key, t.sort, t.ref from "+table+" t where (t.key, t.sort, t.ref) > ($1, $2, "+
		"$3) order by t.key, t.sort, t.ref limit 1 offset $4",
		[]any{place.A, place.B, place.C, sweptTerms - 1}, func(scan func(...any) error) error {
			more = true
			return scan(&last.Key, &last.Sort, &last.Ref)
		})
	if err != nil {
		return portion, err
	}
	stretch := "select t.key, t.sort, t.ref from " + table + " t where (t.key, t.sort, t.ref) > ($1, $2, $3)"
	args := []any{place.A, place.B, place.C}
	if more {
		stretch, args = stretch+" and (t.key, t.sort, t.ref) <= ($4, $5, $6)",
			append(args, last.Key, last.Sort, last.Ref)
	}
	var doomed []rows.TermRow
	err = s.reader.Query(ctx, stretch+" and "+reads.Doomed(prefix(s.number)), args,
		func(scan func(...any) error) error {
			var t rows.TermRow
			err := scan(&t.Key, &t.Sort, &t.Ref)
			doomed = append(doomed, t)
			return err
		})
	if err != nil {
		return portion, err
	}
	err = s.remove(ctx, reads.SweepPlace{Stage: reads.SweepTerms, A: last.Key, B: last.Sort, C: last.Ref},
		func(tx *sql.Tx) error {
			if !more {
				if err := all(ctx, tx, reads.EndSweep(prefix(s.number))); err != nil {
					return err
				}
				portion.Done = true
			}
			portion.Removed, err = removeEach(ctx, tx, "delete from "+table+" where key = ? and sort = ? and ref = ?",
				len(doomed), func(i int) []any {
					return []any{doomed[i].Key, doomed[i].Sort, doomed[i].Ref}
				})
			return err
		})
	return portion, err
}

// remove runs a transaction that removes rows, and moves the place.
func (s *sweep) remove(ctx context.Context, next reads.SweepPlace, do func(tx *sql.Tx) error) error {
	return s.file.Relaxed(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, reads.MoveSweep(prefix(s.number)), next.Stage, next.A, next.B,
			next.C); err != nil {
			return err
		}
		return do(tx)
	})
}

// removeEach runs a statement n times and counts the rows that it removes.
func removeEach(
	ctx context.Context, tx *sql.Tx, text string, n int, args func(i int) []any,
) (removed int64, err error) {
	if n == 0 {
		return 0, nil
	}
	statement, err := tx.PrepareContext(ctx, text)
	if err != nil {
		return 0, err
	}
	defer func() { _ = statement.Close() }() // nothing to tell: it only frees memory
	for i := range n {
		result, err := statement.ExecContext(ctx, args(i)...)
		if err != nil {
			return removed, err
		}
		rows, err := result.RowsAffected()
		if err != nil {
			return removed, err
		}
		removed += rows
	}
	return removed, nil
}
