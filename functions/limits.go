package functions

import (
	"context"
	"time"
)

// Default gives a limit that is not set its default.
func Default[T int | int64 | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

type outcomeWaitKey struct{}

// WithOutcomeWait returns a context in which a write waits up to limit for the outcome of an event that the log has, in
// place of what its node says: nobody holds a connection until the answer.
func WithOutcomeWait(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, outcomeWaitKey{}, limit)
}

// OutcomeWait is how long a write waits in a context: what the context says, else what the node does.
func OutcomeWait(ctx context.Context, standard time.Duration) time.Duration {
	if limit, found := ctx.Value(outcomeWaitKey{}).(time.Duration); found {
		return max(limit, standard)
	}
	return standard
}
