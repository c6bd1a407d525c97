package kafka

import (
	"context"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
)

// delivery is one record on its way to the topic. It rides in the context of its Watermill message to the marshaler,
// and in the metadata of its producer message to the hook that fills in the position.
type delivery struct {
	key, value []byte
	headers    []sarama.RecordHeader
	large      bool // it is a largeRecord
	position   events.Position
}

type deliveryKey struct{}

// marshaler makes the producer message. Watermill's own would put the headers through a map of strings and add one of
// its own.
type marshaler struct{}

func (marshaler) Marshal(topic string, msg *message.Message) (*sarama.ProducerMessage, error) {
	d, ok := msg.Context().Value(deliveryKey{}).(*delivery)
	if !ok {
		return nil, events.Errorf(events.Internal, "kafka.Marshal", "the message %s was not made by Append", msg.UUID)
	}
	produced := &sarama.ProducerMessage{Topic: topic, Headers: d.headers, Metadata: d}
	if d.key != nil {
		produced.Key = sarama.ByteEncoder(d.key)
	}
	if d.value != nil {
		produced.Value = sarama.ByteEncoder(d.value)
	}
	return produced, nil
}

// passThrough is a Tracer that changes nothing.
type passThrough struct{}

func (passThrough) WrapConsumer(c sarama.Consumer) sarama.Consumer { return c }

func (passThrough) WrapPartitionConsumer(c sarama.PartitionConsumer) sarama.PartitionConsumer {
	return c
}

func (passThrough) WrapConsumerGroupHandler(h sarama.ConsumerGroupHandler) sarama.ConsumerGroupHandler {
	return h
}

func (passThrough) WrapSyncProducer(_ *sarama.Config, p sarama.SyncProducer) sarama.SyncProducer {
	return p
}

// producerHook is the Tracer of the publisher: Watermill's Publish tells no offsets, the producer below it does.
type producerHook struct{ passThrough }

func (producerHook) WrapSyncProducer(_ *sarama.Config, p sarama.SyncProducer) sarama.SyncProducer {
	return offsetProducer{p}
}

type offsetProducer struct{ sarama.SyncProducer }

func (p offsetProducer) SendMessage(msg *sarama.ProducerMessage) (int32, int64, error) {
	partition, offset, err := p.SyncProducer.SendMessage(msg)
	if d, ok := msg.Metadata.(*delivery); ok && err == nil {
		d.position = events.Position{Partition: partition, Offset: offset}
	}
	return partition, offset, err
}

// Append is events.Log.Append. The events of one call go out side by side: within the call their order in the log is
// any.
func (l *Log) Append(ctx context.Context, batch []events.Event) ([]events.Position, error) {
	const op = "kafka.Append"
	deliveries := make([]*delivery, len(batch))
	for i, event := range batch {
		headers, value, err := events.Encode(event)
		if err != nil {
			return nil, err
		}
		d := &delivery{key: []byte(event.Tenant), value: value, headers: make([]sarama.RecordHeader, len(headers))}
		size := len(d.key) + len(value)
		for j, header := range headers {
			d.headers[j] = sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value}
			size += len(header.Key) + len(header.Value) + 10
		}
		if size > l.most {
			return nil, events.Errorf(events.TooLarge, op, "the event takes %d bytes in the log, compressed as far as it can be, and a Kafka record holds %d here; send it in smaller transactions, or have the topic's max.message.bytes raised", size, l.most)
		}
		d.large = size > largeRecord
		deliveries[i] = d
	}
	return l.publish(ctx, deliveries)
}

// publish hands records to the publisher and waits for all of them, no longer than ctx and AppendTimeout.
func (l *Log) publish(ctx context.Context, deliveries []*delivery) ([]events.Position, error) {
	const op = "kafka.Append"
	ctx, cancel := context.WithTimeout(ctx, l.config.AppendTimeout)
	defer cancel()
	results := make(chan error, len(deliveries))
	for i, d := range deliveries {
		if err := l.hand(ctx, d, results); err != nil {
			if i > 0 {
				return nil, events.Wrap(events.Unknown, op, err, "%d of %d events were sent before the call ended; they may or may not be in the log", i, len(deliveries))
			}
			return nil, err
		}
	}
	var failed error
	for range deliveries {
		select {
		case err := <-results:
			if err != nil && failed == nil {
				failed = publishError(op, err)
			}
		case <-ctx.Done():
			return nil, events.Wrap(events.Unknown, op, ctx.Err(), "Kafka has not answered in time; the event may or may not be in the log")
		}
	}
	if failed != nil {
		return nil, failed
	}
	positions := make([]events.Position, len(deliveries))
	for i, d := range deliveries {
		positions[i] = d.position
	}
	return positions, nil
}

// hand gives one record to the publisher, on a goroutine that outlives the call when the brokers are slow. An error, of
// kind Transient, says that it was not handed over.
func (l *Log) hand(ctx context.Context, d *delivery, results chan<- error) error {
	partition := events.PartitionOf(string(d.key), l.partitions)
	if err := l.stalled("kafka.Append", partition); err != nil {
		return err
	}
	publisher := l.publisher
	if d.large {
		publisher = l.largePublisher
		select {
		case l.large <- struct{}{}:
		case <-ctx.Done():
			return events.Wrap(events.Transient, "kafka.Append", ctx.Err(), "other large events are on their way; nothing "+
				"was written, try again in a moment")
		}
	}
	if err := l.admit(ctx); err != nil {
		l.leave(d)
		return err
	}
	traffic := &l.traffic[partition]
	traffic.sent()
	go func() {
		msg := message.NewMessage("", d.value)
		msg.SetContext(context.WithValue(context.Background(), deliveryKey{}, d))
		err := publisher.Publish(l.config.Topic, msg)
		if err == nil {
			traffic.arrived(d.position.Offset)
		} else {
			traffic.lost()
		}
		<-l.slots
		l.leave(d)
		l.inFlight.Done()
		results <- err
	}()
	return nil
}

// leave gives the place of a large record to the next one.
func (l *Log) leave(d *delivery) {
	if d.large {
		<-l.large
	}
}

// admit counts one record in and takes a slot for it. Brokers that have not been away for long are waited for, in the
// slot: one that was lost is replaced by another within seconds. An error, of kind Transient, says that the record was
// not admitted.
func (l *Log) admit(ctx context.Context) error {
	const op = "kafka.Append"
	if err := ctx.Err(); err != nil {
		return events.Wrap(events.Transient, op, err, "the call ended before anything was written")
	}
	if _, err := l.reachable(op); err != nil {
		return err // at once: the slots may be taken by those who came before
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return events.Wrap(events.Transient, op, ctx.Err(), "too many events wait for Kafka; nothing was written")
	}
	for {
		out, err := l.enter(op)
		if err == nil && out == nil {
			return nil
		}
		if err == nil {
			err = out.wait(ctx, op)
		}
		if err != nil {
			<-l.slots
			return err
		}
	}
}

// enter counts a record in, unless the log is closed or the brokers are away: then it returns the outage, or why nobody
// waits for its end.
func (l *Log) enter(op string) (*outage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, err := l.present(op)
	if out == nil && err == nil {
		l.inFlight.Add(1)
	}
	return out, err
}
