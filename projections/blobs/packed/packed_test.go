package packed

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"binnacle/events"
)

// forms are what a codec can write, by name.
func forms() map[string]Form { return map[string]Form{"zstd": Zstd, "S2": S2} }

func codec(t testing.TB, form Form, from int) *Codec {
	t.Helper()
	c, err := NewCodec(form, from)
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

// contents are documents and what could be taken for a packed one.
func contents(t testing.TB) map[string][]byte {
	document := []byte(`{"resourceType":"Patient","name":[{"family":"` + strings.Repeat("Ångström ", 400) + `"}]}`)
	return map[string][]byte{
		"nothing":                        nil,
		"one byte":                       {0},
		"a short document":               []byte(`{"resourceType":"Patient"}`),
		"a long document":                document,
		"a very long document":           bytes.Repeat(document, 100),
		"noise, which does not shrink":   noise(100_000),
		"zeros":                          make([]byte, 9<<20),
		"content that is a frame":        codec(t, Zstd, 512).Pack(document),
		"content that begins as a frame": append(bytes.Clone(magic), document...),
		"content that is a block":        codec(t, S2, 512).Pack(document),
		"content that begins as a block": append([]byte{0xff, 0x7f}, document...),
	}
}

func TestContentComesBackAsItWas(t *testing.T) {
	for name, form := range forms() {
		t.Run(name, func(t *testing.T) {
			c := codec(t, form, 512)
			for name, content := range contents(t) {
				hash := events.Hash(sha256.Sum256(content))
				got := c.Unpack(hash, c.Pack(content))
				if got == nil || !bytes.Equal(got, content) {
					t.Errorf("%s: got %d bytes (nil: %v), want the %d that were packed", name, len(got), got == nil,
						len(content))
				}
			}
		})
	}
}

func TestACodecReadsWhatAnotherFormWrote(t *testing.T) {
	for name, content := range contents(t) {
		hash := events.Hash(sha256.Sum256(content))
		if got := codec(t, S2, 512).Unpack(hash, codec(t, Zstd, 512).Pack(content)); got == nil ||
			!bytes.Equal(got, content) {
			t.Errorf("%s: the codec of S2 got %d bytes (nil: %v) of what that of zstd wrote, want %d", name, len(got),
				got == nil, len(content))
		}
		if got := codec(t, Zstd, 512).Unpack(hash, codec(t, S2, 512).Pack(content)); got == nil ||
			!bytes.Equal(got, content) {
			t.Errorf("%s: the codec of zstd got %d bytes (nil: %v) of what that of S2 wrote, want %d", name, len(got),
				got == nil, len(content))
		}
	}
}

func TestShortContentIsStoredAsItIs(t *testing.T) {
	content := bytes.Repeat([]byte("a"), 511)
	for name, form := range forms() {
		if got := codec(t, form, 512).Pack(content); !bytes.Equal(got, content) {
			t.Errorf("%s: 511 bytes were stored as %d others, want them as they are below 512", name, len(got))
		}
		if got := codec(t, form, 511).Pack(content); len(got) >= len(content) {
			t.Errorf("%s: 511 bytes were stored as %d, want fewer from 511 on", name, len(got))
		}
	}
}

func TestDamageIsNothing(t *testing.T) {
	for name, form := range forms() {
		c := codec(t, form, 512)
		for _, content := range [][]byte{bytes.Repeat([]byte("a plain document "), 3),
			bytes.Repeat([]byte("a long document "), 3000)} {
			hash := events.Hash(sha256.Sum256(content))
			stored := c.Pack(content)
			for i := range stored {
				damaged := bytes.Clone(stored)
				damaged[i] ^= 0x40
				if got := c.Unpack(hash, damaged); got != nil && !bytes.Equal(got, content) {
					t.Fatalf("%s: with byte %d of %d changed, other bytes came back than were packed", name, i,
						len(stored))
				}
				if got := c.Unpack(hash, stored[:i]); got != nil {
					t.Fatalf("%s: the first %d bytes of %d gave content", name, i, len(stored))
				}
			}
		}
	}
}

func FuzzUnpackGivesTheContentOfTheHashOrNothing(f *testing.F) {
	frames, blocks := codec(f, Zstd, 16), codec(f, S2, 16)
	content := []byte(strings.Repeat(`{"resourceType":"Observation"}`, 8))
	hash := events.Hash(sha256.Sum256(content))
	f.Add(frames.Pack(content))
	f.Add(blocks.Pack(content))
	f.Add(content)
	f.Add(magic)
	f.Fuzz(func(t *testing.T, stored []byte) {
		for _, c := range []*Codec{frames, blocks} {
			if got := c.Unpack(hash, stored); got != nil && !bytes.Equal(got, content) {
				t.Fatalf("got %q for the hash of %q", got, content)
			}
			own := events.Hash(sha256.Sum256(stored))
			if got := c.Unpack(own, c.Pack(stored)); !bytes.Equal(got, stored) {
				t.Fatalf("%q came back as %q", stored, got)
			}
		}
	})
}
