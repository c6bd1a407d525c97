package search

import (
	"time"

	"binnacle/events"
	"binnacle/projections/index/step"
)

// DefaultTimeout is how long a search may take when the configuration says nothing.
const DefaultTimeout = 10 * time.Second

// Timeout is the configured one or the default.
func Timeout(configured time.Duration) time.Duration {
	if configured <= 0 {
		return DefaultTimeout
	}
	return configured
}

// OverTime is the refusal of a search that took too long.
func OverTime(err error, limit time.Duration) error {
	return events.Wrap(events.TooCostly, step.Op, err, "the search took longer than %s; narrow it by a more "+
		"selective parameter, or sort by fewer", limit)
}
