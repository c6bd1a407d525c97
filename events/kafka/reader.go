package kafka

import (
	"context"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// seekingConsumer stands in for the client library's consumer when there is no group: its partitions start where seek
// says.
type seekingConsumer struct {
	sarama.Consumer
	follower *follower
}

// ConsumePartition ignores the subscriber's offset.
func (c seekingConsumer) ConsumePartition(topic string, partition int32, _ int64) (sarama.PartitionConsumer, error) {
	ctx, stop := context.WithCancel(c.follower.ctx)
	r := &reader{
		follower: c.follower, consumer: c.Consumer, topic: topic, partition: partition, stop: stop,
		batches: make(chan *sarama.ConsumerMessage), errors: make(chan *sarama.ConsumerError), done: make(chan struct{}),
	}
	go r.run(ctx)
	return r, nil
}

// reader is a partition consumer of batches that seeks again when its pass is over.
type reader struct {
	follower  *follower
	consumer  sarama.Consumer
	topic     string
	partition int32
	stop      context.CancelFunc
	batches   chan *sarama.ConsumerMessage
	errors    chan *sarama.ConsumerError // closed at the end; nothing is sent: errors go to the operator and to health
	done      chan struct{}
	highWater atomic.Int64
}

var _ sarama.PartitionConsumer = (*reader)(nil)

func (r *reader) run(ctx context.Context) {
	r.follower.began(1)
	defer r.follower.ended()
	defer close(r.done)
	defer close(r.errors)
	defer close(r.batches)
	for ctx.Err() == nil {
		present := r.follower.pass()
		next, err := r.follower.start(ctx, r.partition)
		if err != nil {
			return // ctx has ended
		}
		records, err := r.consumer.ConsumePartition(r.topic, r.partition, next)
		if err != nil {
			r.follower.settle(r.partition, classify("kafka.Follower", err))
			if pause(ctx, restPause) != nil {
				return
			}
			continue
		}
		r.read(ctx, records, present)
	}
}

// read pumps one pass and returns when the library has let the partition go.
func (r *reader) read(ctx context.Context, records sarama.PartitionConsumer, present pass) {
	errorsEnded := make(chan struct{})
	go func() {
		defer close(errorsEnded)
		for err := range records.Errors() {
			r.follower.log.logger.Warn("reading from Kafka failed; it is tried again", "topic", r.topic, "partition", r.partition, "error", err.Err)
		}
	}()
	r.follower.pump(r.partition, records, records.Messages(), r.batches, ctx.Done(), present).run()
	r.highWater.Store(records.HighWaterMarkOffset())
	records.AsyncClose()
	for range records.Messages() { // closed once the partition may be consumed again
	}
	<-errorsEnded
}

// The rest is what the subscriber, or the interface, asks of a partition consumer.

func (r *reader) Messages() <-chan *sarama.ConsumerMessage { return r.batches }

func (r *reader) Errors() <-chan *sarama.ConsumerError { return r.errors }

func (r *reader) AsyncClose() { r.stop() }

func (r *reader) Close() error {
	r.stop()
	<-r.done
	return nil
}

// HighWaterMarkOffset is that of the end of the pass before.
func (r *reader) HighWaterMarkOffset() int64 { return r.highWater.Load() }

// Pause does nothing: the subscriber's ack is what holds a partition back.
func (r *reader) Pause() {}

// Resume does nothing.
func (r *reader) Resume() {}

// IsPaused is never so.
func (r *reader) IsPaused() bool { return false }
