// Package cache keeps the blobs that are asked for in memory, in front of a store.
//
// Content never changes under its hash, so what the cache answers is always right; a blob that another process deleted
// may still be answered. The memory is bounded in bytes; contents lie in it as S2 blocks, so that it holds two to three
// times as many. What is not asked for again leaves first, and what many blobs at once bring is not kept, so an import
// does not push out what readers use.
package cache

import (
	"bytes"
	"context"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/blobs/packed"
)

var _ projections.Blobs = (*Blobs)(nil)

const (
	// overhead is what an entry holds beside its content, in bytes.
	overhead = 200
	// putLimit is the size in bytes up to which a blob is kept when it is put: it is often read at once, and a large
	// one would cost more places than it is worth.
	putLimit = 16 << 10
	// putTogether is up to how many blobs that are put at once are kept: those of a few small writes. More are an
	// import or a rebuild.
	putTogether = 100
	// shortest is the size in bytes from which a content is compressed.
	shortest = 256
	// shrinks is how many times smaller a content may be in memory, at most: larger ones are not tried.
	shrinks = 8
	// share is the part of the memory that one blob may take.
	share = 16
)

// Blobs is a store with a cache.
type Blobs struct {
	projections.Blobs // the store; Each and Ready are its own

	entries *otter.Cache[events.Hash, entry]
	counter *stats.Counter
	largest int
	blocks  packed.Blocks
}

// entry is a content as the memory holds it; nobody changes its bytes.
type entry struct {
	data  []byte
	block bool // data is an S2 block; else it is the content
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
		entries: otter.Must(&otter.Options[events.Hash, entry]{
			MaximumWeight: uint64(maxBytes),
			Weigher:       func(_ events.Hash, e entry) uint32 { return uint32(len(e.data)) + overhead },
			StatsRecorder: counter,
		}),
	}
}

// Put implements [projections.Blobs]. A few small blobs are kept once the store has them.
func (b *Blobs) Put(ctx context.Context, blobs []projections.Blob) error {
	if err := b.Blobs.Put(ctx, blobs); err != nil {
		return err
	}
	if len(blobs) > putTogether {
		return nil
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
		if e, found := b.entries.GetIfPresent(hash); found {
			contents[i] = b.content(e)
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
			b.keep(missing[i], content)
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
	return Figures{Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions, Bytes: b.entries.WeightedSize(),
		Entries: uint64(b.entries.EstimatedSize())}
}

// keep takes a copy of a content, which belongs to the caller.
func (b *Blobs) keep(hash events.Hash, content []byte) {
	if len(content)/shrinks+overhead > b.largest {
		return
	}
	var e entry
	if len(content) >= shortest {
		e.data = b.blocks.Pack(content)
	}
	if e.block = e.data != nil; !e.block {
		e.data = bytes.Clone(content)
	}
	if len(e.data)+overhead <= b.largest {
		b.entries.Set(hash, e)
	}
}

// content gives the caller a content of its own; never nil, which stands for a miss.
func (b *Blobs) content(e entry) []byte {
	if e.block {
		return b.blocks.Unpack(e.data)
	}
	return append([]byte{}, e.data...)
}
