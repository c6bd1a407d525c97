// Package sqlite keeps the search index in SQLite: the generations stand side by side in one file, told apart by the
// prefix of their tables ("g1_term"). It promises what package projections asks of an index; the statements are those
// of the rooms beside it.
//
// Commits don't wait for the disk: after a crash of the machine the latest may be missing, and the log brings them
// back.
package sqlite

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/events/sqlitefile"
	"binnacle/projections"
	"binnacle/projections/index/reads"
	"binnacle/projections/index/search"
	"binnacle/projections/index/sets"
)

// Config says where the index is and how it works.
type Config struct {
	File    *sqlitefile.File // stays open when the index is closed
	Catalog string           // digest of the catalog, noted for the first generation
	Timeout time.Duration    // of one search; 0: search.DefaultTimeout
	Logger  *slog.Logger
	Bounds  sets.Bounds // of the planner; zero: the defaults

	// Exclusive promises that no other process commits to the live generation. How far it has come is then known
	// without asking the file.
	Exclusive bool
}

// The states of a generation.
const (
	stateBuilding = "building"
	stateLive     = "live"
	stateOld      = "old"
)

// pointerAge is how long a process may take another one's switch to become known to it.
const pointerAge = 100 * time.Millisecond

// Generations is the index of a file.
type Generations struct {
	file      *sqlitefile.File
	reader    *reader
	logger    *slog.Logger
	timeout   time.Duration
	bounds    sets.Bounds
	exclusive bool
	holds     *sqlitefile.Holds

	mu       sync.Mutex
	opened   map[int]*generation
	watchers map[chan struct{}]struct{}
	live     int    // the pointer as it was read
	catalog  string // of the live generation
	read     time.Time
}

var _ projections.Generations = (*Generations)(nil)

// Open opens the index of a file. When there is none it is made if create is true; else the error, of kind NotFound,
// says what to do.
func Open(ctx context.Context, config Config, create bool) (*Generations, error) {
	if err := ensure(ctx, config.File, config.Catalog, time.Now().UnixMicro(), create); err != nil {
		return nil, err
	}
	if err := ensureMemos(ctx, config.File, create); err != nil {
		return nil, err
	}
	return &Generations{
		file:      config.File,
		reader:    newReader(config.File.Read),
		logger:    config.Logger,
		timeout:   search.Timeout(config.Timeout),
		bounds:    config.Bounds.OrDefault(),
		exclusive: config.Exclusive,
		holds:     sqlitefile.NewHolds(config.File.Path()),
		opened:    map[int]*generation{},
		watchers:  map[chan struct{}]struct{}{},
	}, nil
}

// Live returns an index that follows the pointer.
func (g *Generations) Live() projections.Index { return g.Bound("") }

// Bound returns an index that follows the pointer to generations with a catalog; "": to all.
func (g *Generations) Bound(catalog string) projections.Index {
	return &live{Generations: g, catalog: catalog, based: map[int32]int{}}
}

// Auditor reads one generation.
func (g *Generations) Auditor(number int) projections.Auditor { return auditor{g, number} }

// pointer is the number of the live generation and the digest of its catalog.
func (g *Generations) pointer(ctx context.Context) (int, string, error) {
	g.mu.Lock()
	number, catalog, read := g.live, g.catalog, g.read
	g.mu.Unlock()
	now := time.Now()
	if number != 0 && now.Sub(read) < pointerAge {
		return number, catalog, nil
	}
	var fresh int64
	err := g.reader.Query(ctx, "select p.number, g.catalog from index_pointer p join index_generation g on g.number "+
		"= p.number", nil,
		func(scan func(...any) error) error { return scan(&fresh, &catalog) })
	if err != nil {
		return 0, "", err
	}
	g.point(int(fresh), catalog, now)
	return int(fresh), catalog, nil
}

// stale has the pointer read anew when it is asked for: somebody has seen that it moved.
func (g *Generations) stale() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read = time.Time{}
}

func (g *Generations) point(number int, catalog string, read time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if read.After(g.read) {
		if opened := g.opened[number]; opened != nil && number != g.live {
			opened.states.forget() // another process has built it, or kept it
			opened.engine.Sets.Forget()
		}
		if old := g.opened[g.live]; old != nil && number != g.live {
			old.engine.Sets.Forget() // nobody begins to search in it any more
		}
		g.live, g.catalog, g.read = number, catalog, read
	}
}

// Build starts the next generation, or resumes one with the same catalog.
func (g *Generations) Build(ctx context.Context, catalog string) (projections.Building, error) {
	lock, err := takeBuildLock(ctx, g.file.Path(), g.logger)
	if err != nil {
		return nil, err
	}
	number := 0
	err = g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		var unfinished sql.NullInt64
		var made sql.NullString
		highest := 0
		if err := tx.QueryRowContext(ctx, "select coalesce(max(number), 0) from index_generation").Scan(
			&highest); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, "select number, catalog from index_generation where state = $1",
			stateBuilding).Scan(&unfinished, &made)
		switch {
		case err == nil && made.String == catalog:
			number = int(unfinished.Int64)
			return nil
		case err == nil:
			if err := dropGeneration(ctx, tx, int(unfinished.Int64)); err != nil {
				return err
			}
		case err != sql.ErrNoRows:
			return err
		}
		number = highest + 1
		return createGeneration(ctx, tx, number, stateBuilding, catalog, time.Now().UnixMicro())
	})
	if err != nil {
		_ = lock.release() // the error to tell is that of the transaction
		return nil, err
	}
	opened := g.open(number)
	opened.writer.reset()
	return &building{Reads: opened.reads, g: opened, lock: lock, catalog: catalog}, nil
}

// Reopen goes on with a generation that was live before.
func (g *Generations) Reopen(ctx context.Context, number int) (projections.Building, error) {
	lock, err := takeBuildLock(ctx, g.file.Path(), g.logger)
	if err != nil {
		return nil, err
	}
	state, catalog := "", ""
	err = g.reader.Query(ctx, "select state, catalog from index_generation where number = $1", []any{int64(number)},
		func(scan func(...any) error) error { return scan(&state, &catalog) })
	if err == nil && state != stateOld {
		err = reads.NotOld(number, state)
	}
	if err != nil {
		_ = lock.release() // the error to tell is that of the look at the generation
		return nil, err
	}
	opened := g.open(number)
	opened.writer.reset()
	return &building{Reads: opened.reads, g: opened, lock: lock, catalog: catalog}, nil
}

// List tells what there is, oldest first.
func (g *Generations) List(ctx context.Context) ([]projections.Generation, error) {
	var found []projections.Generation
	err := g.reader.Query(ctx, "select number, state, catalog, made from index_generation order by number", nil,
		func(scan func(...any) error) error {
			var n projections.Generation
			var number, made int64
			if err := scan(&number, &n.State, &n.Catalog, &made); err != nil {
				return err
			}
			n.Number, n.Made = int(number), time.UnixMicro(made).UTC()
			found = append(found, n)
			return nil
		})
	return found, err
}

// Drop removes a generation that is neither live nor being built by somebody else.
func (g *Generations) Drop(ctx context.Context, number int) error {
	const op = "sqlite.Drop"
	lock, err := takeBuildLock(ctx, g.file.Path(), g.logger)
	if err != nil {
		return err
	}
	defer func() { _ = lock.release() }() // it only gives up the exclusive right
	err = g.file.Relaxed(ctx, func(tx *sql.Tx) error {
		state := ""
		err := tx.QueryRowContext(ctx, "select state from index_generation where number = $1", number).Scan(&state)
		switch {
		case err == sql.ErrNoRows:
			return events.Errorf(events.NotFound, op, "there is no generation %d", number)
		case err != nil:
			return err
		case state == stateLive:
			return events.Errorf(events.Conflict, op, "generation %d is live; switch to another one before dropping it",
				number)
		}
		return dropGeneration(ctx, tx, number)
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	dropped := g.opened[number]
	delete(g.opened, number)
	g.mu.Unlock()
	if dropped != nil {
		dropped.close()
	}
	return nil
}

// Ready tells whether the file answers, and whether it is the one at its path.
func (g *Generations) Ready(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := g.file.Usable(); err != nil {
		return err
	}
	return g.reader.Query(bounded, "select number from index_pointer", nil, func(scan func(...any) error) error {
		var number int64
		return scan(&number)
	})
}

// Close ends what is read in the background and gives up the prepared statements; the file stays open.
func (g *Generations) Close() error {
	g.mu.Lock()
	opened := g.opened
	g.opened = map[int]*generation{}
	g.mu.Unlock()
	for _, o := range opened {
		o.close()
	}
	g.reader.close()
	g.holds.Close()
	return nil
}
