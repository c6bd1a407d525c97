package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/reads"
)

// building is a generation that is filled beside the live one.
type building struct {
	reads.Reads
	g       *generation
	lock    *buildLock
	catalog string

	once   sync.Once
	paused atomic.Int64            // until when, microseconds since 1970; 0: no pause was asked for
	quiet  atomic.Pointer[os.File] // the lock for which nothing may be held back; nil: something may
}

var _ projections.Building = (*building)(nil)

func (b *building) Number() int { return b.g.number }

func (b *building) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	if err := b.g.writer.readable(ctx, &q); err != nil {
		return projections.Page{}, err
	}
	return b.g.search(ctx, q)
}

func (b *building) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	if err := b.g.writer.identified(ctx); err != nil {
		return projections.Version{}, err
	}
	return b.Reads.Version(ctx, key, number)
}

func (b *building) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	if err := b.g.writer.readable(ctx, nil); err != nil {
		return projections.SpanPage{}, err
	}
	if err := b.g.writer.identified(ctx); err != nil {
		return projections.SpanPage{}, err
	}
	return b.Reads.Versions(ctx, span)
}

// Referrers does without the terms, which may have been put aside.
func (b *building) Referrers(
	ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	return b.EverReferrers(ctx, keys, by)
}

func (b *building) Since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	return b.g.since(ctx, partition, mark, limit)
}

func (b *building) Sizes(ctx context.Context) (projections.Sizes, error) {
	if err := b.g.writer.readable(ctx, nil); err != nil {
		return projections.Sizes{}, err
	}
	return b.g.sizes(ctx)
}

// Scan reads the terms.
func (b *building) Scan(
	ctx context.Context, partition int32, visit func(projections.Version, events.Hash) error,
) error {
	if err := b.g.writer.readable(ctx, nil); err != nil {
		return err
	}
	return b.Reads.Scan(ctx, partition, visit)
}

func (b *building) Commit(ctx context.Context, c projections.Commit) error {
	return b.g.commit(ctx, c, func(tx *sql.Tx) error { return b.still(ctx, tx) })
}

// still makes sure that the generation is being built.
func (b *building) still(ctx context.Context, tx *sql.Tx) error {
	state := ""
	err := tx.QueryRowContext(ctx, "select state from index_generation where number = $1", b.g.number).Scan(&state)
	if err == nil && state != stateLive { // an old one was reopened
		return nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return events.Errorf(events.Conflict, "sqlite.Building", "generation %d is not being built any more", b.g.number)
}

// Finish puts the terms into their table, in the order of its key, and makes the indexes of the others.
func (b *building) Finish(ctx context.Context, progress func(done, all int, step string)) error {
	if err := b.g.writer.complete(ctx, progress); err != nil {
		return err
	}
	return ctx.Err()
}

// Pause stops commits to the live generation. Those under way have their transaction before or after this one. Those
// that wait in a process that holds them back are waited for, and nobody holds any until the pause ends.
func (b *building) Pause(ctx context.Context, atMost time.Duration) error {
	if err := b.hush(ctx); err != nil {
		return err
	}
	until := time.Now().Add(atMost).UnixMicro()
	err := b.g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update index_pointer set paused = $1", until)
		return err
	})
	if err == nil {
		b.paused.Store(until)
	} else {
		b.unhush()
	}
	return err
}

// hush waits until nobody holds commits back, and sees to it that nobody does until unhush.
func (b *building) hush(ctx context.Context) error {
	if b.quiet.Load() != nil {
		return nil
	}
	quiet, err := sqlitefile.Still(ctx, b.g.file.Path())
	b.quiet.Store(quiet)
	return err
}

func (b *building) unhush() {
	if quiet := b.quiet.Swap(nil); quiet != nil {
		_ = quiet.Close() // nothing was written
	}
}

func (b *building) Resume(ctx context.Context) error {
	defer b.unhush()
	if b.paused.Swap(0) == 0 {
		return nil
	}
	return b.g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update index_pointer set paused = 0")
		return err
	})
}

// Switch moves the pointer.
func (b *building) Switch(ctx context.Context) error {
	if err := b.g.writer.complete(ctx, func(int, int, string) {}); err != nil { // finished or not
		return err
	}
	if err := b.hush(ctx); err != nil { // it was paused, or nobody has to wait
		return err
	}
	err := b.g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		if err := b.still(ctx, tx); err != nil {
			return err
		}
		if until := b.paused.Load(); until != 0 && until <= time.Now().UnixMicro() {
			return reads.Lapsed(b.g.number)
		}
		if _, err := tx.ExecContext(ctx, "update index_generation set state = $1 where state = $2", stateOld,
			stateLive); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "update index_generation set state = $1 where number = $2", stateLive,
			b.g.number); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "update index_pointer set number = $1, paused = 0", b.g.number)
		return err
	})
	if err != nil {
		return err
	}
	b.paused.Store(0)
	b.g.point(b.g.number, b.catalog, time.Now())
	b.g.progressed()
	return b.Release()
}

func (b *building) Release() error {
	var err error
	b.unhush()
	b.once.Do(func() { err = b.lock.release() })
	return err
}

func (*building) Digests(rows []projections.Row) []events.Hash {
	return reads.Digests(dialect{}, rows)
}
