package functions

import (
	"context"
	"fmt"
	"strings"

	"binnacle/events"
)

// HeadGone tells of a partition whose first records were deleted.
func HeadGone(end events.End) string {
	return fmt.Sprintf("partition %d begins at offset %d: the records before it were deleted", end.Partition, end.First)
}

// Head is why the log does not, or may soon not, hold everything that was ever written, as far as the last look has
// told: its first records were deleted, or its settings let that happen. The projections have it all still, so nothing
// stops; but a rebuild can't make them again.
func (f *Fit) Head() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

// lookAtHead makes what Head tells. A log that doesn't answer changes nothing.
func (f *Fit) lookAtHead(ctx context.Context) {
	err := f.missingHead(ctx)
	if err != nil && events.KindOf(err) != events.Conflict {
		return
	}
	f.keep(&f.head, err, "the log is not whole, or may not stay so", "the log is whole again, and set up to stay so")
}

func (f *Fit) missingHead(ctx context.Context) error {
	const op = "functions.Fit"
	ends, err := f.Log.Ends(ctx)
	if err != nil {
		return err
	}
	var gone []string
	for _, end := range ends {
		if end.First > 0 {
			gone = append(gone, HeadGone(end))
		}
	}
	if len(gone) > 0 {
		return events.Errorf(events.Conflict, op, "%s has lost its beginning: %s. Index and blobs alone have what it "+
			"said, and a rebuild can't make them again: back them up, and bring the log back from its copy", f.Name,
			strings.Join(gone, "; "))
	}
	keeper, ok := f.Log.(events.Keeper)
	if !ok {
		return nil
	}
	if err := keeper.Kept(ctx); events.KindOf(err) == events.Invalid {
		return events.Wrap(events.Conflict, op, err, "%s may lose records: its settings were changed. Set them back",
			f.Name)
	} else if err != nil {
		return err
	}
	return nil
}
