package kafka

import (
	"encoding/binary"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
)

// batch gathers records of one partition into the one consumer message that stands for them: its value is their frame,
// its offset is the last record's, so that the subscriber's own marking of it is right.
type batch struct {
	pass    uint64
	first   int64
	records int
	bytes   int
	msg     *sarama.ConsumerMessage
	headers []events.Header // scratch
}

func newBatch(pass uint64) *batch { return &batch{pass: pass, msg: &sarama.ConsumerMessage{}} }

// add takes a record in, or says that it belongs to the next batch. The first is always taken.
func (b *batch) add(record *sarama.ConsumerMessage) bool {
	if b.records > 0 && (b.records >= events.BatchRecords || b.bytes+len(record.Value) > events.BatchBytes) {
		return false
	}
	if b.records == 0 {
		b.first = record.Offset
	}
	raw := rawRecord(record, b.headers)
	b.headers = raw.Headers[:0]
	b.records++
	b.bytes += len(record.Value)
	b.msg.Topic, b.msg.Partition, b.msg.Offset, b.msg.Timestamp = record.Topic, record.Partition, record.Offset, record.Timestamp
	b.msg.Value = events.AppendFrame(b.msg.Value, &raw)
	return true
}

func (b *batch) full() bool { return b.records >= events.BatchRecords || b.bytes >= events.BatchBytes }

// take gives the message away and begins the next batch.
func (b *batch) take() {
	*b = batch{pass: b.pass, msg: &sarama.ConsumerMessage{}, headers: b.headers}
}

// seal writes what the unmarshaler needs into the message. It is called each time the batch is offered.
func (b *batch) seal() *sarama.ConsumerMessage {
	key := b.msg.Key[:0]
	key = binary.AppendUvarint(key, b.pass)
	key = binary.AppendUvarint(key, uint64(b.first))
	b.msg.Key = binary.AppendUvarint(key, uint64(b.records))
	return b.msg
}

// metadataPass tells which pass over the log a message belongs to: a reseek begins a new one.
const metadataPass = "binnacle_pass"

// unmarshaler makes the Watermill message of a batch. It never fails: its error would be seen by nobody and the
// partition would stand still.
type unmarshaler struct{}

func (unmarshaler) Unmarshal(sealed *sarama.ConsumerMessage) (*message.Message, error) {
	key := sealed.Key
	var numbers [3]uint64
	for i := range numbers {
		n, width := binary.Uvarint(key)
		numbers[i], key = n, key[max(0, width):]
	}
	first := events.Position{Partition: sealed.Partition, Offset: int64(numbers[1])}
	last := events.Position{Partition: sealed.Partition, Offset: sealed.Offset}
	msg := events.NewFramedMessage(sealed.Value, first, last, int(numbers[2]))
	msg.Metadata[metadataPass] = passText(numbers[0])
	return msg, nil
}

// rawRecord is a record as the contract has it, with views into the client library's memory. It uses the given slice
// for headers.
func rawRecord(record *sarama.ConsumerMessage, headers []events.Header) events.RawRecord {
	headers = headers[:0]
	for _, header := range record.Headers {
		headers = append(headers, events.Header{Key: string(header.Key), Value: header.Value})
	}
	return events.RawRecord{
		Position: events.Position{Partition: record.Partition, Offset: record.Offset}, Time: record.Timestamp.UTC(),
		Key: record.Key, Headers: headers, Value: record.Value,
	}
}
