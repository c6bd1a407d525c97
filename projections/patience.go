package projections

import (
	"context"
	"time"
)

type searchTimeKey struct{}

// WithSearchTime returns a context in which a search may take up to limit, in place of what the index was opened with:
// nobody holds a connection until the answer.
func WithSearchTime(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, searchTimeKey{}, limit)
}

// SearchTime is how long a search may take in a context: what the context says, else what the index was opened with.
func SearchTime(ctx context.Context, standard time.Duration) time.Duration {
	if limit, found := ctx.Value(searchTimeKey{}).(time.Duration); found {
		return limit
	}
	return standard
}
