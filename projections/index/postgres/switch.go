package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"binnacle/events"
	"binnacle/projections/index/reads"
)

// Pause stops commits to the live generation. It waits for those under way.
func (b *building) Pause(ctx context.Context, atMost time.Duration) error {
	if err := b.held(ctx); err != nil {
		return err
	}
	err := b.transaction(ctx, "postgres.Pause", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", b.lockKey("pointer")); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update "+b.control+"installation set paused = clock_timestamp() + $1", atMost)
		return err
	})
	if err == nil {
		b.mu.Lock()
		b.paused = true
		b.mu.Unlock()
	}
	return err
}

// Resume ends a pause.
func (b *building) Resume(ctx context.Context) error {
	b.mu.Lock()
	paused := b.paused
	b.paused = false
	b.mu.Unlock()
	if !paused {
		return nil
	}
	_, err := b.work.Exec(ctx, "update "+b.control+"installation set paused = null")
	return classify("postgres.Resume", err)
}

// Switch makes the generation the live one. It waits for commits under way; those that come later see the new pointer.
func (b *building) Switch(ctx context.Context) error {
	if err := b.held(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	finished, paused := b.finished, b.paused
	b.mu.Unlock()
	if !finished {
		if err := b.Finish(ctx, func(int, int, string) {}); err != nil {
			return err
		}
	}
	err := b.transaction(ctx, "postgres.Switch", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", b.lockKey("pointer")); err != nil {
			return err
		}
		still := true
		if err := tx.QueryRow(ctx,
			"select coalesce(paused > clock_timestamp(), false) from "+b.control+"installation").Scan(
			&still); err != nil {
			return err
		}
		if paused && !still {
			return reads.Lapsed(b.number)
		}
		changed, err := tx.Exec(ctx, "update "+b.control+"generation set state = case when number = $1 then $2 else "+
			"$3 end where state = $2 or number = $1",
			b.number, stateLive, stateOld)
		if err != nil {
			return err
		}
		if changed.RowsAffected() != 2 {
			return notBuilding(b.number)
		}
		if _, err := tx.Exec(ctx, "update "+b.control+"installation set live = $1, paused = null",
			b.number); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "select pg_notify($1, $2)", b.schema, pointerMoved+strconv.Itoa(b.number))
		return err
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.paused = false
	b.mu.Unlock()
	b.point(b.number, b.catalog, time.Now())
	return b.Release()
}

// Release gives up the exclusive right; what was built stays.
func (b *building) Release() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lock != nil {
		unlock(context.Background(), b.lock)
		b.lock = nil
	}
	return nil
}

// Drop removes a generation that is neither live nor being built by somebody else.
func (g *Generations) Drop(ctx context.Context, number int) error {
	const op = "postgres.Drop"
	lock, err := g.takeBuildLock(ctx)
	if err != nil {
		return err
	}
	defer unlock(ctx, lock)
	err = g.transaction(ctx, op, func(tx pgx.Tx) error {
		state := ""
		err := tx.QueryRow(ctx, "select state from "+g.control+"generation where number = $1", number).Scan(&state)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return events.Errorf(events.NotFound, op, "there is no generation %d", number)
		case err != nil:
			return err
		case state == stateLive:
			return events.Errorf(events.Conflict, op, "generation %d is live; switch to another one before dropping it",
				number)
		}
		return g.dropGeneration(ctx, tx, number)
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	delete(g.opened, number)
	g.mu.Unlock()
	return nil
}
