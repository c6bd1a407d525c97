package writebehind

import (
	"context"

	"binnacle/events"
	"binnacle/projections"
)

// Blobs are a store of contents, with those of commits that wait.
type Blobs struct {
	projections.Blobs
	all *Generations
}

var _ projections.Blobs = (*Blobs)(nil)

// Blobs puts what waits in front of the store that the commits' contents go to.
func (g *Generations) Blobs(store projections.Blobs) *Blobs { return &Blobs{store, g} }

// Get implements [projections.Blobs]. What waits is answered from memory.
func (b *Blobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	b.all.mu.Lock()
	known := answersOf(b.all.partitions, hashes, (*hold).content)
	b.all.mu.Unlock()
	return known.completed(func(missing []events.Hash) ([][]byte, error) { return b.Blobs.Get(ctx, missing) })
}

// Each implements [projections.Blobs]. What waits is stored first.
func (b *Blobs) Each(ctx context.Context, visit func(events.Hash) error) error {
	if err := b.all.flush(ctx, everything); err != nil {
		return err
	}
	return b.Blobs.Each(ctx, visit)
}

// Delete implements [projections.Blobs]. What waits is stored first, so that it doesn't come back.
func (b *Blobs) Delete(ctx context.Context, hashes []events.Hash) error {
	if err := b.all.flush(ctx, everything); err != nil {
		return err
	}
	return b.Blobs.Delete(ctx, hashes)
}
