package projectionstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"binnacle/events"
	"binnacle/projections"
)

func manyInOrder(b *blobs) {
	stored, others := documents("stored", 60), documents("other", 60)
	b.put(stored...)
	var asked []events.Hash
	for i := range stored {
		asked = append(asked, others[i].Hash, stored[len(stored)-1-i].Hash)
	}
	for i, content := range b.get(asked...) {
		want := []byte(nil)
		if i%2 == 1 {
			want = stored[len(stored)-1-i/2].Content
		}
		if !bytes.Equal(content, want) || (content == nil) != (want == nil) {
			b.Fatalf("answer %d: got %.60q (nil: %v), want %.60q", i, content, content == nil, want)
		}
	}
	b.absent(events.Hash{})
}

func exactBytes(b *blobs) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	list := []projections.Blob{
		blob([]byte{}),
		blob([]byte{0}),
		blob([]byte("\x00\x00 a NUL in front and behind \x00")),
		blob([]byte("invalid UTF-8 \xff\xfe\xc3\x28 \xed\xa0\x80")),
		blob([]byte("\xef\xbb\xbf{\"resourceType\":\"Patient\"}\r\n\t ")),
		blob([]byte(`{"value":255.0,"a":1,"a":2}`)),
		blob([]byte(`'; DROP TABLE blob; -- ? $1 :x`)),
		blob(every),
		blob(bytes.Repeat(every, 40)),
		blob([]byte("\x28\xb5\x2f\xfd begins like a zstd frame and is none")),
	}
	b.put(list...)
	b.present(list...)
	for _, one := range list {
		b.present(one)
	}
}

func askedTwice(b *blobs) {
	one := documents("one", 1)[0]
	missing := blob([]byte("missing")).Hash
	b.put(one)
	b.present(one, one, one)
	b.absent(missing, missing)
}

func putTwice(b *blobs) {
	list := documents("twice", 20)
	b.put(append(slices.Clone(list), list...)...)
	b.put(list...)
	b.put(list[7])
	b.present(list...)
	if seen := b.visited(); len(seen) != len(list) {
		b.Errorf("Each visits %d hashes, want %d", len(seen), len(list))
	}
}

func nothing(b *blobs) {
	b.put()
	b.get()
	if err := b.store.Delete(b.ctx, nil); err != nil {
		b.Errorf("Delete of nothing: got %v, want nil", err)
	}
	if err := b.store.Delete(b.ctx, hashes(documents("unknown", 3))); err != nil {
		b.Errorf("Delete of what is not there: got %v, want nil", err)
	}
	if seen := b.visited(); len(seen) != 0 {
		b.Errorf("Each of an empty store visits %d hashes, want none", len(seen))
	}
}

func largeBatch(b *blobs) {
	list := documents("large", 2_500)
	b.put(list...)
	b.present(list...)
}

// largeBlob stores a document as large documents are: text that compresses.
func (b *blobs) largeBlob(size int) {
	var content bytes.Buffer
	random := rand.New(rand.NewPCG(1, 2))
	for content.Len() < size {
		fmt.Fprintf(&content, `{"resource":{"resourceType":"Observation","id":"%016x","valueQuantity":{"value":%d}}},`,
			random.Uint64(), random.IntN(1000))
	}
	content.Truncate(size)
	large := blob(content.Bytes())
	b.put(large)
	b.present(large)
}

func incompressible(b *blobs) {
	content := make([]byte, 12<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	list := append(documents("small", 9), blob(content))
	b.put(list...)
	b.present(list...)
}

func callersBytes(b *blobs) {
	list := documents("mine", 12)
	b.put(list...)
	for range 2 { // the second time from a cache, if there is one
		for _, content := range b.get(hashes(list)...) {
			clear(content)
		}
	}
	b.present(list...)
}

func eachVisits(b *blobs) {
	list := documents("each", 300)
	b.put(list...)
	seen := b.visited()
	for _, hash := range hashes(list) {
		if seen[hash] != 1 {
			b.Fatalf("a stored hash was visited %d times, want once", seen[hash])
		}
	}
	if len(seen) != len(list) {
		b.Fatalf("Each visits %d hashes, want %d", len(seen), len(list))
	}
}

func eachEnds(b *blobs) {
	b.put(documents("ends", 50)...)
	stop, calls := errors.New("enough"), 0
	err := b.store.Each(b.ctx, func(events.Hash) error {
		if calls++; calls == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || calls != 3 {
		b.Errorf("got %v after %d calls, want the visitor's error after 3", err, calls)
	}
}

func eachUses(b *blobs) {
	list := documents("uses", 30)
	b.put(list...)
	err := b.store.Each(b.ctx, func(hash events.Hash) error {
		content, err := b.store.Get(b.ctx, []events.Hash{hash})
		if err != nil {
			return err
		}
		if events.Hash(sha256.Sum256(content[0])) != hash {
			return errors.New("the content is not that of the hash visited")
		}
		return b.store.Delete(b.ctx, []events.Hash{hash})
	})
	if err != nil {
		b.Fatal(err)
	}
	b.absent(hashes(list)...)
}

func eachWhilePutting(b *blobs) {
	list := documents("before", 6_000)
	for chunk := range slices.Chunk(list, 2_000) {
		b.put(chunk...)
	}
	more := documents("meanwhile", 500)
	seen, calls := map[events.Hash]int{}, 0
	err := b.store.Each(b.ctx, func(hash events.Hash) error {
		seen[hash]++
		if calls++; calls%100 == 0 && calls/100 <= len(more) {
			return b.store.Put(b.ctx, []projections.Blob{blob(bytes.Clone(more[calls/100-1].Content))})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, hash := range hashes(list) {
		if seen[hash] != 1 {
			b.Fatalf("a hash that was there all the time was visited %d times, want once", seen[hash])
		}
	}
}

func deleted(b *blobs) {
	list := documents("delete", 40)
	b.put(list...)
	b.present(list...) // now in a cache, if there is one
	if err := b.store.Delete(b.ctx, hashes(list[:25])); err != nil {
		b.Fatal(err)
	}
	b.absent(hashes(list[:25])...)
	b.present(list[25:]...)
	if seen := b.visited(); len(seen) != 15 {
		b.Errorf("Each visits %d hashes after 25 of 40 were deleted, want 15", len(seen))
	}
	b.put(list[3])
	b.present(list[3])
}

func canceled(b *blobs) {
	list := documents("canceled", 5)
	b.put(list[0])
	ended, cancel := context.WithCancel(b.ctx)
	cancel()
	calls := 0
	_, err := b.store.Get(ended, hashes(list))
	for name, err := range map[string]error{
		"Get":    err,
		"Put":    b.store.Put(ended, slices.Clone(list[1:])),
		"Delete": b.store.Delete(ended, hashes(list[:1])),
		"Each":   b.store.Each(ended, func(events.Hash) error { calls++; return nil }),
		"Ready":  b.store.Ready(ended),
	} {
		var known *events.Error
		if !errors.As(err, &known) || known.Kind != events.Transient {
			b.Errorf("%s: got %v, want an *events.Error of kind transient", name, err)
		}
	}
	if calls != 0 {
		b.Errorf("Each visited %d hashes, want none", calls)
	}
	b.present(list[0])
	b.absent(hashes(list[1:])...)
}

func canceledEach(b *blobs) {
	b.put(documents("canceled", 400)...)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	err := b.store.Each(ctx, func(events.Hash) error { cancel(); return nil })
	if events.KindOf(err) != events.Transient || err == nil {
		b.Errorf("got %v, want an error of kind transient", err)
	}
}

func concurrently(b *blobs) {
	list := documents("at once", 300)
	kept, fleeting := list[:250], list[250:]
	var group sync.WaitGroup
	failed := make(chan error, 16)
	run := func(fn func(random *rand.Rand) error) {
		for seed := range 3 {
			group.Go(func() {
				if err := fn(rand.New(rand.NewPCG(uint64(seed), 9))); err != nil {
					failed <- err
				}
			})
		}
	}
	whole := func(asked []events.Hash) error {
		contents, err := b.store.Get(b.ctx, asked)
		for i, content := range contents {
			if content != nil && events.Hash(sha256.Sum256(content)) != asked[i] {
				return fmt.Errorf("a reader got %d bytes that are not of the hash it asked for", len(content))
			}
		}
		return err
	}
	run(func(random *rand.Rand) error {
		for _, i := range random.Perm(len(kept)) {
			if err := b.store.Put(b.ctx, []projections.Blob{blob(bytes.Clone(kept[i].Content)),
				blob(bytes.Clone(fleeting[i%len(fleeting)].Content))}); err != nil {
				return err
			}
		}
		return nil
	})
	run(func(random *rand.Rand) error {
		for range 60 {
			at := random.IntN(len(list) - 20)
			if err := whole(hashes(list[at : at+20])); err != nil {
				return err
			}
		}
		return nil
	})
	run(func(random *rand.Rand) error {
		for range 60 {
			if err := b.store.Delete(b.ctx, []events.Hash{fleeting[random.IntN(len(fleeting))].Hash}); err != nil {
				return err
			}
		}
		return nil
	})
	run(func(*rand.Rand) error {
		for range 3 {
			if err := b.store.Each(b.ctx, func(events.Hash) error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	group.Wait()
	close(failed)
	for err := range failed {
		b.Error(err)
	}
	b.present(kept...)
}

func closedTwice(b *blobs) {
	list := documents("closed", 3)
	b.put(list...)
	if err := b.store.Close(); err != nil {
		b.Errorf("Close: got %v, want nil", err)
	}
	contents, err := b.store.Get(b.ctx, hashes(list)) // an error, or the truth
	for i, content := range contents {
		if err == nil && !bytes.Equal(content, list[i].Content) {
			b.Errorf("Get after Close: got %.60q, want an error or the blob", content)
		}
	}
}
