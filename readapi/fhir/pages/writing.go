package pages

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"binnacle/events"
	"binnacle/projections"
)

// Wrote tells whether the client is still there to be written to.
func Wrote(ctx context.Context, logger *slog.Logger, err error) bool {
	if err != nil {
		logger.DebugContext(ctx, "a client left before its answer was written", "cause", err)
	}
	return err == nil
}

// Abort breaks an answer off that has begun and cannot be finished, so that the client does not take a part for the
// whole.
func Abort(ctx context.Context, logger *slog.Logger, err error, version projections.Version) {
	logger.ErrorContext(ctx, "a stored version cannot be shown; the answer is broken off", "resource",
		fmt.Sprintf("%s/%s/_history/%d", version.Type, version.ID, version.Number), "cause", err)
	panic(http.ErrAbortHandler)
}

// TotalOf is the total of a bundle; nil when it was not counted, and is negative.
func TotalOf(total int64) *int64 {
	if total < 0 {
		return nil
	}
	return &total
}

// UnknownID is the refusal, of kind NotFound, of a resource that never was.
func UnknownID(resourceType, id string) error {
	return events.Errorf(events.NotFound, "fhir.Read", "%s/%.70s is not known", resourceType, id)
}
