package functions

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Times and bounds of Sweep.
const (
	sweepPeriod = time.Minute
	sweepLeast  = 1_000 // superseded versions; fewer are not worth a sweep
	sweepPart   = 10    // and they must be at least this part of the current resources: a sweep reads the whole index
	sweepRest   = 3     // times what a portion takes it rests after it, so that commits and searches have the disk
)

// Sweep keeps an index from growing with every update: rows by which only earlier snapshots are searched are removed, a
// grace after the snapshot was the latest. Pages and searches as of a position are answered for at least that long;
// afterwards they are refused with kind Gone. Time is counted by this process, from when it saw a snapshot as the
// latest one: after a restart nothing is forgotten for a whole grace. Any number of processes may do it; of their
// sweeps one runs.
//
// Histories stay whole: what is removed are the search terms of superseded versions, not the versions. Fields must be
// set before the first call and stay as they are.
type Sweep struct {
	Index interface {
		Partitions(ctx context.Context) (map[int32]projections.State, error)
	} // the live one
	Sweeper projections.Sweeper
	Logger  *slog.Logger
	Grace   time.Duration // 0: nothing is ever swept
	Settle  time.Duration // how long a search may take: a sweep begins so long after the horizons have moved

	seen    []seenStates
	removed atomic.Int64
	sweeps  atomic.Int64
	waste   atomic.Int64
}

// seenStates are the latest snapshots at a time.
type seenStates struct {
	at     time.Time
	latest map[int32]int64
}

// SweepFigures are what a Sweep has done in this process.
type SweepFigures struct {
	Removed    int64 // rows
	Sweeps     int64 // that came to their end
	Superseded int64 // versions that wait to be swept, as it was seen last
}

// Figures tells what has been done.
func (s *Sweep) Figures() SweepFigures {
	return SweepFigures{Removed: s.removed.Load(), Sweeps: s.sweeps.Load(), Superseded: s.waste.Load()}
}

// Handle sweeps until ctx ends. What fails is tried again after a while: nothing depends on it but the size of the
// index.
func (s *Sweep) Handle(ctx context.Context) {
	if s.Grace <= 0 {
		return
	}
	ticks := time.NewTicker(max(min(sweepPeriod, s.Grace/4), time.Millisecond))
	defer ticks.Stop()
	for {
		if err := s.tick(ctx, time.Now()); err != nil && ctx.Err() == nil {
			level := slog.LevelWarn
			// away, or another process sweeps
			if kind := events.KindOf(err); kind == events.Transient || kind == events.Conflict {
				level = slog.LevelDebug
			}
			s.Logger.Log(ctx, level, "superseded rows of the index are not swept now; it is tried again", "error", err)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// tick moves the horizons to what was the latest a grace ago, and sweeps when that is worth it.
func (s *Sweep) tick(ctx context.Context, now time.Time) error {
	states, err := s.Index.Partitions(ctx)
	if err != nil {
		return err
	}
	latest := make(map[int32]int64, len(states))
	for partition, state := range states {
		latest[partition] = state.NextSid - 1
	}
	s.seen = append(s.seen, seenStates{now, latest})
	last := -1
	for last+1 < len(s.seen) && now.Sub(s.seen[last+1].at) >= s.Grace {
		last++
	}
	if last >= 0 {
		for partition, snapshot := range s.seen[last].latest {
			if err := s.Sweeper.Horizon(ctx, partition, snapshot); err != nil {
				return err
			}
		}
		s.seen = append(s.seen[:0], s.seen[last+1:]...)
	}
	waste, err := s.Sweeper.Waste(ctx)
	if err != nil {
		return err
	}
	s.waste.Store(waste.Superseded)
	if !waste.Begun && (waste.Superseded < sweepLeast || waste.Superseded < waste.Living/sweepPart) {
		return nil
	}
	return s.sweep(ctx, waste)
}

// sweep removes portion after portion.
func (s *Sweep) sweep(ctx context.Context, waste projections.Waste) error {
	began := time.Now()
	sweep, err := s.Sweeper.Sweep(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sweep.Release() }() // nothing to tell: what is left is swept another time
	if err := pause(ctx, s.Settle); err != nil {
		return err
	}
	removed := int64(0)
	for {
		started := time.Now()
		portion, err := sweep.Portion(ctx)
		if err != nil {
			return err
		}
		removed += portion.Removed
		s.removed.Add(portion.Removed)
		if portion.Done {
			break
		}
		if err := pause(ctx, sweepRest*time.Since(started)); err != nil {
			return err
		}
	}
	s.sweeps.Add(1)
	s.waste.Store(0)
	s.Logger.Info("the rows of superseded versions are swept from the index", "versions", waste.Superseded, "resources",
		waste.Living, "rows", removed, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if !sleep(ctx, d) {
		return events.Wrap(events.Transient, "functions.Sweep", ctx.Err(),
			"the sweep was stopped; what is left is swept another time")
	}
	return nil
}
