package projections

import (
	"context"

	"binnacle/events"
)

// Blob is the exact bytes of one version.
type Blob struct {
	Hash    events.Hash // SHA-256 of Content
	Content []byte      // owned by the driver from Put on; owned by the caller from Get on
}

// Blobs keeps content under its hash. A driver promises:
//
//   - Put is idempotent: the same content twice is one blob;
//   - Get answers with the exact bytes that were put, or with nothing; never with other bytes, never with a part;
//   - a blob that Put acknowledged may still be lost by its store: a version row knows its record, so the log heals it.
//
// Methods are safe for concurrent use. Errors are *events.Error: Transient when the store cannot be reached in bounded
// time.
type Blobs interface {
	// Put returns once every blob is stored at the configured level. After an error some may be stored; putting again
	// is safe.
	Put(ctx context.Context, blobs []Blob) error

	// Get returns the contents in the order of the hashes; nil stands for a blob that is not there.
	Get(ctx context.Context, hashes []events.Hash) ([][]byte, error)

	// Each calls visit with every hash stored, in no order, until visit fails or all were visited.
	Each(ctx context.Context, visit func(events.Hash) error) error

	// Delete removes blobs; one that is not there is no error.
	Delete(ctx context.Context, hashes []events.Hash) error

	// Ready tells in bounded time whether the store answers.
	Ready(ctx context.Context) error

	// Close releases what the driver holds.
	Close() error
}
