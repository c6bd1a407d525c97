package rebuild

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions/project"
	"binnacle/projections"
)

// rebuilding is one run.
type rebuilding struct {
	*Index
	building projections.Building
	live     projections.Generation // the one that is live at the start
	dialects *projections.Dialects  // of the generation being built
	digest   string                 // of those dialects
	identity string                 // of the log
	blobs    *missing
	logger   *slog.Logger
	project  *project.Projector // decides what nobody tells
	lines    map[int32]*project.Line
	progress func(Progress)
	started  time.Time
	summary  *Summary
	reached  map[int32]projections.State // of the live generation: what it had when this one caught up with it last
	// where records begin that neither feed nor live generation had decided, and this one has
	own map[int32]int64

	mu       sync.Mutex
	done     int64
	all      int64
	reported time.Time
}

// goal is where a partition is to be brought.
type goal struct {
	first    int64             // that the log has
	recorded int64             // decisions on records before are in the feed
	live     projections.State // of the live generation
	end      int64             // of the log
	to       int64             // where this run goes
}

// sameMeaning tells whether the live generation searches by the same, and so must hold the same.
func (r *rebuilding) sameMeaning() bool { return r.live.Catalog == r.digest }

// goals looks at log, feed and live generation. A partition is brought to where the live generation is, or to the
// feed's end when that is further: what is decided after that belongs to the projector. Only when nobody projects is
// the rest decided here.
func (r *rebuilding) goals(ctx context.Context, rest bool) (map[int32]goal, error) {
	states, err := r.Generations.Auditor(r.live.Number).Partitions(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := r.Log.Ends(ctx)
	if err != nil {
		return nil, err
	}
	goals := make(map[int32]goal, len(ends))
	for _, end := range ends {
		g := goal{first: end.First, live: states[end.Partition], end: end.Next}
		foreign := g.live.Origin.Log != "" && g.live.Origin.Log != r.identity
		if foreign { // it was made from another log, and tells nothing about this one
			g.live = projections.State{}
		}
		if r.Feed != nil {
			if g.recorded, err = r.Feed.End(ctx, end.Partition); err != nil {
				return nil, err
			}
		}
		if g.live.Next > end.Next || g.recorded > end.Next {
			return nil, events.Errorf(events.Conflict, "rebuild.Index", "the log of partition %d ends at offset %d, "+
				"but %d records have been decided: the log has lost records, or it is another log; nothing was "+
				"switched", end.Partition, end.Next, max(g.live.Next, g.recorded))
		}
		g.to = max(g.live.Next, g.recorded)
		if rest || foreign {
			g.to = g.end
		}
		goals[end.Partition] = g
	}
	return goals, nil
}

// build brings the generation near to the live one and makes its search indexes.
func (r *rebuilding) build(ctx context.Context) error {
	finished := false
	for r.summary.Rounds < rebuildRounds {
		r.summary.Rounds++
		goals, err := r.goals(ctx, false)
		if err != nil {
			return err
		}
		step := "reading the log"
		if finished {
			step = "reading what was written meanwhile"
		}
		records, err := r.catchUp(ctx, goals, step)
		if err != nil {
			return err
		}
		if err := r.compare(ctx); err != nil {
			return err
		}
		if undecided(goals) {
			still, err := r.standsStill(ctx, goals)
			if err != nil {
				return err
			}
			if still != nil {
				more, err := r.catchUp(ctx, still, step)
				if err != nil {
					return err
				}
				records += more
			}
		}
		if !finished {
			finished = true
			if err := r.building.Finish(ctx,
				func(done, all int, step string) { r.tell(step, int64(done), int64(all)) }); err != nil {
				return err
			}
			continue
		}
		if records <= rebuildNear {
			return nil
		}
	}
	return nil
}

func undecided(goals map[int32]goal) bool {
	for _, g := range goals {
		if g.to < g.end {
			return true
		}
	}
	return false
}

// standsStill waits a moment and returns goals that are the whole log, if nobody projects; else nil.
func (r *rebuilding) standsStill(ctx context.Context, before map[int32]goal) (map[int32]goal, error) {
	select {
	case <-time.After(rebuildStill):
	case <-ctx.Done():
		return nil, events.Wrap(events.Transient, "rebuild.Index", ctx.Err(), "the rebuild was stopped")
	}
	goals, err := r.goals(ctx, true)
	if err != nil || moved(before, goals) {
		return nil, err
	}
	// A server may have decided more than the live generation shows, and not committed it yet. A pause begins when it
	// has.
	if err := r.building.Pause(ctx, rebuildPause); err != nil {
		return nil, err
	}
	goals, err = r.goals(ctx, true)
	if resumed := r.building.Resume(ctx); err == nil {
		err = resumed
	}
	if err != nil || moved(before, goals) {
		return nil, err
	}
	return goals, nil
}

// moved tells whether the live generation or the feed has gone on.
func moved(before, now map[int32]goal) bool {
	for partition, g := range now {
		if g.live.Next != before[partition].live.Next || g.recorded != before[partition].recorded {
			return true
		}
	}
	return false
}

// takeOver makes commits to the live generation wait, reads what is missing, and switches. To get the pause can take a
// moment, in which commits go on.
func (r *rebuilding) takeOver(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		r.tell("waiting for what servers hold back", 0, 0)
		if err := r.building.Pause(ctx, rebuildPause); err != nil {
			return err
		}
		r.tell("switching", 0, 1)
		paused := time.Now()
		err := r.takeOverOnce(ctx)
		r.summary.Paused += time.Since(paused)
		if err == nil {
			r.tell("switching", 1, 1)
			return nil
		}
		if events.KindOf(err) != events.Conflict || attempt == rebuildAttempts || time.Since(paused) < rebuildPause/2 {
			return err // it was no pause that ran out
		}
		if err := r.building.Resume(ctx); err != nil {
			return err
		}
	}
}

// takeOverOnce reads what is missing within a pause, and switches.
func (r *rebuilding) takeOverOnce(ctx context.Context) error {
	goals, err := r.goals(ctx, false)
	if err != nil {
		return err
	}
	for partition, g := range goals {
		if own, decided := r.own[partition]; decided && !r.sameMeaning() && g.live.Next > own {
			return events.Errorf(events.Conflict, "rebuild.Index", "a server with the old search parameters has "+
				"begun to decide records of partition %d from offset %d on, which were decided here with the new "+
				"ones; nothing was switched. "+
				"Run binnacle rebuild --drop-building and then binnacle rebuild again, beside the running server",
				partition, own)
		}
	}
	if _, err := r.catchUp(ctx, goals, "reading what was written meanwhile"); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	ends := make(map[int32]int64, len(goals))
	for partition, g := range goals {
		state, err := r.lines[partition].State(ctx)
		if err != nil {
			return err
		}
		ends[partition] = max(g.to, state.Next)
	}
	if err := r.building.Switch(ctx); err != nil {
		return err
	}
	r.summary.Ends = ends
	return nil
}

// catchUp brings all partitions to their goals and returns the number of records that this took.
func (r *rebuilding) catchUp(ctx context.Context, goals map[int32]goal, step string) (int64, error) {
	before := r.done
	r.all = r.done
	for partition, g := range goals {
		l := r.lines[partition]
		if l == nil {
			l = r.project.Line(partition)
			r.lines[partition] = l
		}
		state, err := l.State(ctx)
		if err != nil {
			return 0, err
		}
		if g.first > state.Next && g.first < g.end {
			return 0, events.Errorf(events.Conflict, "rebuild.Index", "the log of partition %d begins at offset %d, "+
				"but the projections need it from %d: records are lost; nothing was switched", partition, g.first,
				state.Next)
		}
		r.all += max(0, g.to-state.Next)
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for partition, g := range goals {
		l := r.lines[partition]
		group.Go(func() error { return r.bring(within, partition, l, g, step) })
	}
	err := group.Wait()
	r.mu.Lock()
	r.reported = time.Time{}
	r.mu.Unlock()
	r.report(step, 0)
	for partition, g := range goals {
		r.reached[partition] = g.live
	}
	return r.done - before, err
}

// bring brings one partition to its goal: what is recorded is applied, then the rest decided.
func (r *rebuilding) bring(ctx context.Context, partition int32, l *project.Line, g goal, step string) error {
	state, err := l.State(ctx)
	if err != nil {
		return err
	}
	apply := func(source decisionSource, to int64) error {
		if state.Next >= to {
			return nil
		}
		a := &applier{log: r.Log, index: r.building, blobs: r.blobs, dialects: r.dialects, logger: r.logger,
			partition: partition, identity: r.identity, done: func(records int64) {
				r.report(step, records)
				r.mu.Lock()
				r.summary.Recorded += records
				r.mu.Unlock()
			}}
		err := a.run(ctx, source, to)
		r.mu.Lock()
		r.summary.Unindexed += a.unindexed
		r.mu.Unlock()
		l.Forget()
		if err != nil {
			return err
		}
		state, err = l.State(ctx)
		return err
	}
	if r.Feed != nil {
		if err := apply(r.Feed.Decisions, min(g.recorded, g.to)); err != nil {
			return err
		}
	}
	if !r.sameMeaning() {
		if err := apply(r.decidedLive, min(g.live.Next, g.to)); err != nil {
			return err
		}
	}
	if state.Next >= g.to {
		return nil
	}
	if from := max(g.live.Next, state.Next); from < g.to {
		r.mu.Lock()
		if _, noted := r.own[partition]; !noted {
			r.own[partition] = from
		}
		r.mu.Unlock()
	}
	return r.Log.Replay(ctx, events.Position{Partition: partition, Offset: state.Next}, g.to,
		func(records []events.RawRecord) error {
			if err := l.Project(ctx, records, func(*projections.Commit, []events.Outcome) {}); err != nil {
				return err
			}
			r.report(step, int64(len(records)))
			return nil
		})
}

// decidedLive tells what the live generation has decided.
func (r *rebuilding) decidedLive(
	ctx context.Context, from events.Position, to int64, handle func([]events.Decision) error,
) error {
	live := r.Generations.Auditor(r.live.Number)
	for from.Offset < to {
		decisions, err := live.Decisions(ctx, from, decidedAtOnce)
		if err != nil || len(decisions) == 0 {
			return err
		}
		from.Offset = decisions[len(decisions)-1].Outcome.Position.Offset + 1
		for len(decisions) > 0 && decisions[len(decisions)-1].Outcome.Position.Offset >= to {
			decisions = decisions[:len(decisions)-1]
		}
		if err := handle(decisions); err != nil {
			return err
		}
	}
	return nil
}

// report counts records and tells the progress when it is time.
func (r *rebuilding) report(step string, records int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += records
	if time.Since(r.reported) < rebuildReport {
		return
	}
	r.reported = time.Now()
	p := Progress{Generation: r.building.Number(), Step: step, Done: r.done, All: max(r.all, r.done),
		Rate: float64(r.done) / time.Since(r.started).Seconds()}
	if p.Rate > 0 {
		p.Left = time.Duration(float64(p.All-p.Done) / p.Rate * float64(time.Second)).Truncate(time.Second)
	}
	r.progress(p)
}

// tell tells the progress of a step that is not counted in records.
func (r *rebuilding) tell(step string, done, all int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress(Progress{Generation: r.building.Number(), Step: step, Done: done, All: all})
}
