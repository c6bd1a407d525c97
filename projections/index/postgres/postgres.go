// Package postgres keeps the search index in PostgreSQL (15 or later): a control schema with the installation's name,
// and a schema for each generation ("binnacle_g1"). It promises what package projections asks of an index; the
// statements are those of the rooms beside it.
//
// Several nodes may share an installation. A commit is one transaction that locks the position of its partition, so
// that of two projectors one gets kind Conflict; it holds a shared lock on the pointer, so that no commit slips past a
// switch. Commits don't wait for the disk: after a crash of the server the latest may be missing, and the log brings
// them back. Searches have connections of their own: slow ones never keep a commit waiting.
//
// It needs sessions of its own (LISTEN, advisory locks, prepared statements): connect to the server itself, or through
// a pooler that pools sessions, not transactions.
package postgres

import (
	"context"
	"log/slog"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/search"
	"binnacle/projections/index/sets"
)

// Config says where the index is and how it is reached.
type Config struct {
	// postgres://user:password@host:port/database?sslmode=…; its parameters go before those that the driver sets
	URL    string
	Schema string // name of the control schema and beginning of the generations'; "": binnacle
	// of this process at the most, but for one more while it builds a generation; 0: 16; at least 6
	Connections   int32
	Catalog       string        // digest of the catalog, noted for the first generation
	SearchTimeout time.Duration // of one search; 0: search.DefaultTimeout
	Logger        *slog.Logger  // nil: slog.Default()
	Bounds        sets.Bounds   // of the planner; zero: the defaults
}

// The states of a generation.
const (
	stateBuilding = "building"
	stateLive     = "live"
	stateOld      = "old"
)

const (
	defaultSchema      = "binnacle"
	defaultConnections = 16
	leastConnections   = 6 // one listens, one searches, one searches for the projector, one reads sets, two do the rest

	// pointerAge is how long a process may take another one's switch to become known to it, when no notification tells.
	pointerAge = 100 * time.Millisecond
	// readyTimeout bounds Ready.
	readyTimeout = 3 * time.Second
	// callTimeout bounds ordinary reads, and commitTimeout commits, so that a server that went silent is an error and
	// not a wait.
	callTimeout   = 15 * time.Second
	commitTimeout = time.Minute
)

var _ projections.Generations = (*Generations)(nil)

// Generations is the index of an installation.
type Generations struct {
	schema    string
	control   string // the schema as it stands in SQL, with the dot
	logger    *slog.Logger
	timeout   time.Duration
	bounds    sets.Bounds
	work      *pgxpool.Pool // commits and short reads
	searches  *pgxpool.Pool // searches alone, with a limit of time
	patient   *pgxpool.Pool // searches of the projector, without one
	sets      *pgxpool.Pool // of one connection, what searches wait for while they hold theirs
	single    *pgx.ConnConfig
	listening *pgx.ConnConfig
	close     sync.Once

	mu      sync.Mutex
	opened  map[int]*generation
	live    int    // the pointer as it was read
	catalog string // of the live generation
	read    time.Time
}

// settings checks a configuration and puts in what it leaves out.
func (c Config) settings() (Config, error) {
	const op = "postgres.Open"
	if c.Schema == "" {
		c.Schema = defaultSchema
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`).MatchString(c.Schema) ||
		regexp.MustCompile(`^pg_|_g[0-9]+$`).MatchString(c.Schema) {
		return c, events.Errorf(events.Invalid, op, "the schema %.60q cannot be used: a lower-case letter and up to "+
			"47 letters, digits or _ are wanted, not beginning with pg_, not ending like a generation (_g1)", c.Schema)
	}
	if c.Connections == 0 {
		c.Connections = defaultConnections
	}
	c.Connections = max(c.Connections, leastConnections)
	c.SearchTimeout = search.Timeout(c.SearchTimeout)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// Open connects to the index. When there is none it is made if create is true; else the error, of kind Invalid, says
// what to do. So does the one for a schema of another version of this program.
func Open(ctx context.Context, config Config, create bool) (*Generations, error) {
	c, err := config.settings()
	if err != nil {
		return nil, err
	}
	g := &Generations{schema: c.Schema, control: pgx.Identifier{c.Schema}.Sanitize() + ".", logger: c.Logger,
		timeout: c.SearchTimeout, bounds: c.Bounds.OrDefault(), opened: map[int]*generation{}}
	if err := g.connect(ctx, c); err != nil {
		return nil, asConfigured(err)
	}
	if err := g.ensure(ctx, c.Catalog, create); err != nil {
		_ = g.Close() // the error to tell is that of ensure
		return nil, asConfigured(err)
	}
	return g, nil
}

// tables is what stands before the tables of a generation.
func (g *Generations) tables(number int) string {
	return pgx.Identifier{generationSchema(g.schema, number)}.Sanitize() + "."
}

func generationSchema(schema string, number int) string { return schema + "_g" + strconv.Itoa(number) }

// lockKey is the number of an advisory lock of the installation. Another program of the same database with the same
// number would only make one wait for the other.
func (g *Generations) lockKey(purpose string) int64 {
	return int64(xxhash.Sum64String("binnacle " + purpose + " of " + g.schema))
}

// Live returns an index that follows the pointer. It remembers which generation each of its States came from: the
// projector has one of its own.
func (g *Generations) Live() projections.Index { return g.Bound("") }

// Bound returns an index that follows the pointer to generations with a catalog; "": to all.
func (g *Generations) Bound(catalog string) projections.Index {
	return &live{Generations: g, catalog: catalog, based: map[int32]int{}}
}

// pointer is the number of the live generation and the digest of its catalog.
func (g *Generations) pointer(ctx context.Context) (int, string, error) {
	g.mu.Lock()
	number, catalog, read := g.live, g.catalog, g.read
	g.mu.Unlock()
	if number != 0 && time.Since(read) < pointerAge {
		return number, catalog, nil
	}
	return g.readPointer(ctx)
}

func (g *Generations) readPointer(ctx context.Context) (int, string, error) {
	now := time.Now()
	var fresh int64
	catalog := ""
	err := queryOn(ctx, g.work, "postgres.Live",
		"select i.live, n.catalog from "+g.control+"installation i join "+g.control+"generation n on n.number = i.live",
		nil,
		func(scan func(...any) error) error { return scan(&fresh, &catalog) })
	if err != nil {
		return 0, "", err
	}
	g.point(int(fresh), catalog, now)
	return int(fresh), catalog, nil
}

// point remembers the pointer as it was at a time.
func (g *Generations) point(number int, catalog string, read time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if read.After(g.read) {
		g.live, g.catalog, g.read = number, catalog, read
		maps.DeleteFunc(g.opened, func(opened int, old *generation) bool { // with what their writers remember
			if opened != number {
				old.engine.Sets.Stop()
			}
			return opened != number
		})
	}
}

// expire makes the next call read the pointer again.
func (g *Generations) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live = 0
}

// List tells what there is, oldest first.
func (g *Generations) List(ctx context.Context) ([]projections.Generation, error) {
	var found []projections.Generation
	sql := "select number, state, catalog, made from " + g.control + "generation order by number"
	err := queryOn(ctx, g.work, "postgres.List", sql, nil, func(scan func(...any) error) error {
		var n projections.Generation
		if err := scan(&n.Number, &n.State, &n.Catalog, &n.Made); err != nil {
			return err
		}
		n.Made = n.Made.UTC()
		found = append(found, n)
		return nil
	})
	return found, err
}

// Close ends what is read in the background and closes the connections.
func (g *Generations) Close() error {
	g.close.Do(func() {
		g.mu.Lock()
		opened := g.opened
		g.opened = map[int]*generation{}
		g.mu.Unlock()
		for _, o := range opened {
			o.engine.Sets.Close()
		}
		g.closePools()
	})
	return nil
}
