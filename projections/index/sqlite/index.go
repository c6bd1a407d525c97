package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/reads"

	"binnacle/projections/index/search"
)

// generation is one set of tables.
type generation struct {
	*Generations
	number int
	reads  reads.Reads
	engine search.Engine
	writer *writer
	states states
}

func (g *Generations) open(number int) *generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if opened := g.opened[number]; opened != nil {
		return opened
	}
	opened := &generation{
		Generations: g,
		number:      number,
		reads:       reads.Reads{DB: g.reader, Dialect: dialect{prefix(number)}},
		engine:      search.NewEngine(g.reader, g.bounds),
		writer:      newWriter(g.file, number),
	}
	g.opened[number] = opened
	return opened
}

func (g *generation) close() {
	g.engine.Sets.Close()
	g.writer.close()
}

// commit writes a commit in which allowed holds, and tells the watchers.
func (g *generation) commit(ctx context.Context, c projections.Commit, allowed func(*sql.Tx) error) error {
	done := g.states.change(c.Partition)
	err := g.writer.commit(ctx, c, allowed)
	done()
	if err != nil {
		return err
	}
	g.progressed()
	return nil
}

func (g *generation) state(ctx context.Context, partition int32) (projections.State, error) {
	if !g.exclusive {
		return g.reads.State(ctx, partition)
	}
	return g.states.get(partition, func() (projections.State, error) { return g.reads.State(ctx, partition) })
}

func (g *generation) since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	state, err := g.state(ctx, partition)
	if err != nil {
		return projections.Changes{}, err
	}
	return g.reads.Since(ctx, state, g.number, mark, limit)
}

func (g *generation) search(ctx context.Context, q projections.Query) (projections.Page, error) {
	if q.NoTimeLimit {
		return g.engine.Search(ctx, g.reads.DB, g.reads.Dialect, q)
	}
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	page, err := g.engine.Search(limited, g.reads.DB, g.reads.Dialect, q)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return projections.Page{}, search.OverTime(err, g.timeout)
	}
	return page, err
}

func (g *generation) sizes(ctx context.Context) (projections.Sizes, error) {
	sizes, err := g.reads.Sizes(ctx)
	if err != nil {
		return sizes, err
	}
	// The file holds the log and the blobs, too: the bytes are those of this generation's tables.
	err = g.reader.Query(ctx, "select coalesce(sum(d.pgsize), 0) from dbstat d where d.name glob $1 and "+
		"d.aggregate = true", []any{prefix(g.number) + "*"},
		func(scan func(...any) error) error { return scan(&sizes.Bytes) })
	return sizes, err
}

// TableSizes returns the bytes of each table and index of the live generation.
func (g *Generations) TableSizes(ctx context.Context) (map[string]int64, error) {
	number, _, err := g.pointer(ctx)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	err = g.reader.Query(ctx, "select substr(d.name, $1), d.pgsize from dbstat d where d.name glob $2 and "+
		"d.aggregate = true", []any{len(prefix(number)) + 1, prefix(number) + "*"},
		func(scan func(...any) error) error {
			var name string
			var bytes int64
			err := scan(&name, &bytes)
			sizes[name] = bytes
			return err
		})
	return sizes, err
}

// live follows the pointer.
type live struct {
	*Generations
	catalog string // that the live generation must have; "": any

	mu    sync.Mutex
	based map[int32]int // the generation that the last State of a partition came from
}

var _ projections.Index = (*live)(nil)

func (l *live) current(ctx context.Context) (*generation, error) {
	number, catalog, err := l.pointer(ctx)
	if err != nil {
		return nil, err
	}
	if l.catalog != "" && l.catalog != catalog {
		return nil, reads.Rebound(number)
	}
	return l.open(number), nil
}

func (l *live) State(ctx context.Context, partition int32) (projections.State, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.State{}, err
	}
	state, err := g.state(ctx, partition)
	if err == nil {
		l.mu.Lock()
		l.based[partition] = g.number
		l.mu.Unlock()
	}
	return state, err
}

func (l *live) Commit(ctx context.Context, c projections.Commit) error {
	g, err := l.current(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	based, known := l.based[c.Partition]
	l.mu.Unlock()
	if known && based != g.number {
		return reads.Moved(based, g.number)
	}
	return g.commit(ctx, c, func(tx *sql.Tx) error {
		number, paused := 0, int64(0)
		if err := tx.Stmt(g.writer.statements["pointer"]).QueryRow().Scan(&number, &paused); err != nil {
			return err
		}
		if number != g.number {
			return reads.Moved(g.number, number)
		}
		if paused > time.Now().UnixMicro() {
			return reads.Paused()
		}
		return nil
	})
}

func (l *live) Current(ctx context.Context, keys []projections.Key) ([]projections.Version, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	found, err := g.reads.Current(ctx, keys)
	if err == nil {
		err = g.doubt(ctx, keys, found)
	}
	return found, err
}

// doubt looks for what was not found by its id in another index of the file. SQLite notices damage to the frame of a
// page, not to what stands in it (https://www.sqlite.org/cksumvfs.html), so that a damaged index by id would make a
// resource look as if it had never been.
func (g *generation) doubt(ctx context.Context, keys []projections.Key, found []projections.Version) error {
	var missing []projections.Key
	for i, v := range found {
		if v.Sid == 0 {
			missing = append(missing, keys[i])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	written, err := g.reads.Written(ctx, missing)
	if err != nil || len(written) == 0 {
		return err
	}
	again, err := g.reads.Current(ctx, written) // they may have been written meanwhile
	for i, v := range again {
		if v.Sid == 0 {
			return events.Errorf(events.Internal, "sqlite.Current", "the SQLite file is damaged: %s/%s has versions "+
				"that are not found by its id; restore the file from a backup, or run `binnacle rebuild`",
				written[i].Type, written[i].ID)
		}
	}
	return err
}

func (l *live) Outcomes(ctx context.Context, eventIDs []string) ([]*events.Outcome, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Outcomes(ctx, eventIDs)
}

func (l *live) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.Page{}, err
	}
	return g.search(ctx, q)
}

func (l *live) Since(
	ctx context.Context, partition int32, mark projections.Mark, limit int,
) (projections.Changes, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.Changes{}, err
	}
	return g.since(ctx, partition, mark, limit)
}

func (l *live) SnapshotAt(ctx context.Context, position events.Position) (int64, error) {
	g, err := l.current(ctx)
	if err != nil {
		return 0, err
	}
	return g.reads.SnapshotAt(ctx, position)
}

func (l *live) History(
	ctx context.Context, key projections.Key, span projections.HistorySpan,
) (projections.HistoryPage, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.HistoryPage{}, err
	}
	page, err := g.reads.History(ctx, key, span)
	if err == nil && page.Total == 0 {
		err = g.doubt(ctx, []projections.Key{key}, make([]projections.Version, 1))
	}
	return page, err
}

func (l *live) Partitions(ctx context.Context) (map[int32]projections.State, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Partitions(ctx)
}

func (l *live) Scan(ctx context.Context, partition int32, visit func(projections.Version, events.Hash) error) error {
	g, err := l.current(ctx)
	if err != nil {
		return err
	}
	return g.reads.Scan(ctx, partition, visit)
}

func (l *live) Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Quarantine(ctx, after, limit)
}

func (l *live) Decisions(ctx context.Context, from events.Position, limit int) ([]events.Decision, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Decisions(ctx, from, limit)
}

func (l *live) Claims(ctx context.Context, names []projections.ClaimName) ([]projections.Claim, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Claims(ctx, names)
}

func (l *live) Referrers(
	ctx context.Context, keys []projections.Key, by map[string][]projections.Referrer,
) ([][]int, error) {
	g, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	return g.reads.Referrers(ctx, keys, by)
}

func (l *live) Unsettled(ctx context.Context) (int64, time.Time, error) {
	g, err := l.current(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	return g.reads.Unsettled(ctx)
}

func (l *live) Sizes(ctx context.Context) (projections.Sizes, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.Sizes{}, err
	}
	return g.sizes(ctx)
}

// building is a generation that is filled beside the live one.
type building struct {
	reads.Reads
	g       *generation
	lock    *buildLock
	catalog string

	once   sync.Once
	paused atomic.Int64 // until when, microseconds since 1970; 0: no pause was asked for
}

var _ projections.Building = (*building)(nil)

func (b *building) Number() int { return b.g.number }

func (b *building) Search(ctx context.Context, q projections.Query) (projections.Page, error) {
	if err := b.g.writer.readable(ctx, &q); err != nil {
		return projections.Page{}, err
	}
	return b.g.search(ctx, q)
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

// Pause stops commits to the live generation. Those under way have their transaction before or after this one.
func (b *building) Pause(ctx context.Context, atMost time.Duration) error {
	until := time.Now().Add(atMost).UnixMicro()
	err := b.g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update index_pointer set paused = $1", until)
		return err
	})
	if err == nil {
		b.paused.Store(until)
	}
	return err
}

func (b *building) Resume(ctx context.Context) error {
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
	b.once.Do(func() { err = b.lock.release() })
	return err
}
