package packed

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"binnacle/events"
)

func codec(t testing.TB, from int) *Codec {
	t.Helper()
	c, err := NewCodec(from)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{7})
	b := make([]byte, n)
	_, _ = random.Read(b) // never fails
	return b
}

func TestContentComesBackAsItWas(t *testing.T) {
	c := codec(t, 512)
	document := []byte(`{"resourceType":"Patient","name":[{"family":"` + strings.Repeat("Ångström ", 400) + `"}]}`)
	frame := c.Pack(document)
	for name, content := range map[string][]byte{
		"nothing":                      nil,
		"one byte":                     {0},
		"a short document":             []byte(`{"resourceType":"Patient"}`),
		"a long document":              document,
		"noise, which does not shrink": noise(100_000),
		"zeros":                        make([]byte, 9<<20),
		"content that is a frame":      frame,
		"content that begins as one":   append(bytes.Clone(magic), document...),
	} {
		hash := events.Hash(sha256.Sum256(content))
		got := c.Unpack(hash, c.Pack(content))
		if got == nil || !bytes.Equal(got, content) {
			t.Errorf("%s: got %d bytes (nil: %v), want the %d that were packed", name, len(got), got == nil, len(content))
		}
	}
}

func TestShortContentIsStoredAsItIs(t *testing.T) {
	content := bytes.Repeat([]byte("a"), 511)
	if got := codec(t, 512).Pack(content); !bytes.Equal(got, content) {
		t.Errorf("511 bytes were stored as %d others, want them as they are below 512", len(got))
	}
	if got := codec(t, 511).Pack(content); len(got) >= len(content) {
		t.Errorf("511 bytes were stored as %d, want fewer from 511 on", len(got))
	}
}

func TestDamageIsNothing(t *testing.T) {
	c := codec(t, 512)
	for _, content := range [][]byte{bytes.Repeat([]byte("a plain document "), 3), bytes.Repeat([]byte("a long document "), 3000)} {
		hash := events.Hash(sha256.Sum256(content))
		stored := c.Pack(content)
		for i := range stored {
			damaged := bytes.Clone(stored)
			damaged[i] ^= 0x40
			if got := c.Unpack(hash, damaged); got != nil && !bytes.Equal(got, content) {
				t.Fatalf("with byte %d of %d changed, other bytes came back than were packed", i, len(stored))
			}
			if got := c.Unpack(hash, stored[:i]); got != nil {
				t.Fatalf("the first %d bytes of %d gave content", i, len(stored))
			}
		}
	}
}

func FuzzUnpackGivesTheContentOfTheHashOrNothing(f *testing.F) {
	c := codec(f, 16)
	content := []byte(strings.Repeat(`{"resourceType":"Observation"}`, 4))
	hash := events.Hash(sha256.Sum256(content))
	f.Add(c.Pack(content))
	f.Add(content)
	f.Add(magic)
	f.Fuzz(func(t *testing.T, stored []byte) {
		if got := c.Unpack(hash, stored); got != nil && !bytes.Equal(got, content) {
			t.Fatalf("got %q for the hash of %q", got, content)
		}
		own := events.Hash(sha256.Sum256(stored))
		if got := c.Unpack(own, c.Pack(stored)); !bytes.Equal(got, stored) {
			t.Fatalf("%q came back as %q", stored, got)
		}
	})
}
