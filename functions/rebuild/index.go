package rebuild

import (
	"context"
	"log/slog"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/projections"
)

// Times and counts of a rebuild.
const (
	rebuildReport = 250 * time.Millisecond // between two reports of progress
	rebuildRounds = 20                     // of catching up before the pause
	rebuildNear   = 200                    // records that may be missing when the pause begins
	// that commits to the live generation wait at most while the last records are read
	rebuildPause    = 10 * time.Second
	rebuildAttempts = 5 // to read the last records within a pause
	// without a commit after which the live generation counts as standing still
	rebuildStill  = time.Second
	rebuildResume = 5 * time.Second // for ending a pause after an error
	decidedAtOnce = 1_000           // decisions of the live generation that are read at once
)

// Index makes a generation of the index from the log, beside the live one, and switches to it (ADR 22). It is the next
// generation, or with Rollback the one that was live before, which catches up first. What the feed tells about a
// record is applied. So is what the live generation has decided under other search parameters and the feed does not
// tell. The rest is decided. So no rebuild rewrites history.
//
// Nothing else happens: it publishes nothing, answers nobody and triggers nothing. Contents that the blob store lacks
// are put; the others stay untouched.
type Index struct {
	Log         events.Log
	Feed        events.Feed // nil: there is none, and what it would tell is decided again
	Generations projections.Generations
	Blobs       projections.Blobs
	// of the next generation; Rollback has those of the generation that it goes back to
	Dialects *projections.Dialects
	Heal     *functions.Heal // as in project.Projector
	Logger   *slog.Logger    // nil: slog.Default()

	Rollback         bool // go back to the generation that was live before
	AcceptDifference bool // switch although the live generation, with the same search parameters, holds something else
}

// Progress is how far a rebuild has come.
type Progress struct {
	Generation int
	Step       string        // what is being done, for people
	Done, All  int64         // records of the log; or steps, when records are done
	Rate       float64       // per second since the start
	Left       time.Duration // until Done is All at that rate; 0: not known
}

// Summary is what a rebuild did.
type Summary struct {
	Generation int               `json:"generation"`
	Records    int64             `json:"records"`  // projected in this run; a resumed rebuild did others before
	Recorded   int64             `json:"recorded"` // of those: applied as they had been decided
	Elapsed    time.Duration     `json:"elapsed_ns"`
	Ends       map[int32]int64   `json:"ends"` // the next offset of each partition at the switch
	Sizes      projections.Sizes `json:"sizes"`
	Switched   bool              `json:"switched"`
	Rounds     int               `json:"rounds"`    // how often it caught up with what was written meanwhile
	Compared   int64             `json:"compared"`  // versions that were held against the live generation's
	Unindexed  int64             `json:"unindexed"` // versions whose terms these search parameters could not extract
	Contents   int64             `json:"contents"`  // that the blob store lacked and was given
	Paused     time.Duration     `json:"paused_ns"` // that commits waited at the switch
	Dropped    []int             `json:"dropped"`   // generations older than the one before, which went
}

// Handle rebuilds and calls progress, from one goroutine at a time, a few times a second. After an error the generation
// is not live and what was built is kept: the next call resumes it when the dialects search by the same. Kind Conflict:
// another process is rebuilding; the log has lost records that the generation needs; the feed is not that of the log;
// or the generations differ.
func (r *Index) Handle(ctx context.Context, progress func(Progress)) (summary Summary, err error) {
	run := &rebuilding{Index: r, lines: make(map[int32]*project.Line), progress: progress, started: time.Now(),
		summary: &summary, reached: make(map[int32]projections.State), own: make(map[int32]int64)}
	if err := run.open(ctx); err != nil {
		return summary, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), rebuildResume)
		defer cancel()
		if resumed := run.building.Resume(closing); err == nil {
			err = resumed
		}
		if released := run.building.Release(); err == nil {
			err = released
		}
	}()
	if err := run.build(ctx); err != nil {
		return summary, err
	}
	if err := run.takeOver(ctx); err != nil {
		return summary, err
	}
	summary.Switched, summary.Records, summary.Contents, summary.Elapsed = true, run.done, run.blobs.put.Load(),
		time.Since(run.started)
	if summary.Dropped, err = run.dropOlder(ctx); err != nil {
		return summary, err
	}
	summary.Sizes, err = run.building.Sizes(ctx)
	return summary, err
}

// generationIn finds the latest generation in a state; kind NotFound: there is none.
func generationIn(ctx context.Context, generations projections.Builders, state string) (projections.Generation, error) {
	list, err := generations.List(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].State == state {
			return list[i], nil
		}
	}
	return projections.Generation{}, events.Errorf(events.NotFound, "rebuild.Index", "there is no %s generation", state)
}

// open begins the run: it takes the exclusive right, finds what the dialects search by and what the blob store has.
func (r *rebuilding) open(ctx context.Context) (err error) {
	if r.logger = r.Logger; r.logger == nil {
		r.logger = slog.Default()
	}
	if r.identity, err = functions.LogIdentity(ctx, r.Log); err != nil {
		return err
	}
	if r.live, err = generationIn(ctx, r.Generations, "live"); err != nil {
		return err
	}
	if r.Rollback {
		old, err := generationIn(ctx, r.Generations, "old")
		if err != nil {
			return events.Wrap(events.KindOf(err), "rebuild.Index", err,
				"there is no generation to go back to: the one before was dropped, or there never was one")
		}
		r.dialects = r.Dialects
		if old.Catalog != r.Dialects.Digest() {
			if r.dialects, err = DialectsOf(ctx, r.Dialects, r.Generations, old.Catalog); err != nil {
				return err
			}
			if r.dialects.Digest() != old.Catalog {
				return events.Errorf(events.Conflict, "rebuild.Index", "generation %d was made by another version of "+
					"the program, which reads search parameters differently; go back with that version, or run "+
					"binnacle rebuild", old.Number)
			}
		}
		if r.building, err = r.Generations.Reopen(ctx, old.Number); err != nil {
			return err
		}
		r.digest = old.Catalog
	} else {
		r.dialects, r.digest = r.Dialects, r.Dialects.Digest()
		if r.building, err = r.Generations.Build(ctx, r.digest); err != nil {
			return err
		}
	}
	r.summary.Generation = r.building.Number()
	defer func() {
		if err != nil {
			_ = r.building.Release() // the error to tell is the one that ended the run
		}
	}()
	if !r.Rollback {
		definitions, err := r.Dialects.Definitions()
		if err != nil {
			return err
		}
		if err := r.Generations.Keep(ctx, r.digest, definitions); err != nil {
			return err
		}
	}
	r.tell("looking which contents are stored", 0, 0)
	if r.blobs, err = newMissing(ctx, r.Blobs); err != nil {
		return err
	}
	r.project = &project.Projector{Index: r.building, Blobs: r.blobs, Dialects: r.dialects, Heal: r.Heal,
		LogID: r.identity, Logger: r.logger}
	return nil
}

// DialectsOf makes the dialects of a generation from the definitions that were kept with it. When another version of
// the program made the generation, their digest may be another than the one asked for: then this one reads the same
// definitions differently, or lacks a dialect. Kind NotFound: nothing was kept.
func DialectsOf(
	ctx context.Context, dialects *projections.Dialects, definitions projections.Definitions, digest string,
) (*projections.Dialects, error) {
	kept, err := definitions.Definitions(ctx, digest)
	if err != nil {
		return nil, err
	}
	return dialects.Restore(kept)
}

// dropOlder drops generations beyond the one that was live before: that one is for going back.
func (r *rebuilding) dropOlder(ctx context.Context) (dropped []int, err error) {
	list, err := r.Generations.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range list {
		if g.State == "old" && g.Number != r.live.Number {
			if err := r.Generations.Drop(ctx, g.Number); err != nil {
				return dropped, err
			}
			dropped = append(dropped, g.Number)
		}
	}
	return dropped, nil
}
