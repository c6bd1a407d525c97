// Package writebehind stands in front of an index and commits later than it says: what was decided waits in memory,
// and many commits become one, in the order of the log. Nobody can see that. Whoever reads finds what waits: by its key
// in memory, and else after it was committed. A crash loses nothing, because the index is a cache of the log, and what
// was not committed is decided again from there, to the same outcomes.
//
// It is for an index that no other process commits to: see [Holder]. What may not wait goes through at once: many rows
// and large contents, which are better off in commits of their own, and what is rare, as records in quarantine.
//
// This is write-behind caching, and the log is what is durable.
package writebehind

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
)

// Holder is a live index whose commits may wait in this process.
type Holder interface {
	// Hold promises that the partition stands as the state says, and that nobody moves it on and no other generation
	// becomes live, until release is called. Kind Conflict: as of Commit. Kind Transient: no commit may wait now.
	Hold(ctx context.Context, partition int32) (state projections.State, generation int, release func(), err error)

	// Awaited tells whether a builder waits for holds to end. It costs little, and is asked with each commit.
	Awaited() bool
}

// Config says how long commits wait. A commit waits for whatever comes first.
type Config struct {
	Within time.Duration // the longest that one waits; 0: none waits
	Rows   int           // rows that wait together; 0: 400
	Bytes  int           // bytes of contents that wait together; 0: 4 MiB
	Logger *slog.Logger  // nil: slog.Default()
}

const (
	defaultRows  = 400
	defaultBytes = 4 << 20

	// soloRows and soloBytes are the size above which a commit doesn't wait: it is large enough to be worth its own.
	soloRows  = 100
	soloBytes = 1 << 20

	retryFirst = 50 * time.Millisecond // after a commit that failed because the store is away; it doubles
	retryMost  = time.Second / 2       // sooner than the log takes more when the disk is full (sqlitefile)
	closeBound = 10 * time.Second      // of the last commits
)

// Generations are those of an index whose commits wait.
type Generations struct {
	projections.Generations
	config Config
	logger *slog.Logger

	mu         sync.Mutex
	partitions map[int32]*partition
	building   int  // builders that are about to stop the live generation: nothing may wait
	closed     bool // nothing may wait any more
	watchers   map[chan struct{}]struct{}

	running sync.WaitGroup // commits under way
}

var _ projections.Generations = (*Generations)(nil)

// partition is what waits of one partition. Its fields are guarded by Generations.mu, apart from committing.
type partition struct {
	number     int32
	committing sync.Mutex // held by a call of Commit

	waiting  *hold     // what comes next is added to it; nil: nothing
	flushing *hold     // being committed; nil: nothing. What waits follows it.
	wanted   bool      // what waits shall be committed as soon as possible
	running  bool      // somebody commits
	landed   int       // holds that have been committed
	looked   time.Time // when somebody last looked for what had just been written
	// when versions of a type were last written, of those of late
	written map[projections.Ledger]time.Time

	// Acknowledged, and then refused by the index: records before this offset are decided anew, and until they are
	// nothing is read, and nothing waits. 0: nothing is owed.
	owed int64
}

// New puts an index behind the wait. The index belongs to it from then on. Commits wait when what its Bound returns is
// a [Holder].
func New(index projections.Generations, config Config) *Generations {
	if config.Rows == 0 {
		config.Rows = defaultRows
	}
	if config.Bytes == 0 {
		config.Bytes = defaultBytes
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &Generations{Generations: index, config: config, logger: logger, partitions: make(map[int32]*partition),
		watchers: make(map[chan struct{}]struct{})}
}

// Live implements [projections.Indexes]. Commits through it don't wait.
func (g *Generations) Live() projections.Index { return &front{Index: g.Generations.Live(), all: g} }

// Bound implements [projections.Indexes]. Commits through it don't wait.
func (g *Generations) Bound(catalog string) projections.Index {
	return &front{Index: g.Generations.Bound(catalog), all: g}
}

// Projecting is [Generations.Bound] for the projector. Commits through it wait. When the index has refused what was
// acknowledged, it answers as the index does, so that the records can be decided again.
func (g *Generations) Projecting(catalog string) projections.Index {
	index := g.Generations.Bound(catalog)
	holder, _ := index.(Holder)
	return &front{Index: index, holder: holder, projecting: true, all: g}
}

// Auditor implements [projections.Indexes]. What waits is committed before it reads.
func (g *Generations) Auditor(number int) projections.Auditor {
	return &auditor{g.Generations.Auditor(number), g}
}

// Build implements [projections.Builders].
func (g *Generations) Build(ctx context.Context, catalog string) (projections.Building, error) {
	return g.pausing(g.Generations.Build(ctx, catalog))
}

// Reopen implements [projections.Builders].
func (g *Generations) Reopen(ctx context.Context, number int) (projections.Building, error) {
	return g.pausing(g.Generations.Reopen(ctx, number))
}

func (g *Generations) pausing(b projections.Building, err error) (projections.Building, error) {
	if err != nil {
		return nil, err
	}
	return &building{Building: b, all: g}, nil
}

// Watch implements [projections.Generations]. It tells of commits when they begin to wait, too.
func (g *Generations) Watch(ctx context.Context, progressed func()) error {
	wake := make(chan struct{}, 1)
	g.mu.Lock()
	g.watchers[wake] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.watchers, wake)
	}()
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Generations.Watch(within, progressed) })
	group.Go(func() error {
		for {
			select {
			case <-within.Done():
				return nil
			case <-wake:
				progressed()
			}
		}
	})
	return group.Wait()
}

// progressed wakes the watchers; the caller holds mu.
func (g *Generations) progressed() {
	for wake := range g.watchers {
		select {
		case wake <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

// Close commits what waits, within ten seconds, and closes the index. What could not be committed comes again from the
// log.
func (g *Generations) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	if err := g.flush(ctx, everything); err != nil {
		g.logger.Info("what was acknowledged last is not committed to the index; it is made again from the log",
			"error", err)
	}
	g.mu.Lock()
	for _, p := range g.partitions {
		p.abandon(events.Wrap(events.Transient, "writebehind.Close", context.Canceled, "the index is being closed"))
	}
	g.mu.Unlock()
	g.running.Wait()
	return g.Generations.Close()
}

// Refused tells why the index takes nothing that was acknowledged, and since when; nil: it does.
func (g *Generations) Refused() (since time.Time, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.partitions {
		if h := p.flushing; h != nil && h.err != nil {
			return h.away, h.err
		}
	}
	return time.Time{}, nil
}

// of returns a partition; the caller holds mu.
func (g *Generations) of(number int32) *partition {
	p := g.partitions[number]
	if p == nil {
		p = &partition{number: number, written: make(map[projections.Ledger]time.Time)}
		g.partitions[number] = p
	}
	return p
}

// last is the newest of what is not committed; nil: nothing is.
func (p *partition) last() *hold {
	if p.waiting != nil {
		return p.waiting
	}
	return p.flushing
}

// writtenMost bounds how many types are remembered.
const writtenMost = 1_000

// writes notes what a commit writes.
func (p *partition) writes(c *projections.Commit, now time.Time) {
	for i := range c.Rows {
		p.written[projections.Ledger{Tenant: c.Rows[i].Tenant, Type: c.Rows[i].Type}] = now
	}
	if len(p.written) > writtenMost {
		clear(p.written)
	}
}

// lately tells whether a type was written of late.
func (p *partition) lately(l projections.Ledger, now time.Time) bool {
	return now.Sub(p.written[l]) < lookedFor
}

// waits tells whether versions wait.
func (p *partition) waits() bool {
	return p.waiting != nil && len(p.waiting.commit.Rows) > 0 || p.flushing != nil && len(p.flushing.commit.Rows) > 0
}

// building is a generation beside the live one, of this process. While it stops the live one nothing may wait.
type building struct {
	projections.Building
	all *Generations
}

func (b *building) Pause(ctx context.Context, atMost time.Duration) error {
	return b.all.without(ctx, func() error { return b.Building.Pause(ctx, atMost) })
}

func (b *building) Switch(ctx context.Context) error {
	return b.all.without(ctx, func() error { return b.Building.Switch(ctx) })
}

// without calls fn while nothing waits.
func (g *Generations) without(ctx context.Context, fn func() error) error {
	count := func(by int) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.building += by
	}
	count(1)
	defer count(-1)
	if err := g.flush(ctx, everything); err != nil {
		return err
	}
	return fn()
}
