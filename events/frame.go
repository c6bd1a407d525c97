package events

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Metadata of a message that carries a batch, for tracing and logs. The payload alone counts.
const (
	MetadataFirst   = "binnacle_first"   // position of the first record
	MetadataLast    = "binnacle_last"    // position of the last record
	MetadataRecords = "binnacle_records" // how many there are
)

// The frame of a batch lives between a driver and a handler of one process and is never stored. Numbers are varints:
//
//	frame  = record…
//	record = partition offset milliseconds bytes(key) count header… bytes(value)
//	header = bytes(name) bytes(value)
//	bytes  = 0 for nil, else length+1 and the bytes

// Frame puts a batch of records into the payload of one Watermill message; [Records] reads it back.
func Frame(records []RawRecord) []byte {
	size := 0
	for i := range records {
		size += recordSize(&records[i])
	}
	frame := make([]byte, 0, size)
	for i := range records {
		frame = AppendFrame(frame, &records[i])
	}
	return frame
}

// AppendFrame adds a record to a frame, for drivers that gather a batch record by record.
func AppendFrame(frame []byte, record *RawRecord) []byte {
	frame = slices.Grow(frame, recordSize(record))
	frame = binary.AppendUvarint(frame, uint64(uint32(record.Position.Partition)))
	frame = binary.AppendUvarint(frame, uint64(record.Position.Offset))
	frame = binary.AppendVarint(frame, record.Time.UnixMilli())
	frame = appendBytes(frame, record.Key)
	frame = binary.AppendUvarint(frame, uint64(len(record.Headers)))
	for _, header := range record.Headers {
		frame = binary.AppendUvarint(frame, uint64(len(header.Key))+1)
		frame = append(frame, header.Key...)
		frame = appendBytes(frame, header.Value)
	}
	return appendBytes(frame, record.Value)
}

// recordSize is at least what the record takes in a frame.
func recordSize(record *RawRecord) int {
	size := 6*binary.MaxVarintLen64 + len(record.Key) + len(record.Value)
	for _, header := range record.Headers {
		size += 2*binary.MaxVarintLen32 + len(header.Key) + len(header.Value)
	}
	return size
}

func appendBytes(frame, b []byte) []byte {
	if b == nil {
		return append(frame, 0)
	}
	frame = binary.AppendUvarint(frame, uint64(len(b))+1)
	return append(frame, b...)
}

// NewMessage makes the message by which a driver delivers a batch: one record or more, of one partition, in offset
// order. Its UUID is the batch's extent, so the same batch delivered again is the same message to middleware.
func NewMessage(records []RawRecord) *message.Message {
	return NewFramedMessage(Frame(records), records[0].Position, records[len(records)-1].Position, len(records))
}

// NewFramedMessage is [NewMessage] for a batch that has been framed already.
func NewFramedMessage(frame []byte, first, last Position, records int) *message.Message {
	msg := message.NewMessage(first.String()+"-"+strconv.FormatInt(last.Offset, 10), frame)
	msg.Metadata[MetadataFirst] = first.String()
	msg.Metadata[MetadataLast] = last.String()
	msg.Metadata[MetadataRecords] = strconv.Itoa(records)
	return msg
}

// Records reads the batch that a follower's message carries. Keys, header values and values are views into the
// message's payload: whoever keeps one keeps the whole batch, so copy what outlives the handler. An error (kind
// Internal) means that the message is not from a follower.
func Records(msg *message.Message) ([]RawRecord, error) {
	frame := frameReader{rest: msg.Payload}
	// A record takes at least six bytes, so a false hint cannot ask for more memory than a small multiple of the
	// payload.
	hint, _ := strconv.Atoi(msg.Metadata[MetadataRecords])
	records := make([]RawRecord, 0, max(0, min(hint, len(msg.Payload)/6)))
	for len(frame.rest) > 0 && !frame.broken {
		records = append(records, frame.record())
	}
	if frame.broken {
		return nil, Errorf(Internal, "events.Records", "the message %.60s is not a batch of records", msg.UUID)
	}
	return records, nil
}

// headerName spares the allocation for the names that nearly every record bears.
func headerName(name []byte) string {
	switch string(name) {
	case headerSpecVersion:
		return headerSpecVersion
	case headerType:
		return headerType
	case headerSource:
		return headerSource
	case headerID:
		return headerID
	case headerTime:
		return headerTime
	case headerCompression:
		return headerCompression
	case headerContentType:
		return headerContentType
	}
	return string(name)
}

type frameReader struct {
	rest   []byte
	broken bool
}

func (f *frameReader) record() RawRecord {
	var record RawRecord
	record.Position.Partition = int32(uint32(f.uvarint()))
	record.Position.Offset = int64(f.uvarint())
	record.Time = time.UnixMilli(f.varint()).UTC()
	record.Key = f.bytes()
	headers := f.uvarint()
	if headers > uint64(len(f.rest)/2) { // each takes two bytes or more
		f.broken = true
	}
	if headers > 0 && !f.broken {
		record.Headers = make([]Header, headers)
	}
	for i := range record.Headers {
		record.Headers[i].Key = headerName(f.bytes())
		record.Headers[i].Value = f.bytes()
	}
	record.Value = f.bytes()
	return record
}

func (f *frameReader) uvarint() uint64 {
	n, width := binary.Uvarint(f.rest)
	return take(f, n, width)
}

func (f *frameReader) varint() int64 {
	n, width := binary.Varint(f.rest)
	return take(f, n, width)
}

func take[N int64 | uint64](f *frameReader, n N, width int) N {
	if f.broken || width <= 0 {
		f.broken = true
		return 0
	}
	f.rest = f.rest[width:]
	return n
}

func (f *frameReader) bytes() []byte {
	length := f.uvarint()
	if length == 0 {
		return nil
	}
	length--
	if length > uint64(len(f.rest)) {
		f.broken = true
		return nil
	}
	b := f.rest[:length:length]
	f.rest = f.rest[length:]
	return b
}
