// Package packed is how the durable blob drivers write a blob's content into their stores: as it is, or as one zstd frame.
//
// It promises that what comes back is the content of the hash that was asked for, or nothing. The hash is what tells the two forms
// apart and what finds damage, so stored bytes carry no mark of their own: a small blob in a store is the document, readable with the
// store's own tools.
package packed

import (
	"bytes"
	"crypto/sha256"

	"github.com/klauspost/compress/zstd"

	"binnacle/events"
)

// Largest is the size in bytes that unpacked content may have: four times the largest body that a door takes. A frame that claims
// more is damage.
const Largest = 256 << 20

// window is how far back, in bytes, a frame may refer. It bounds what one call holds: documents of more are rare.
const window = 1 << 20

// magic begins every zstd frame (RFC 8878, 3.1.1). No JSON document begins so.
var magic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Codec packs and unpacks. Its methods are safe for concurrent use.
type Codec struct {
	from    int
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCodec makes a codec that compresses content of at least from bytes.
func NewCodec(from int) (*Codec, error) {
	// Fastest: the levels above cost 2 to 3 times as much and save 1 % (docs/decisions/0004-blobs.md). No checksum: the hash is one.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, events.Wrap(events.Internal, "packed.NewCodec", err, "the compressor cannot be made")
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(Largest))
	if err != nil {
		return nil, events.Wrap(events.Internal, "packed.NewCodec", err, "the decompressor cannot be made")
	}
	return &Codec{from: from, encoder: encoder, decoder: decoder}, nil
}

// Pack returns what to store for content: content itself, not a copy, unless it is long enough and a frame is shorter. It is never nil.
func (c *Codec) Pack(content []byte) []byte {
	if len(content) >= c.from && len(content) > 0 {
		// A third is what FHIR documents shrink to; the frame is kept by some drivers, so it should not hold much more.
		if frame := c.encoder.EncodeAll(content, make([]byte, 0, len(content)/3+64)); len(frame) < len(content) {
			return frame
		}
	}
	if content == nil {
		return []byte{}
	}
	return content
}

// Unpack returns the content of hash from what was stored for it: stored itself, or a new slice. It is nil when stored holds
// something else, because it was damaged or cut off.
func (c *Codec) Unpack(hash events.Hash, stored []byte) []byte {
	if bytes.HasPrefix(stored, magic) {
		content, err := c.decoder.DecodeAll(stored, nil)
		if err == nil && sha256.Sum256(content) == hash {
			return present(content)
		}
	}
	if sha256.Sum256(stored) == hash {
		return present(stored)
	}
	return nil
}

// present makes empty content differ from none.
func present(content []byte) []byte {
	if content == nil {
		return []byte{}
	}
	return content
}
