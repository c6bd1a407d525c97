package project

import (
	"context"
	"errors"
	"log/slog"
	"runtime"

	"github.com/maypok86/otter/v2"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Bounds of the projecting code.
const (
	// content that one commit takes: a batch of compressed records may unfold to twenty times its size
	chunkBytes    = 5 << 20
	groupBytes    = 64 << 10 // of records that are read side by side
	chunkChanges  = 4_000    // changes that one commit takes; an event is never divided
	currentKeys   = 2_000    // keys of one look-up
	currentCached = 20_000   // current versions that are kept in memory
	searchCached  = 10_000   // answers to conditions that are kept in memory, of each type
	// matches of a condition that are read at once: one decides, two refuse, more only where the chunk hides some
	searchPage = 10
)

// conditionName names a condition, or a conditional reference.
type conditionName struct{ tenant, name, text string }

// Line projects the records of one partition into an index. It decides. Where the records come from, and who is told
// of outcomes, is the business of its owner: the [Projector] that follows the log, or a rebuild. Its methods must not
// be called side by side.
type Line struct {
	index     projections.Writer
	blobs     projections.Blobs
	dialects  *projections.Dialects
	heal      *functions.Heal // nil: content that is missing counts as other content
	fresh     *functions.Fresh
	logger    *slog.Logger
	partition int32
	log       string // the identity of the log, kept with the state; "" when it is not known

	decisionBytes int // of one event's decision, at the most: events.DecisionBytes

	// decide a chunk while the one before is committed; project returns before its last commit has ended
	ahead bool
	// not now: a commit has failed, and whoever calls project must hear the error of the records that it gave
	careful bool
	crashed func(f *flight) // told, on a goroutine of its own, of a flight that failed; nil: nobody
	arrived func(f *flight) // the same of a large one whose commit has ended well
	flight  *flight         // nil: nothing is being committed

	known   bool // state is what the index has, or will have when the flight has landed
	state   projections.State
	current *otter.Cache[projections.Key, projections.Version] // the zero Version for "never known"
	fetched map[projections.Key]projections.Version            // what prefetch brought for the chunk in hand
	found   map[conditionName]projections.Page                 // what prefetchSearches brought for it
	// who refers to what it deletes, as places in the dialect's Referrers
	referred map[projections.Key][]int
	searches map[typeName]map[string]projections.Page
	sketches sketches // of contents, which stay as they are: Forget leaves them
}

// Told is told of a commit that has been made, and of the outcomes that became known with it: its own, and those of
// earlier events that were repeated.
type Told func(c *projections.Commit, outcomes []events.Outcome)

// Line makes a line of its own, whose index is written by nobody else. It doesn't work ahead.
func (p *Projector) Line(partition int32) *Line {
	l := &Line{index: p.Index, blobs: p.Blobs, dialects: p.Dialects, heal: p.Heal, logger: p.logger(),
		partition: partition, log: p.LogID, decisionBytes: events.DecisionBytes, sketches: newSketches()}
	if p.decisionBytes > 0 {
		l.decisionBytes = p.decisionBytes
	}
	l.Forget()
	return l
}

// Forget drops everything that was remembered: someone else may have written.
func (l *Line) Forget() {
	if l.flight != nil {
		<-l.flight.done // what the index has then is what counts
		l.flight = nil
	}
	l.known, l.fetched, l.found, l.referred = false, nil, nil, nil
	l.current = otter.Must(&otter.Options[projections.Key, projections.Version]{MaximumSize: currentCached})
	l.searches = make(map[typeName]map[string]projections.Page)
}

// State is where the line stands: what the index has, or will have when what is in flight is committed.
func (l *Line) State(ctx context.Context) (projections.State, error) {
	err := l.load(ctx)
	return l.state, err
}

// load makes the state known.
func (l *Line) load(ctx context.Context) error {
	if l.known {
		return nil
	}
	state, err := l.index.State(ctx, l.partition)
	if err != nil {
		return err
	}
	l.fresh.Forget() // after the look: what was made before it others may have decided
	l.state, l.known = state, true
	return nil
}

// Project decides records that come right after the state, and commits them in as many commits as their size asks for.
// After each commit it calls told, on some goroutine. After an error whatever was committed stays; the records from the
// state on may be given again. A line that works ahead returns while its last commit is in flight, and tells its
// failure in a later call or by crashed.
func (l *Line) Project(ctx context.Context, records []events.RawRecord, told Told) error {
	err := l.run(ctx, records, told)
	if err != nil {
		l.Forget()
	}
	l.careful = err != nil
	return err
}

func (l *Line) run(ctx context.Context, records []events.RawRecord, told Told) error {
	alone := 0 // records that are to be committed one by one
	for len(records) > 0 {
		items, err := l.take(ctx, records)
		if err != nil {
			return err
		}
		if alone > 0 {
			items = items[:1]
			alone--
		}
		decided, err := l.chunk(ctx, items, told)
		if err != nil && isOfContent(err) && !l.worksAhead() {
			// A store refuses something in these records for good. Alone, the one that it is gives itself away.
			if len(items) > 1 {
				alone = len(items)
				continue
			}
			l.readAgain(items)
			items[0].poison = err.Error()
			decided, err = l.chunk(ctx, items, told)
		}
		if err != nil {
			return err
		}
		records = records[decided:]
	}
	return nil
}

// isOfContent tells whether a store's error is about what it was given, so that trying again cannot help.
func isOfContent(err error) bool {
	kind := events.KindOf(err)
	return kind == events.TooLarge || kind == events.Invalid
}

// readAgain takes back what was decided about items, whose reading may be given back already.
func (l *Line) readAgain(items []*item) {
	for _, i := range items {
		if i.poison == "" {
			i.giveBack()
			i.prepare(l.dialects)
		}
	}
}

// take reads the records of one chunk, side by side.
func (l *Line) take(ctx context.Context, records []events.RawRecord) ([]*item, error) {
	var items []*item
	size, changes := 0, 0
	for len(items) < len(records) && size < chunkBytes && changes < chunkChanges {
		next := together(records[len(items):])
		group := make([]*item, len(next))
		if err := functions.Parallel(ctx, len(next), func(n int) error {
			group[n] = &item{raw: next[n]}
			group[n].prepare(l.dialects)
			return nil
		}); err != nil {
			return nil, err
		}
		for _, i := range group {
			items = append(items, i)
			changes += len(i.works)
			for _, w := range i.works {
				if w != nil {
					size += len(w.Content)
				}
			}
		}
	}
	return items, nil
}

// together returns the first of records that are read side by side: many small ones, few large ones, which may unfold
// to much more.
func together(records []events.RawRecord) []events.RawRecord {
	cores, size := runtime.GOMAXPROCS(0), 0
	for n := range records {
		if n == cores*16 || n >= cores && size > groupBytes {
			return records[:n]
		}
		size += len(records[n].Value)
	}
	return records
}

// chunk decides items and commits them in one commit, or launches it when the line works ahead. It returns how many of
// them those were: the first ones, at least one. Items that turn out to be poison are set aside, and the others decided
// again without them.
func (l *Line) chunk(ctx context.Context, items []*item, told Told) (int, error) {
	if err := l.load(ctx); err != nil {
		return 0, err
	}
	if l.landed() || settling(items) {
		if err := l.land(); err != nil {
			return 0, err
		}
	}
	contents, claimed, err := l.gather(ctx, items)
	if err != nil {
		return 0, err
	}
	for {
		d := newDeciding(ctx, l, contents, claimed)
		decided, err := d.decide(items)
		if err == nil {
			err = d.finish()
		}
		var bad *poisoned
		if !errors.As(err, &bad) {
			if err != nil {
				return 0, err
			}
			for _, i := range items[decided:] {
				i.giveBack()
			}
			items = items[:decided]
			d.commit.Origin = projections.Origin{Log: l.log, Last: items[len(items)-1].raw.Fingerprint()}
			return decided, l.commit(ctx, d, items, told)
		}
		bad.item.poison = bad.reason
		l.readAgain(items)
	}
}

// settling tells whether one of the items decides about a record in quarantine. That is rare: such a chunk waits for
// the one before.
func settling(items []*item) bool {
	for _, i := range items {
		if i.event.Settles != nil {
			return true
		}
	}
	return false
}
