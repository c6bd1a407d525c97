package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"binnacle/infra/parts"
	"binnacle/projections"
)

// BuildingProgress is how far a generation is that is not live yet. It is read from the positions that the rebuild has
// committed, so every process sees it, and it is true after a crash too.
type BuildingProgress struct {
	Generation int     `json:"generation"`
	Done       int64   `json:"done"`             // events of the log
	All        int64   `json:"all"`              // that the log has
	Rate       float64 `json:"rate"`             // events per second at the moment; 0: nobody goes on
	Left       float64 `json:"leftSeconds"`      // at that rate; 0: not known
	Holder     string  `json:"holder,omitempty"` // the process that builds; "": nobody does
}

// String tells the progress to people.
func (b BuildingProgress) String() string {
	text := fmt.Sprintf("%d of %d events", b.Done, b.All)
	if b.All > 0 {
		text += fmt.Sprintf(" (%d %%)", 100*b.Done/b.All)
	}
	if b.Rate > 0 {
		text += fmt.Sprintf(", %.0f/s", b.Rate)
	}
	if b.Left > 0 {
		text += ", ETA " + (time.Duration(b.Left) * time.Second).String()
	}
	return text
}

// ProgressOf reads how far a generation is.
func ProgressOf(ctx context.Context, p *parts.Parts, number int) (BuildingProgress, error) {
	progress := BuildingProgress{Generation: number}
	ends, err := p.Log.Ends(ctx)
	if err != nil {
		return progress, err
	}
	states, err := p.Generations.Auditor(number).Partitions(ctx)
	for _, end := range ends {
		progress.All += end.Next - end.First
		progress.Done += max(0, states[end.Partition].Next-end.First)
	}
	return progress, err
}

// Since adds the rate since an earlier look.
func (b *BuildingProgress) Since(earlier BuildingProgress, took time.Duration) {
	if earlier.Generation != b.Generation || took <= 0 {
		return
	}
	if b.Rate = max(0, float64(b.Done-earlier.Done)/took.Seconds()); b.Rate > 0 {
		b.Left = float64(b.All-b.Done) / b.Rate
	}
}

// rateOver is the time over which a rate is measured.
const rateOver = 2 * time.Second

// generationWatch knows which generation is live and how far the next one is, for health and metrics.
type generationWatch struct {
	parts *parts.Parts
	away  atomic.Int64 // when the index was last seen to take no commits, nanoseconds since 1970

	mu       sync.Mutex
	live     projections.Generation
	building *BuildingProgress // nil: there is none
	measured time.Time         // when building was
}

func newGenerationWatch(p *parts.Parts, registry *prometheus.Registry) *generationWatch {
	w := &generationWatch{parts: p}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return value()
		}))
	}
	rebuilt := func(value func(*BuildingProgress) float64) func() float64 {
		return func() float64 {
			if w.building == nil {
				return 0
			}
			return value(w.building)
		}
	}
	gauge("binnacle_index_generation", "Number of the live generation of the index.", func() float64 { return float64(w.live.Number) })
	gauge("binnacle_rebuild_due", "1 when the configured search parameters are not those of the live generation, or another version of the program made it, which read them differently.", func() float64 {
		if w.live.Number != 0 && p.RebuildDue(w.live) {
			return 1
		}
		return 0
	})
	gauge("binnacle_rebuild_generation", "Number of the generation that is being built, or waits to be resumed; 0: none.", rebuilt(func(b *BuildingProgress) float64 { return float64(b.Generation) }))
	gauge("binnacle_rebuild_events_done", "Events of the log that the generation being built has.", rebuilt(func(b *BuildingProgress) float64 { return float64(b.Done) }))
	gauge("binnacle_rebuild_events", "Events that the log has, while a generation is being built.", rebuilt(func(b *BuildingProgress) float64 { return float64(b.All) }))
	gauge("binnacle_rebuild_events_per_second", "How fast the generation is built; 0 when nobody goes on with it.", rebuilt(func(b *BuildingProgress) float64 { return b.Rate }))
	gauge("binnacle_rebuild_left_seconds", "Time until the generation has the whole log, at that rate.", rebuilt(func(b *BuildingProgress) float64 { return b.Left }))
	return w
}

// look takes the generations as they are now.
func (w *generationWatch) look(ctx context.Context, list []projections.Generation) {
	building := 0
	w.mu.Lock()
	for _, g := range list {
		switch g.State {
		case "live":
			w.live = g
		case "building":
			building = g.Number
		}
	}
	before, measured := w.building, w.measured
	if building == 0 {
		w.building = nil
	}
	w.mu.Unlock()
	if building == 0 || before != nil && before.Generation == building && time.Since(measured) < rateOver {
		return
	}
	now, err := ProgressOf(ctx, w.parts, building)
	if err != nil {
		return // it is gone, or the index away; the next look tells
	}
	if before != nil {
		now.Since(*before, time.Since(measured))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.building, w.measured = &now, time.Now()
}

// ready asks the index whether it takes commits, and remembers when it did not.
func (w *generationWatch) ready(ctx context.Context) error {
	err := w.parts.Generations.Ready(ctx)
	if err != nil {
		w.away.Store(time.Now().UnixNano())
	}
	return err
}

// lastAway is when the index was last seen to take no commits.
func (w *generationWatch) lastAway() time.Time { return time.Unix(0, w.away.Load()) }

// check is the index's part of the health answer.
func (w *generationWatch) check(ctx context.Context) (map[string]any, error) {
	if err := w.ready(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.live.Number == 0 {
		return nil, nil
	}
	detail := map[string]any{"generation": w.live.Number, "rebuildDue": w.parts.RebuildDue(w.live)}
	if w.building != nil {
		detail["rebuild"] = w.building.String()
	}
	return detail, nil
}
