package events

import (
	"bytes"
	"runtime"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"
)

// The CBOR data of dev.binnacle.event.v1: maps with integer keys. A key is never given a new meaning, and a reader
// refuses a key that it does not know, because it could be a precondition. What stands in the headers (id, tenant,
// time) is not repeated.
type eventForm struct {
	Changes        []changeForm `cbor:"1,keyasint"`
	IdempotencyKey string       `cbor:"2,keyasint,omitempty"`
	AllowDangling  bool         `cbor:"3,keyasint,omitempty"`
	Repeat         *repeatForm  `cbor:"4,keyasint,omitempty"`
	Settles        *settleForm  `cbor:"5,keyasint,omitempty"`
	Dialect        string       `cbor:"6,keyasint,omitempty"`
}

type repeatForm struct {
	Request []byte `cbor:"1,keyasint"`
	Part    int    `cbor:"2,keyasint,omitempty"`
	Window  int64  `cbor:"3,keyasint"` // seconds
}

type settleForm struct {
	Partition int32  `cbor:"1,keyasint"`
	Offset    int64  `cbor:"2,keyasint"`
	Discard   bool   `cbor:"3,keyasint,omitempty"`
	Reason    string `cbor:"4,keyasint,omitempty"`
}

type changeForm struct {
	Operation   uint8      `cbor:"1,keyasint"`
	Type        string     `cbor:"2,keyasint,omitempty"`
	ID          string     `cbor:"3,keyasint,omitempty"`
	Content     []byte     `cbor:"4,keyasint,omitempty"`
	IfMatch     int64      `cbor:"5,keyasint,omitempty"`
	IfNoneMatch bool       `cbor:"6,keyasint,omitempty"`
	Condition   string     `cbor:"7,keyasint,omitempty"`
	Links       []linkForm `cbor:"8,keyasint,omitempty"`
	Entry       int        `cbor:"9,keyasint,omitempty"`
	IfMatchOr   []int64    `cbor:"10,keyasint,omitempty"`
	Many        int        `cbor:"11,keyasint,omitempty"`
	Cascade     int        `cbor:"12,keyasint,omitempty"`
}

type linkForm struct {
	Start   int    `cbor:"1,keyasint"`
	End     int    `cbor:"2,keyasint"`
	Change  int    `cbor:"3,keyasint,omitempty"`
	Type    string `cbor:"4,keyasint,omitempty"`
	Query   string `cbor:"5,keyasint,omitempty"`
	Version bool   `cbor:"6,keyasint,omitempty"`
}

// Bounds of what Decode builds from a value, whatever the value claims. The CBOR library checks that a value is well
// formed before it allocates, so a claimed length needs its bytes; but an item of one byte can ask for a whole
// struct, hence the bound on items.
const (
	maxItems = 4 << 20 // CBOR items in one event: a link has at most 13, a change at most 24 and its links and versions
	maxArray = 1 << 20 // changes of an event, links of a change

	maxWindow = int64(100 * 365 * 24 * time.Hour / time.Second) // of an idempotency key, seconds
)

type valueCodec struct {
	encode     cbor.UserBufferEncMode
	decode     cbor.DecMode
	compress   *zstd.Encoder
	decompress *zstd.Decoder
	scratch    chan *scratch // as many as there are cores
}

// values is made once; its parts are safe for concurrent use and never change.
var values = sync.OnceValue(newValueCodec)

func newValueCodec() *valueCodec {
	must := func(err error) {
		if err != nil {
			panic(err) // the options below are constants
		}
	}
	encode, err := cbor.CoreDetEncOptions().UserBufferEncMode()
	must(err)
	decode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   8,
		MaxArrayElements:  maxArray,
		MaxMapPairs:       16,
	}.DecMode()
	must(err)
	compress, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	must(err)
	decompress, err := newDecoder(0)
	must(err)
	codec := &valueCodec{encode: encode, decode: decode, compress: compress, decompress: decompress,
		scratch: make(chan *scratch, runtime.GOMAXPROCS(0))}
	for range cap(codec.scratch) {
		codec.scratch <- new(scratch)
	}
	return codec
}

// newDecoder makes a decoder for so many values at once; 0: as there are cores.
func newDecoder(atOnce int) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(atOnce), zstd.WithDecoderMaxMemory(DecodedBytes),
		zstd.WithDecoderLowmem(true))
}

func encodeValue(op string, event Event) (value []byte, compressed bool, err error) {
	form := eventForm{IdempotencyKey: event.IdempotencyKey, AllowDangling: event.AllowDangling, Dialect: event.Dialect,
		Changes: make([]changeForm, len(event.Changes))}
	if event.Repeat != (Repeat{}) {
		form.Repeat = &repeatForm{Request: event.Repeat.Request[:], Part: event.Repeat.Part,
			Window: int64(event.Repeat.Window / time.Second)}
	}
	size, items := 128+len(event.IdempotencyKey), 24
	if s := event.Settles; s != nil {
		form.Settles = &settleForm{Partition: s.Position.Partition, Offset: s.Position.Offset, Discard: s.Discard,
			Reason: s.Reason}
		size += len(s.Reason)
	}
	for i := range event.Changes {
		change := &event.Changes[i]
		form.Changes[i] = changeForm{
			Operation: uint8(change.Operation), Type: change.Type, ID: change.ID, Content: change.Content,
			IfMatch:     change.IfMatch,
			IfNoneMatch: change.IfNoneMatch, Condition: change.Condition, Links: linkForms(change.Links),
			Entry: change.Entry, IfMatchOr: change.IfMatchOr, Many: change.Many, Cascade: change.Cascade,
		}
		size += 64 + 9*len(change.IfMatchOr) + len(change.Content) + len(change.Type) + len(change.ID) +
			len(change.Condition)
		items += 25 + 13*len(change.Links) + len(change.IfMatchOr)
		for j := range change.Links {
			size += 40 + len(change.Links[j].Type) + len(change.Links[j].Query)
		}
	}
	if size > DecodedBytes || items > maxItems || len(event.Changes) > maxArray {
		return nil, false, Errorf(TooLarge, op, "the event takes %d bytes before compression with %d changes; the "+
			"bounds are %d bytes and %d changes: send it in smaller transactions", size, len(event.Changes),
			DecodedBytes, maxArray)
	}
	codec := values()
	if size <= CompressAbove {
		plain := bytes.NewBuffer(make([]byte, 0, size))
		if err := codec.encode.MarshalToBuffer(&form, plain); err != nil {
			return nil, false, Wrap(Internal, op, err, "the event cannot be written as CBOR")
		}
		return plain.Bytes(), false, nil
	}
	memory := <-codec.scratch
	defer codec.giveBack(memory)
	plain := bytes.NewBuffer(memory.plainOf(size))
	if err := codec.encode.MarshalToBuffer(&form, plain); err != nil {
		return nil, false, Wrap(Internal, op, err, "the event cannot be written as CBOR")
	}
	if !shrinks(codec, plain.Bytes()) {
		memory.plain = nil // it is given away
		return plain.Bytes(), false, nil
	}
	memory.plain = plain.Bytes()[:0]
	// Into memory that is used again, and then into as much as it takes: how far a transaction shrinks cannot be told
	// before.
	memory.packed = codec.compress.EncodeAll(plain.Bytes(), memory.packed[:0])
	switch {
	case len(memory.packed) >= plain.Len():
		return bytes.Clone(plain.Bytes()), false, nil
	case len(memory.packed) > keptScratch: // it would not be kept
		value, memory.packed = memory.packed, nil
		return value, true, nil
	}
	return bytes.Clone(memory.packed), true, nil
}

// Of a value above sampleAbove bytes, samples of sampleBytes tell whether it is worth compressing: pictures and
// archives are not, and what they would be compressed into takes as much memory again.
const (
	sampleAbove = 1 << 20
	sampleBytes = 64 << 10
	samples     = 8
)

// shrinks tells whether a value becomes shorter by more than a little when it is compressed, as far as samples tell.
func shrinks(codec *valueCodec, value []byte) bool {
	if len(value) <= sampleAbove {
		return true
	}
	buffer := make([]byte, 0, sampleBytes+1<<10)
	for n := range samples {
		at := (len(value) - sampleBytes) / (samples - 1) * n
		if packed := codec.compress.EncodeAll(value[at:at+sampleBytes], buffer); len(packed) < sampleBytes/16*15 {
			return true
		}
	}
	return false
}

// scratch is the memory in which large values are compressed and decompressed. There is one for each core, because
// they are the largest pieces of memory that a node needs, and more at once make nothing faster.
type scratch struct{ plain, packed []byte }

// keptScratch is the capacity in bytes above which memory is not kept: a rare large event must not hold it for ever.
const keptScratch = 4 << 20

// plainOf returns empty memory for so many bytes.
func (s *scratch) plainOf(size int) []byte {
	if cap(s.plain) < size {
		s.plain = make([]byte, 0, size)
	}
	return s.plain[:0]
}

func (c *valueCodec) giveBack(memory *scratch) {
	if cap(memory.plain) > keptScratch {
		memory.plain = nil
	}
	if cap(memory.packed) > keptScratch {
		memory.packed = nil
	}
	c.scratch <- memory
}

func linkForms(links []Link) []linkForm {
	if len(links) == 0 {
		return nil
	}
	forms := make([]linkForm, len(links))
	for i, link := range links {
		forms[i] = linkForm(link)
	}
	return forms
}

func decodeValue(op string, value []byte, into *Event) error {
	if n := countItems(value); n > maxItems {
		return Errorf(Invalid, op, "the value holds more than %d CBOR items", maxItems)
	}
	var form eventForm
	if err := values().decode.Unmarshal(value, &form); err != nil {
		return Wrap(Invalid, op, err, "the value is not the CBOR of %s", typeEventV1)
	}
	into.IdempotencyKey, into.AllowDangling, into.Dialect = form.IdempotencyKey, form.AllowDangling, form.Dialect
	if err := decodeExtras(op, &form, into); err != nil {
		return err
	}
	if len(form.Changes) > 0 {
		into.Changes = make([]Change, len(form.Changes))
	}
	for i := range form.Changes {
		change := &form.Changes[i]
		into.Changes[i] = Change{
			Operation: Operation(change.Operation), Type: change.Type, ID: change.ID, Content: change.Content,
			IfMatch:     change.IfMatch,
			IfNoneMatch: change.IfNoneMatch, Condition: change.Condition, Entry: change.Entry,
			IfMatchOr: change.IfMatchOr, Many: change.Many, Cascade: change.Cascade,
		}
		if len(change.Links) > 0 {
			links := make([]Link, len(change.Links))
			for j, link := range change.Links {
				links[j] = Link(link)
			}
			into.Changes[i].Links = links
		}
	}
	return nil
}

func decodeExtras(op string, form *eventForm, into *Event) error {
	if r := form.Repeat; r != nil {
		if len(r.Request) != len(into.Repeat.Request) {
			return Errorf(Invalid, op, "the hash of the request has %d bytes, not %d", len(r.Request),
				len(into.Repeat.Request))
		}
		if r.Window < 0 || r.Window > maxWindow {
			return Errorf(Invalid, op, "the window of the idempotency key has %d seconds, not 1 to %d", r.Window,
				maxWindow)
		}
		into.Repeat = Repeat{Request: Hash(r.Request), Part: r.Part, Window: time.Duration(r.Window) * time.Second}
	}
	if s := form.Settles; s != nil {
		into.Settles = &Settling{Position: Position{s.Partition, s.Offset}, Discard: s.Discard, Reason: s.Reason}
	}
	return nil
}

// countItems walks the heads of CBOR items of definite length (RFC 8949, section 3) and stops at the first that is
// none: the library will refuse it.
func countItems(value []byte) int {
	items := 0
	for at := 0; at < len(value) && items <= maxItems; items++ {
		major, short := value[at]>>5, value[at]&31
		at++
		argument := uint64(short)
		if short >= 24 {
			width := 1 << (short - 24)
			if short > 27 || at+width > len(value) {
				return items
			}
			argument = 0
			for _, b := range value[at : at+width] {
				argument = argument<<8 | uint64(b)
			}
			at += width
		}
		// byte and text strings carry their bytes; the members of arrays and maps simply follow
		if major == 2 || major == 3 {
			if argument > uint64(len(value)-at) {
				return items
			}
			at += int(argument)
		}
	}
	return items
}

// maxRatio is above what zstd reaches: a block of 128 KiB takes at least 4 bytes (RFC 8878, section 3.1.1.2).
const maxRatio = 128 << 10 / 4

// decompress calls read with what a value holds. The memory is used again afterwards.
func decompress(op string, value []byte, read func(plain []byte) error) error {
	var header zstd.Header
	if err := header.Decode(value); err != nil {
		return Wrap(Invalid, op, err, "the value is not zstd (RFC 8878)")
	}
	if !header.HasFCS {
		return Errorf(Invalid, op, "the zstd frame does not tell its size")
	}
	if header.FrameContentSize > DecodedBytes || header.FrameContentSize > uint64(len(value))*maxRatio {
		return Errorf(Invalid, op, "the zstd frame claims %d bytes for %d; the bound is %d", header.FrameContentSize,
			len(value), DecodedBytes)
	}
	codec := values()
	unpack := codec.decompress
	if header.FrameContentSize > keptScratch { // a decoder holds what it has unpacked last
		var err error
		if unpack, err = newDecoder(1); err != nil {
			return Wrap(Internal, op, err, "the decoder of zstd")
		}
		defer unpack.Close()
	}
	memory := <-codec.scratch
	defer codec.giveBack(memory)
	plain, err := unpack.DecodeAll(value, memory.plainOf(int(header.FrameContentSize)))
	if err != nil {
		return Wrap(Invalid, op, err, "the value cannot be decompressed")
	}
	return read(plain)
}
