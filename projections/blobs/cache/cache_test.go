package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/blobs/cache"
	"binnacle/projections/blobs/memory"
	"binnacle/projections/projectionstest"
)

func TestACacheKeepsTheContractOfBlobs(t *testing.T) {
	for _, size := range []int64{0, 64 << 10, 256 << 20} {
		t.Run(fmt.Sprintf("with %d bytes", size), func(t *testing.T) {
			projectionstest.Blobs(t, func(*testing.T) projections.Blobs { return cache.New(memory.New(), size) })
		})
	}
}

// counting counts the hashes that the store behind a cache is asked for, and fails when told to.
type counting struct {
	projections.Blobs
	asked  int
	failed error
}

func (c *counting) Get(ctx context.Context, hashes []events.Hash) ([][]byte, error) {
	c.asked += len(hashes)
	return c.Blobs.Get(ctx, hashes)
}

func (c *counting) Put(ctx context.Context, blobs []projections.Blob) error {
	if c.failed != nil {
		return c.failed
	}
	return c.Blobs.Put(ctx, blobs)
}

// noise does not shrink.
func noise(size int, seed byte) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(content) // never fails
	return content
}

func blob(size int, seed byte) projections.Blob {
	content := noise(size, seed)
	return projections.Blob{Hash: sha256.Sum256(content), Content: content}
}

func get(t *testing.T, store projections.Blobs, hashes ...events.Hash) [][]byte {
	t.Helper()
	contents, err := store.Get(t.Context(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

func TestTheStoreIsAskedOnceForABlobAndAgainForAMiss(t *testing.T) {
	inner := &counting{Blobs: memory.New()}
	one, two := blob(1000, 1), blob(1000, 2)
	if err := inner.Blobs.Put(t.Context(), []projections.Blob{one}); err != nil {
		t.Fatal(err)
	}
	store := cache.New(inner, 1<<20)
	for range 3 {
		if got := get(t, store, one.Hash, two.Hash); !bytes.Equal(got[0], one.Content) || got[1] != nil {
			t.Fatalf("got %d bytes and %d, want 1000 and nil", len(got[0]), len(got[1]))
		}
	}
	if inner.asked != 1+3 {
		t.Errorf("the store was asked for %d hashes, want the blob once and the miss three times", inner.asked)
	}
	if got := store.Figures(); got.Hits != 2 || got.Misses != 4 || got.Entries != 1 || got.Bytes < 1000 {
		t.Errorf("got %+v, want 2 hits, 4 misses and one entry of at least 1000 bytes", got)
	}
}

func TestASmallBlobThatIsPutIsKeptALargeOneIsNot(t *testing.T) {
	inner := &counting{Blobs: memory.New()}
	store := cache.New(inner, 8<<20)
	small, large := blob(2<<10, 1), blob(200<<10, 2)
	if err := store.Put(t.Context(), []projections.Blob{small, large}); err != nil {
		t.Fatal(err)
	}
	get(t, store, small.Hash)
	if inner.asked != 0 {
		t.Errorf("the store was asked for %d hashes after a small blob was put, want none", inner.asked)
	}
	get(t, store, large.Hash)
	get(t, store, large.Hash)
	if inner.asked != 1 {
		t.Errorf("the store was asked %d times for a large blob that was read twice, want once", inner.asked)
	}
}

func TestDocumentsTakeLessMemoryThanTheirBytesAndComeBackAsTheyWere(t *testing.T) {
	inner := &counting{Blobs: memory.New()}
	store := cache.New(inner, 1<<20)
	var hashes []events.Hash
	size := 0
	for i := range 200 {
		content := fmt.Appendf(nil, `{"resourceType":"Observation","id":"%d","component":[%s{}]}`, i,
			strings.Repeat(`{"code":{"coding":[{"system":"http://loinc.org"}]}},`, i))
		hashes, size = append(hashes, sha256.Sum256(content)), size+len(content)
		if err := inner.Blobs.Put(t.Context(), []projections.Blob{{Hash: hashes[i], Content: content}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for i, content := range get(t, store, hashes...) {
			if events.Hash(sha256.Sum256(content)) != hashes[i] {
				t.Fatalf("the document %d came back as %q", i, content)
			}
			clear(content) // it belongs to whoever asked
		}
	}
	if inner.asked != len(hashes) {
		t.Errorf("the store was asked for %d contents, want each of %d once", inner.asked, len(hashes))
	}
	if got := store.Figures(); got.Bytes > uint64(size)/4 {
		t.Errorf("%d documents of %d bytes together take %d, want a quarter at the most", len(hashes), size, got.Bytes)
	}
}

func TestManyBlobsAtOnceAreNotKept(t *testing.T) {
	inner := &counting{Blobs: memory.New()}
	store := cache.New(inner, 8<<20)
	for i, many := range []int{100, 101} {
		blobs := make([]projections.Blob, many)
		for j := range blobs {
			content := fmt.Appendf(nil, "%d %d", i, j)
			blobs[j] = projections.Blob{Hash: sha256.Sum256(content), Content: content}
		}
		if err := store.Put(t.Context(), blobs); err != nil {
			t.Fatal(err)
		}
	}
	if got := store.Figures().Entries; got != 100 {
		t.Errorf("%d blobs are kept of 100 that came together and 101 that did, want the 100", got)
	}
}

func TestWhatTheStoreRefusedIsNotKept(t *testing.T) {
	refusal := errors.New("refused")
	inner := &counting{Blobs: memory.New(), failed: refusal}
	store := cache.New(inner, 1<<20)
	one := blob(100, 1)
	if err := store.Put(t.Context(), []projections.Blob{one}); !errors.Is(err, refusal) {
		t.Fatalf("got %v, want the refusal of the store", err)
	}
	if got := get(t, store, one.Hash); got[0] != nil {
		t.Errorf("got %d bytes, want nil", len(got[0]))
	}
}

func TestTheMemoryStaysBounded(t *testing.T) {
	const limit = 1 << 20
	store := cache.New(memory.New(), limit)
	for i := range 3_000 {
		content := fmt.Appendf(noise(i%4_000, byte(i)), "%d", i)
		if err := store.Put(t.Context(), []projections.Blob{{Hash: sha256.Sum256(content),
			Content: content}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := store.Figures(); got.Bytes > limit || got.Evictions == 0 {
		t.Errorf("got %+v, want at most %d bytes and some evictions", got, limit)
	}
}
