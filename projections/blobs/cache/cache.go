// Package cache keeps the blobs that are asked for in memory, in front of a store.
//
// Content never changes under its hash, so what the cache answers is always right; a blob that another process deleted may still be
// answered. The memory is bounded in bytes. What is not asked for again leaves first, so an import does not push out what readers use.
package cache

import (
	"bytes"
	"context"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"binnacle/events"
	"binnacle/projections"
)

var _ projections.Blobs = (*Blobs)(nil)

const (
	// overhead is what an entry holds beside its content, in bytes.
	overhead = 200
	// putLimit is the size in bytes up to which a blob is kept when it is put: it is often read at once, and a large one would
	// cost more places than it is worth.
	putLimit = 16 << 10
	// share is the part of the memory that one blob may take.
	share = 16
)

// Blobs is a store with a cache.
type Blobs struct {
	projections.Blobs // the store; Each and Ready are its own

	entries *otter.Cache[events.Hash, []byte]
	counter *stats.Counter
	largest int
}

// Figures count since the start, apart from Bytes and Entries.
type Figures struct {
	Hits, Misses, Evictions uint64 // blobs asked for that were there, that were not, and blobs that made room
	Bytes, Entries          uint64 // now, about
}

// New puts a cache of at most maxBytes in front of a store, which then belongs to it. With less than 1 nothing is kept.
func New(store projections.Blobs, maxBytes int64) *Blobs {
	maxBytes = max(maxBytes, 1)
	counter := stats.NewCounter()
	return &Blobs{
		Blobs:   store,
		counter: counter,
		largest: int(min(maxBytes/share, 1<<30)),
		entries: otter.Must(&otter.Options[events.Hash, []byte]{
			MaximumWeight: uint64(maxBytes),
			Weigher:       func(_ events.Hash, content []byte) uint32 { return uint32(len(content)) + overhead },
			StatsRecorder: counter,
		}),
	}
}

// Put implements [projections.Blobs]. Small blobs are kept once the store has them.
func (b *Blobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if err := b.Blobs.Put(ctx, blobs); err != nil {
		return err
	}
	for _, blob := range blobs {
		if len(blob.Content) <= putLimit {
			b.keep(blob.Hash, blob.Content)
		}
	}
	return nil
}

// Get implements [projections.Blobs]: the store is asked for what the cache has not.
func (b *Blobs) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, events.Wrap(events.Transient, "cache.Get", err, "the call ended before the blobs were looked up")
	}
	contents := make([][]byte, len(hashes))
	var missing []events.Hash
	var places []int
	for i, hash := range hashes {
		if content, found := b.entries.GetIfPresent(hash); found {
			contents[i] = copied(content)
		} else {
			missing, places = append(missing, hash), append(places, i)
		}
	}
	if len(missing) == 0 {
		return contents, nil
	}
	found, err := b.Blobs.Get(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, content := range found {
		contents[places[i]] = content
		if content != nil {
			b.keep(missing[i], copied(content)) // the other belongs to the caller, who may change it
		}
	}
	return contents, nil
}

// Delete implements [projections.Blobs].
func (b *Blobs) Delete(ctx context.Context, hashes []events.Hash) error {
	err := b.Blobs.Delete(ctx, hashes)
	for _, hash := range hashes { // after an error too: some may be deleted
		b.entries.Invalidate(hash)
	}
	return err
}

// Close implements [projections.Blobs]: it closes the store.
func (b *Blobs) Close() error {
	b.entries.InvalidateAll()
	return b.Blobs.Close()
}

// Figures are for metrics.
func (b *Blobs) Figures() Figures {
	b.entries.CleanUp() // entries over the bound leave in the background otherwise
	s := b.counter.Snapshot()
	return Figures{Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions, Bytes: b.entries.WeightedSize(), Entries: uint64(b.entries.EstimatedSize())}
}

func (b *Blobs) keep(hash events.Hash, content []byte) {
	if len(content)+overhead <= b.largest {
		b.entries.Set(hash, content)
	}
}

// copied never gives nil, which stands for a miss.
func copied(content []byte) []byte {
	if len(content) == 0 {
		return []byte{}
	}
	return bytes.Clone(content)
}
