// Package projectionstest holds what every driver of projections promises, as suites that the driver's own tests run:
// [Blobs] for the stores of documents, [Index] for the search indexes, which are held against a model in memory. The
// benchmarks let drivers be compared.
package projectionstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Blobs runs the contract of [projections.Blobs] against a driver. open returns an empty store; the suite closes it.
func Blobs(t *testing.T, open func(t *testing.T) projections.Blobs) {
	cases := []struct {
		name string
		run  func(*blobs)
	}{
		{"many blobs come back in the order asked, with nil for those that are not there", manyInOrder},
		{"the bytes come back exactly, whatever they are", exactBytes},
		{"a hash asked twice is answered twice", askedTwice},
		{"the same content twice is one blob", putTwice},
		{"putting, getting and deleting nothing is no error", nothing},
		{"a batch larger than any statement or chunk is stored and read whole", largeBatch},
		{"a blob of 9 MiB comes back", func(b *blobs) { b.largeBlob(9 << 20) }},
		{"a document of 48 MiB comes back", func(b *blobs) { b.largeBlob(48 << 20) }},
		{"random bytes of 12 MiB come back, among small ones", incompressible},
		{"what a caller does to the bytes it got changes nothing in the store", callersBytes},
		{"each visits every hash once", eachVisits},
		{"each ends with the error of its visitor", eachEnds},
		{"a visitor may use the store", eachUses},
		{"each goes on through more blobs than a page holds, while others are put", eachWhilePutting},
		{"a deleted blob is gone, the others stay, and it can be put again", deleted},
		{"a call whose context has ended is refused as transient and does nothing", canceled},
		{"a context that ends during each ends it", canceledEach},
		{"putting, getting, visiting and deleting at once keeps every blob whole", concurrently},
		{"ready while open", func(b *blobs) {
			if err := b.store.Ready(b.ctx); err != nil {
				b.Errorf("Ready: got %v, want nil", err)
			}
		}},
		{"closing twice is no error, and calls after it return", closedTwice},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			b := &blobs{T: t, ctx: ctx, store: open(t)}
			defer func() {
				if err := b.store.Close(); err != nil {
					t.Errorf("Close: got %v, want nil", err)
				}
			}()
			c.run(b)
		})
	}
}

// blobs is one case: a test, its time and an empty store.
type blobs struct {
	*testing.T
	ctx   context.Context //nolint:containedctx // the life of one test case
	store projections.Blobs
}

func blob(content []byte) projections.Blob {
	return projections.Blob{Hash: sha256.Sum256(content), Content: content}
}

// documents are n different blobs of ordinary sizes.
func documents(prefix string, n int) []projections.Blob {
	list := make([]projections.Blob, n)
	for i := range list {
		text := strings.Repeat("lorem ipsum dolor sit amet ", i%90)
		list[i] = blob(fmt.Appendf(nil, `{"resourceType":"Basic","id":"%s-%d","text":{"div":"%s"}}`, prefix, i, text))
	}
	return list
}

func hashes(list []projections.Blob) []events.Hash {
	result := make([]events.Hash, len(list))
	for i := range list {
		result[i] = list[i].Hash
	}
	return result
}

// put gives the store copies: what is put belongs to it.
func (b *blobs) put(list ...projections.Blob) {
	b.Helper()
	copies := make([]projections.Blob, len(list))
	for i := range list {
		copies[i] = projections.Blob{Hash: list[i].Hash, Content: bytes.Clone(list[i].Content)}
	}
	if err := b.store.Put(b.ctx, copies); err != nil {
		b.Fatalf("Put of %d: %v", len(list), err)
	}
}

func (b *blobs) get(asked ...events.Hash) [][]byte {
	b.Helper()
	contents, err := b.store.Get(b.ctx, asked)
	if err != nil {
		b.Fatalf("Get of %d: %v", len(asked), err)
	}
	if len(contents) != len(asked) {
		b.Fatalf("Get of %d: got %d answers", len(asked), len(contents))
	}
	return contents
}

func (b *blobs) present(list ...projections.Blob) {
	b.Helper()
	for i, content := range b.get(hashes(list)...) {
		if content == nil || !bytes.Equal(content, list[i].Content) {
			b.Fatalf("blob %d of %d: got %d bytes (nil: %v) %.60q, want %d bytes %.60q", i, len(list), len(content),
				content == nil, content, len(list[i].Content), list[i].Content)
		}
	}
}

func (b *blobs) absent(asked ...events.Hash) {
	b.Helper()
	for i, content := range b.get(asked...) {
		if content != nil {
			b.Fatalf("blob %d of %d: got %d bytes, want nil", i, len(asked), len(content))
		}
	}
}

func (b *blobs) visited() map[events.Hash]int {
	b.Helper()
	seen := map[events.Hash]int{}
	if err := b.store.Each(b.ctx, func(hash events.Hash) error { seen[hash]++; return nil }); err != nil {
		b.Fatalf("Each: %v", err)
	}
	return seen
}
