package kafka

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
)

// restPause is how long a nacked batch rests before it comes again, and a seek that failed before it is asked again.
// joinPause is how long two tries to join the group, or to read the partitions, are apart.
const (
	restPause = 100 * time.Millisecond
	joinPause = 250 * time.Millisecond
)

// pass is one reading of the log from a place that seek gave. A reseek ends it, on all partitions.
type pass struct {
	number uint64
	over   <-chan struct{}
}

func passText(number uint64) string { return strconv.FormatUint(number, 10) }

// follower is the stock subscriber with the hooks of this package.
type follower struct {
	log        *Log
	seek       events.Seek
	subscriber *wmkafka.Subscriber
	ctx        context.Context //nolint:containedctx // ends with the follower: the client library's interfaces carry none
	end        context.CancelFunc
	forwarding sync.WaitGroup

	mu       sync.Mutex
	sessions int             // memberships of the group, or readers of partitions, that are at work
	idle     time.Time       // since when there is none; zero: nobody has subscribed
	number   uint64          // of the present pass
	over     chan struct{}   // closed when the present pass is over
	problems map[int32]error // partitions that stand still, and why
	joins    time.Time       // when the group may be joined again
}

var _ events.Follower = (*follower)(nil)

func newFollower(l *Log, seek events.Seek) (*follower, error) {
	config, err := l.config.consumer()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	f := &follower{log: l, seek: seek, ctx: ctx, end: end, over: make(chan struct{}), problems: map[int32]error{}}
	f.subscriber, err = wmkafka.NewSubscriber(wmkafka.SubscriberConfig{
		Brokers: l.config.Brokers, Unmarshaler: unmarshaler{}, OverwriteSaramaConfig: config, ConsumerGroup: l.config.Group,
		NackResendSleep: restPause, ReconnectRetrySleep: joinPause, Tracer: consumerHook{follower: f},
	}, watermillLogger(l.logger))
	if err != nil {
		end()
		return nil, events.Wrap(events.Internal, "kafka.Follow", err, "the subscriber's configuration is wrong")
	}
	return f, nil
}

// Subscribe is Watermill's. With a group it is a member of it; without, it reads all partitions.
func (f *follower) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	batches, err := f.subscriber.Subscribe(ctx, f.log.config.Topic)
	if err != nil {
		return nil, classify("kafka.Subscribe", err)
	}
	f.began(0)
	output := make(chan *message.Message)
	f.forwarding.Go(func() { f.forward(ctx, batches, output) })
	return output, nil
}

// forward passes batches on and acks away what was fetched before a reseek, until the subscriber ends.
func (f *follower) forward(ctx context.Context, batches <-chan *message.Message, output chan<- *message.Message) {
	defer close(output)
	for msg := range batches {
		present := f.pass()
		if msg.Metadata[metadataPass] != passText(present.number) {
			msg.Ack()
			continue
		}
		select {
		case output <- msg:
		case <-present.over:
			msg.Ack()
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
	}
}

// Reseek is events.Follower.Reseek.
func (f *follower) Reseek() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	close(f.over)
	f.over = make(chan struct{})
}

func (f *follower) pass() pass {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pass{number: f.number, over: f.over}
}

// Close is Watermill's: subscriptions end, a message in hand is given up.
func (f *follower) Close() error {
	f.end()
	err := f.subscriber.Close()
	f.forwarding.Wait()
	f.forget()
	f.log.drop(f)
	return classify("kafka.Follower", err)
}

// pump makes the pump of a partition. What is known to come is what the brokers had when they last answered, and what
// this process appends.
func (f *follower) pump(partition int32, fetched interface{ HighWaterMarkOffset() int64 }, in <-chan *sarama.ConsumerMessage, out chan<- *sarama.ConsumerMessage, stop <-chan struct{}, pass pass) *pump {
	return &pump{in: in, out: out, stop: stop, pass: pass, wait: gatherWait, coming: func(next int64, records int) bool {
		return fetched.HighWaterMarkOffset() > next || f.log.traffic[partition].behind(next, records)
	}}
}

// start asks where to begin with a partition, until it is told a place that the topic has, or ctx ends. Meanwhile
// health tells.
func (f *follower) start(ctx context.Context, partition int32) (int64, error) {
	for {
		next, err := f.place(ctx, partition)
		if err == nil {
			f.settle(partition, nil)
			return next, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		f.settle(partition, err)
		if err := pause(ctx, restPause); err != nil {
			return 0, err
		}
	}
}

func (f *follower) place(ctx context.Context, partition int32) (int64, error) {
	next, err := f.seek(ctx, partition)
	if err != nil {
		return 0, err
	}
	end, err := f.log.end(ctx, partition)
	if err != nil {
		return 0, err
	}
	return next, events.CheckSeek([]events.End{end}, events.Position{Partition: partition, Offset: next})
}

// settle notes why a partition stands still, or that it does not, and tells the operator of each change.
func (f *follower) settle(partition int32, err error) {
	f.mu.Lock()
	before := f.problems[partition]
	if err == nil {
		delete(f.problems, partition)
	} else {
		f.problems[partition] = events.Wrap(events.KindOf(err), "kafka.Follower", err, "partition %d of the log is not followed", partition)
		err = f.problems[partition]
	}
	f.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		f.log.logger.Error("the log is not followed", "topic", f.log.config.Topic, "partition", partition, "error", err)
	}
}

// forget drops the notes: the partitions are another member's now.
func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.problems)
}

// began notes that so many sessions more are at work, and with 0 that one is expected; ended that one is over.
func (f *follower) began(sessions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sessions == 0 && f.idle.IsZero() {
		f.idle = time.Now()
	}
	f.sessions += sessions
}

func (f *follower) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sessions--; f.sessions == 0 {
		f.idle = time.Now()
	}
}

// maxIdle is how long a subscription may be without a session: rebalances and reseeks take a second or two.
const maxIdle = 30 * time.Second

// health tells of a partition that stands still, and of a subscription that gets no partitions: the subscriber below
// tries for ever and tells only the operator's log.
func (f *follower) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sessions == 0 && !f.idle.IsZero() && time.Since(f.idle) > maxIdle {
		return events.Errorf(events.Transient, "kafka.Follower", "nothing is read from the topic %s for %s (group %q); the log of this node tells why",
			f.log.config.Topic, time.Since(f.idle).Round(time.Second), f.log.config.Group)
	}
	for _, problem := range f.problems {
		return problem
	}
	return nil
}

// restToJoin keeps two tries to join the group apart.
func (f *follower) restToJoin() {
	f.mu.Lock()
	rest := max(0, time.Until(f.joins))
	f.joins = time.Now().Add(rest + joinPause)
	f.mu.Unlock()
	_ = pause(f.ctx, rest) // a follower that ends need not rest, and joins nothing
}

// consumerHook is the Tracer of the subscriber: with a group it wraps the handler of claims, without one the consumer.
type consumerHook struct {
	passThrough
	follower *follower
}

// WrapConsumerGroupHandler is called before each try to join the group. The subscriber rests when it can't reach any
// broker, but not when only the group's coordinator is away.
func (h consumerHook) WrapConsumerGroupHandler(inner sarama.ConsumerGroupHandler) sarama.ConsumerGroupHandler {
	h.follower.restToJoin()
	return &groupHandler{follower: h.follower, inner: inner}
}

func (h consumerHook) WrapConsumer(inner sarama.Consumer) sarama.Consumer {
	return seekingConsumer{Consumer: inner, follower: h.follower}
}
