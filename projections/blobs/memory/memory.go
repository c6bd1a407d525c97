// Package memory keeps blobs in a map, for tests and the memory variant. What it holds is gone when the process ends.
package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"binnacle/events"
	"binnacle/projections"
)

var _ projections.Blobs = (*Blobs)(nil)

// Blobs is a store in memory.
type Blobs struct {
	mu       sync.RWMutex
	contents map[events.Hash][]byte
}

// New makes an empty store.
func New() *Blobs {
	return &Blobs{contents: map[events.Hash][]byte{}}
}

// Put implements [projections.Blobs].
func (b *Blobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if err := ended(ctx, "memory.Put"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, blob := range blobs {
		b.contents[blob.Hash] = blob.Content
	}
	return nil
}

// Get implements [projections.Blobs].
func (b *Blobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	if err := ended(ctx, "memory.Get"); err != nil {
		return nil, err
	}
	contents := make([][]byte, len(hashes))
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i, hash := range hashes {
		if content, found := b.contents[hash]; found {
			contents[i] = append([]byte{}, content...) // never nil, which stands for a miss
		}
	}
	return contents, nil
}

// Each implements [projections.Blobs]. It visits what was there when it began.
func (b *Blobs) Each(ctx context.Context, visit func(events.Hash) error) error {
	b.mu.RLock()
	hashes := slices.SortedFunc(maps.Keys(b.contents), func(x, y events.Hash) int { return bytes.Compare(x[:], y[:]) })
	b.mu.RUnlock()
	for _, hash := range hashes {
		if err := ended(ctx, "memory.Each"); err != nil {
			return err
		}
		if err := visit(hash); err != nil {
			return err
		}
	}
	return ended(ctx, "memory.Each")
}

// Delete implements [projections.Blobs].
func (b *Blobs) Delete(ctx context.Context, hashes []events.Hash) error {
	if err := ended(ctx, "memory.Delete"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, hash := range hashes {
		delete(b.contents, hash)
	}
	return nil
}

// Ready implements [projections.Blobs].
func (b *Blobs) Ready(ctx context.Context) error { return ended(ctx, "memory.Ready") }

// Close implements [projections.Blobs]. The contents go with the last reference to the store.
func (b *Blobs) Close() error { return nil }

func ended(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return events.Wrap(events.Transient, op, err, "the call ended before the store was reached")
	}
	return nil
}
