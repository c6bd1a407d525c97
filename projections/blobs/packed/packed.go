// Package packed is how the durable blob drivers write a blob's content into their stores: as it is, as one zstd frame,
// or as one S2 block.
//
// It promises that what comes back is the content of the hash that was asked for, or nothing. The hash is what tells
// the forms apart and what finds damage, so stored bytes carry no mark of their own: a small blob in a store is the
// document, readable with the store's own tools. A codec reads all forms, whichever it writes.
package packed

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"binnacle/events"
)

// Largest is the size in bytes that unpacked content may have: four times the largest body that a door takes. A frame
// that claims more is damage.
const Largest = 256 << 20

// window is how far back, in bytes, a frame may refer. It bounds what one call holds: documents of more are rare.
const window = 1 << 20

// magic begins every zstd frame (RFC 8878, 3.1.1). No JSON document begins so.
var magic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// longBlock is the size in bytes from which the length that an S2 block begins with has more than one byte, the first
// of which is 128 or above. No JSON document begins so.
const longBlock = 128

// keptScratch is the size in bytes up to which memory for packing is used again.
const keptScratch = 256 << 10

// Form is what long content is written as.
type Form int

// The forms. An S2 block takes a ninth of the CPU time of a zstd frame and, for FHIR documents, a quarter more bytes
// (ADR 4).
const (
	Zstd Form = iota
	S2
)

// Codec packs and unpacks. Its methods are safe for concurrent use.
type Codec struct {
	form    Form
	from    int
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	blocks  Blocks
}

// NewCodec makes a codec that writes content of at least from bytes in a form.
func NewCodec(form Form, from int) (*Codec, error) {
	// Fastest: the levels above cost 2 to 3 times as much and save 1 % (ADR 4). No checksum: the hash is one.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, events.Wrap(events.Internal, "packed.NewCodec", err, "the compressor cannot be made")
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(Largest))
	if err != nil {
		return nil, events.Wrap(events.Internal, "packed.NewCodec", err, "the decompressor cannot be made")
	}
	return &Codec{form: form, from: from, encoder: encoder, decoder: decoder}, nil
}

// Pack returns what to store for content: content itself, not a copy, unless it is long enough and the codec's form is
// shorter. It is never nil.
func (c *Codec) Pack(content []byte) []byte {
	if len(content) >= c.from && len(content) > 0 && c.shrinks(content) {
		if packed := c.pack(content); packed != nil && len(packed) < len(content) {
			return packed
		}
	}
	if content == nil {
		return []byte{}
	}
	return content
}

// Of a content above sampleAbove bytes, samples of sampleBytes tell whether it is worth compressing: pictures and
// archives are not, and what they would be compressed into takes as much memory again.
const (
	sampleAbove = 1 << 20
	sampleBytes = 64 << 10
	samples     = 8
)

// shrinks tells whether a content becomes shorter by more than a little in the codec's form, as far as samples tell.
func (c *Codec) shrinks(content []byte) bool {
	if len(content) <= sampleAbove {
		return true
	}
	buffer := make([]byte, s2.MaxEncodedLen(sampleBytes))
	for n := range samples {
		at := (len(content) - sampleBytes) / (samples - 1) * n
		sample := content[at : at+sampleBytes]
		var size int
		if c.form == Zstd {
			size = len(c.encoder.EncodeAll(sample, buffer[:0]))
		} else {
			size = len(s2.Encode(buffer, sample))
		}
		if size < sampleBytes/16*15 {
			return true
		}
	}
	return false
}

// pack writes content in the codec's form; nil when the form does not take it.
func (c *Codec) pack(content []byte) []byte {
	if c.form == Zstd {
		// A third is what FHIR documents shrink to; the frame is kept by some drivers, so it should not hold much more.
		return c.encoder.EncodeAll(content, make([]byte, 0, len(content)/3+64))
	}
	if len(content) < longBlock {
		return nil // its first byte would not tell that it is one
	}
	return c.blocks.Pack(content)
}

// Unpack returns the content of hash from what was stored for it: stored itself, or a new slice. It is nil when stored
// holds something else, because it was damaged or cut off.
func (c *Codec) Unpack(hash events.Hash, stored []byte) []byte {
	if bytes.HasPrefix(stored, magic) {
		content, err := c.decoder.DecodeAll(stored, nil)
		if err == nil && sha256.Sum256(content) == hash {
			return present(content)
		}
	}
	if len(stored) > 0 && stored[0] >= longBlock {
		if size, err := s2.DecodedLen(stored); err == nil && size <= Largest {
			content, err := s2.Decode(nil, stored)
			if err == nil && sha256.Sum256(content) == hash {
				return present(content)
			}
		}
	}
	if sha256.Sum256(stored) == hash {
		return present(stored)
	}
	return nil
}

// Blocks makes S2 blocks. The zero value is ready; its methods are safe for concurrent use.
type Blocks struct {
	scratch sync.Pool // of *[]byte: a block is made in more memory than it takes
}

// Pack gives content as one S2 block in memory of its own; nil when that is not shorter.
func (b *Blocks) Pack(content []byte) []byte {
	most := s2.MaxEncodedLen(len(content))
	if most < 0 {
		return nil // of 4 GiB and more there are no blocks
	}
	if most > keptScratch {
		return shorter(s2.Encode(nil, content), content)
	}
	memory, _ := b.scratch.Get().(*[]byte)
	if memory == nil {
		memory = new([]byte)
	}
	defer b.scratch.Put(memory)
	if cap(*memory) < most {
		*memory = make([]byte, most)
	}
	return shorter(s2.Encode((*memory)[:most], content), content)
}

func shorter(block, content []byte) []byte {
	if len(block) >= len(content) {
		return nil
	}
	return bytes.Clone(block)
}

// Unpack gives what [Blocks.Pack] was given; nil when that cannot be read. It checks no hash: it is for blocks that
// never left the memory.
func (*Blocks) Unpack(block []byte) []byte {
	content, err := s2.Decode(nil, block)
	if err != nil {
		return nil
	}
	return content
}

// present makes empty content differ from none.
func present(content []byte) []byte {
	if content == nil {
		return []byte{}
	}
	return content
}
