package functionstest

import (
	"context"
	"sync/atomic"

	"binnacle/events"
	"binnacle/projections"
)

// FailingBlobs is a blob store that fails while Err holds an error.
type FailingBlobs struct {
	projections.Blobs
	Err atomic.Pointer[error]
}

func (b *FailingBlobs) Ready(ctx context.Context) error {
	if err := b.Err.Load(); err != nil {
		return *err
	}
	return b.Blobs.Ready(ctx)
}

func (b *FailingBlobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if err := b.Err.Load(); err != nil {
		return *err
	}
	return b.Blobs.Put(ctx, blobs)
}

func (b *FailingBlobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	if err := b.Err.Load(); err != nil {
		return nil, *err
	}
	return b.Blobs.Get(ctx, hashes)
}

// Away is what makes a part fail.
func Away(kind events.Kind) *error {
	err := error(events.Errorf(kind, "test", "away"))
	return &err
}
