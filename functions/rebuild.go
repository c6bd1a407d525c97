package functions

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// Times and counts of Rebuild.
const (
	rebuildReport = 250 * time.Millisecond // between two reports of progress
	rebuildRounds = 10                     // of catching up before the switch
	rebuildNear   = 100                    // records that may be missing at the switch: the projector does them right after it
)

// Rebuild makes a new generation of the index from the log, beside the live one, and switches to it (design decision 9). The blobs are
// put again too, so that what was lost is there afterwards.
type Rebuild struct {
	Log         events.Log
	Generations projections.Generations
	Blobs       projections.Blobs
	Catalog     *catalog.Catalog
	Heal        *Heal        // as in Project
	Logger      *slog.Logger // nil: slog.Default()
}

// RebuildProgress is how far a rebuild has come.
type RebuildProgress struct {
	Generation int
	Step       string        // what is being done, for people
	Done, All  int64         // records of the log; or steps, when records are done
	Rate       float64       // per second since the start
	Left       time.Duration // until Done is All at that rate; 0: not known
}

// RebuildSummary is what a rebuild did.
type RebuildSummary struct {
	Generation int               `json:"generation"`
	Records    int64             `json:"records"` // projected in this run; a resumed rebuild did others before
	Elapsed    time.Duration     `json:"elapsed_ns"`
	Ends       map[int32]int64   `json:"ends"` // the next offset of each partition at the switch
	Sizes      projections.Sizes `json:"sizes"`
	Switched   bool              `json:"switched"`
	Rounds     int               `json:"rounds"` // how often it caught up with what was written meanwhile
}

// Handle rebuilds and calls progress, from one goroutine at a time, a few times a second. After an error the generation is not live and what was
// built is kept: the next call resumes it when the catalog is the same. Kind Conflict: another process is rebuilding, or the log has lost
// records that the generation needs.
func (r *Rebuild) Handle(ctx context.Context, progress func(RebuildProgress)) (summary RebuildSummary, err error) {
	building, err := r.Generations.Build(ctx, r.Catalog.Digest())
	if err != nil {
		return RebuildSummary{}, err
	}
	defer func() {
		if release := building.Release(); err == nil {
			err = release
		}
	}()
	logger := r.Logger
	if logger == nil {
		logger = slog.Default()
	}
	run := &rebuilding{Rebuild: r, building: building, logger: logger, lines: make(map[int32]*line), progress: progress, started: time.Now()}
	summary.Generation = building.Number()
	if _, err := run.catchUp(ctx, "reading the log"); err != nil {
		return summary, err
	}
	if err := building.Finish(ctx, func(done, all int, step string) {
		progress(RebuildProgress{Generation: building.Number(), Step: step, Done: int64(done), All: int64(all)})
	}); err != nil {
		return summary, err
	}
	for summary.Rounds < rebuildRounds {
		summary.Rounds++
		records, err := run.catchUp(ctx, "reading what was written meanwhile")
		if err != nil {
			return summary, err
		}
		if records <= rebuildNear {
			break
		}
	}
	if err := building.Switch(ctx); err != nil {
		return summary, err
	}
	summary.Switched, summary.Records, summary.Ends, summary.Elapsed = true, run.done, run.ends, time.Since(run.started)
	summary.Sizes, err = building.Sizes(ctx)
	return summary, err
}

// rebuilding is one run.
type rebuilding struct {
	*Rebuild
	building projections.Building
	logger   *slog.Logger
	lines    map[int32]*line
	progress func(RebuildProgress)
	started  time.Time
	ends     map[int32]int64

	mu       sync.Mutex
	done     int64
	all      int64
	reported time.Time
}

// catchUp projects everything up to the ends that the log has now and returns the number of records that this took.
func (r *rebuilding) catchUp(ctx context.Context, step string) (int64, error) {
	ends, err := r.Log.Ends(ctx)
	if err != nil {
		return 0, err
	}
	before := r.done
	r.all, r.ends = r.done, make(map[int32]int64)
	for _, end := range ends {
		l := r.lines[end.Partition]
		if l == nil {
			l = newLine(r.building, r.Blobs, r.Catalog, r.Heal, r.logger, end.Partition)
			r.lines[end.Partition] = l
		}
		if err := l.load(ctx); err != nil {
			return 0, err
		}
		if end.First > l.state.Next && end.First < end.Next {
			return 0, events.Errorf(events.Conflict, "functions.Rebuild", "the log of partition %d begins at offset %d, but the projections need it from %d: records are lost; nothing was switched", end.Partition, end.First, l.state.Next)
		}
		r.ends[end.Partition] = end.Next
		r.all += max(0, end.Next-l.state.Next)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, end := range ends {
		l := r.lines[end.Partition]
		group.Go(func() error {
			from := events.Position{Partition: end.Partition, Offset: l.state.Next}
			if from.Offset >= end.Next {
				return nil
			}
			return r.Log.Replay(ctx, from, end.Next, func(records []events.RawRecord) error {
				if err := l.project(ctx, records, func(int64, []events.Outcome) {}); err != nil {
					return err
				}
				r.report(step, int64(len(records)))
				return nil
			})
		})
	}
	err = group.Wait()
	r.reported = time.Time{}
	r.report(step, 0)
	return r.done - before, err
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
	p := RebuildProgress{Generation: r.building.Number(), Step: step, Done: r.done, All: max(r.all, r.done), Rate: float64(r.done) / time.Since(r.started).Seconds()}
	if p.Rate > 0 {
		p.Left = time.Duration(float64(p.All-p.Done) / p.Rate * float64(time.Second)).Truncate(time.Second)
	}
	r.progress(p)
}
