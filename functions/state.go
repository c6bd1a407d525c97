package functions

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Later is the time of the log after a record: the later of the times, in the log's precision. It never goes back.
func Later(t, u time.Time) time.Time {
	if u = u.UTC().Truncate(time.Millisecond); u.After(t) {
		return u
	}
	return t
}

// Rolled is the digest of a partition after some rows.
func Rolled(ctx context.Context, digest events.Hash, rows []projections.Row) (events.Hash, error) {
	digests := make([]events.Hash, len(rows))
	if err := Parallel(ctx, len(rows), func(n int) error {
		digests[n] = rows[n].Digest()
		return nil
	}); err != nil {
		return digest, err
	}
	for _, row := range digests {
		digest = projections.Roll(digest, row)
	}
	return digest, nil
}
