package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
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
		reads:       reads.Reads{DB: g.reader, Dialect: dialect{prefix(number)}, Counts: reads.NewCounts()},
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
	return within(ctx, projections.SearchTime(ctx, g.timeout), func(ctx context.Context) (projections.Page, error) {
		return g.engine.Search(ctx, g.reads.DB, g.reads.Dialect, q)
	})
}

func (g *generation) versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	return within(ctx, projections.SearchTime(ctx, g.timeout), func(ctx context.Context) (projections.SpanPage, error) {
		return g.reads.Versions(ctx, span)
	})
}

// within asks for a page, and refuses it when it takes longer than the limit.
func within[P any](ctx context.Context, limit time.Duration, ask func(ctx context.Context) (P, error)) (P, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	page, err := ask(limited)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return *new(P), search.OverTime(err, limit)
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
			l.stale()
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

func (l *live) Version(ctx context.Context, key projections.Key, number int64) (projections.Version, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.Version{}, err
	}
	version, err := g.reads.Version(ctx, key, number)
	if err == nil && version.Number == 0 {
		err = g.doubt(ctx, []projections.Key{key}, make([]projections.Version, 1))
	}
	return version, err
}

func (l *live) Versions(ctx context.Context, span projections.Span) (projections.SpanPage, error) {
	g, err := l.current(ctx)
	if err != nil {
		return projections.SpanPage{}, err
	}
	page, err := g.versions(ctx, span)
	if err == nil && span.Key != (projections.Key{}) && len(page.Versions) == 0 && !page.More {
		err = g.doubt(ctx, []projections.Key{span.Key}, make([]projections.Version, 1))
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
