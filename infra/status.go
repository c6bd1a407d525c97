package infra

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/dustin/go-humanize"

	"binnacle/events"
	"binnacle/infra/node"
	"binnacle/infra/parts"
	"binnacle/infra/terminal"
	"binnacle/projections"
)

// statusCommand shows how far each part is.
type statusCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

func (*statusCommand) Help() string {
	return `Asks the storage itself, so it works with and without a running server.`
}

// installationStatus is what status prints.
type installationStatus struct {
	Variant     string                 `json:"variant"`
	Partitions  []partitionStatus      `json:"partitions"`
	Generations []generationState      `json:"generations"`
	Versions    int64                  `json:"versions"`
	Resources   int64                  `json:"resources"`
	Terms       int64                  `json:"terms"`
	Quarantined int64                  `json:"quarantined"`
	Unsettled   int64                  `json:"unsettled"`            // of those, the ones that nobody has handled
	OldestOpen  *time.Time             `json:"oldestOpen,omitempty"` // append time of the oldest of those
	IndexBytes  int64                  `json:"indexBytes"`
	Catalog     string                 `json:"catalog"`
	RebuildDue  bool                   `json:"rebuildDue"`
	RebuildWhy  string                 `json:"rebuildWhy,omitempty"` // it is due
	Rebuild     *node.BuildingProgress `json:"rebuild,omitempty"`
}

type partitionStatus struct {
	Partition int32     `json:"partition"`
	First     int64     `json:"first"`
	Next      int64     `json:"next"`
	Projected int64     `json:"projected"`
	Lag       int64     `json:"lag"`
	Time      time.Time `json:"time"`
}

type generationState struct {
	Number  int       `json:"number"`
	State   string    `json:"state"`
	Catalog string    `json:"catalog"`
	Made    time.Time `json:"made"`
}

// Run is called by the command line.
func (c *statusCommand) Run(ctx context.Context, config *parts.Config, out *terminal.Output, logger *slog.Logger) error {
	p, err := parts.Open(ctx, config, logger, parts.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	status, err := statusOf(ctx, p)
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(out.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}
	fmt.Fprintf(out.Out, "variant      %s\n", status.Variant)
	for _, s := range status.Partitions {
		fmt.Fprintf(out.Out, "partition %d  log %d to %d, projected to %d: %d events behind", s.Partition, s.First, s.Next, s.Projected, s.Lag)
		if !s.Time.IsZero() {
			fmt.Fprintf(out.Out, ", last event %s", s.Time.UTC().Format(time.RFC3339))
		}
		fmt.Fprintln(out.Out)
	}
	for _, g := range status.Generations {
		fmt.Fprintf(out.Out, "generation %d %s, made %s", g.Number, g.State, g.Made.UTC().Format(time.RFC3339))
		if g.State == "live" && status.RebuildDue {
			fmt.Fprintf(out.Out, ": a rebuild is due, because %s; run binnacle rebuild", status.RebuildWhy)
		}
		if b := status.Rebuild; b != nil && b.Generation == g.Number {
			fmt.Fprintf(out.Out, ": %s", b)
			if b.Holder == "" {
				fmt.Fprint(out.Out, "; nobody goes on with it: run binnacle rebuild to resume, or binnacle rebuild --drop-building")
			} else {
				fmt.Fprintf(out.Out, ", by %s", b.Holder)
			}
		}
		fmt.Fprintln(out.Out)
	}
	fmt.Fprintf(out.Out, "index        %s resources, %s versions, %s terms, %s\n", humanize.Comma(status.Resources), humanize.Comma(status.Versions),
		humanize.Comma(status.Terms), humanize.IBytes(uint64(status.IndexBytes)))
	fmt.Fprintf(out.Out, "quarantine   %d records, %d of them not handled", status.Quarantined, status.Unsettled)
	if status.OldestOpen != nil {
		fmt.Fprintf(out.Out, ", the oldest of %s: see binnacle quarantine list", status.OldestOpen.Format(time.RFC3339))
	}
	fmt.Fprintln(out.Out)
	return nil
}

func statusOf(ctx context.Context, p *parts.Parts) (installationStatus, error) {
	status := installationStatus{Variant: p.Config.Variant, Catalog: p.Dialects.Digest()}
	live := p.Generations.Live()
	ends, err := p.Log.Ends(ctx)
	if err != nil {
		return status, err
	}
	states, err := live.Partitions(ctx)
	if err != nil {
		return status, err
	}
	for _, end := range ends {
		status.Partitions = append(status.Partitions, partitionOf(end, states[end.Partition]))
	}
	generations, err := p.Generations.List(ctx)
	if err != nil {
		return status, err
	}
	for _, g := range generations {
		status.Generations = append(status.Generations, generationState(g))
		switch g.State {
		case "live":
			_, due, err := p.MeaningOf(ctx, g)
			if err != nil && events.KindOf(err) != events.NotFound {
				return status, err
			}
			status.RebuildDue, status.RebuildWhy = p.RebuildDue(g), due.String()
		case "building":
			if status.Rebuild, err = measureBuilding(ctx, p, g.Number); err != nil {
				return status, err
			}
		}
	}
	unsettled, oldest, err := live.Unsettled(ctx)
	if err != nil {
		return status, err
	}
	if status.Unsettled = unsettled; unsettled > 0 {
		status.OldestOpen = &oldest
	}
	sizes, err := live.Sizes(ctx)
	status.Versions, status.Resources, status.Terms, status.Quarantined, status.IndexBytes = sizes.Versions, sizes.Resources, sizes.Terms, sizes.Quarantined, sizes.Bytes
	return status, err
}

func partitionOf(end events.End, state projections.State) partitionStatus {
	return partitionStatus{Partition: end.Partition, First: end.First, Next: end.Next, Projected: state.Next, Lag: max(0, end.Next-max(end.First, state.Next)), Time: state.Time}
}

// measureBuilding tells how far a generation is, and how fast it goes on when somebody builds it.
func measureBuilding(ctx context.Context, p *parts.Parts, number int) (*node.BuildingProgress, error) {
	earlier, err := node.ProgressOf(ctx, p, number)
	if err != nil {
		return nil, err
	}
	if earlier.Holder, err = p.Generations.Builder(ctx); err != nil || earlier.Holder == "" {
		return &earlier, err
	}
	began := time.Now()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return &earlier, nil
	}
	now, err := node.ProgressOf(ctx, p, number)
	now.Holder = earlier.Holder
	now.Since(earlier, time.Since(began))
	return &now, err
}
