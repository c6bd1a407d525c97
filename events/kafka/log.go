// Package kafka keeps the log in a Kafka topic: the log of the replica and the distributed variants.
//
// It is stock Watermill: watermill-kafka publishes and subscribes, and this package is what its hooks make of it. A
// marshaler and a producer behind the Tracer hook tell each record's offset. A consumer behind the same hook puts
// batches of records where the subscriber sees one message, so that a handler gets up to 1,000 records at a time and
// its ack lets the next batch come; and it starts each partition where the projections stand, not where the broker
// thinks. ADR 2 tells why.
//
// It promises, beside what events.Log does: Append ends within its timeout whatever the brokers do. When they are known
// to be away it writes nothing and waits for them, until they have been away for as long as the timeout; from then on
// it refuses at once (kind Transient), and Health tells. So a broker that is lost while others can replace it fails no
// write. Publishing and following go on by themselves when the brokers are back; a place that the topic does not have
// is never replaced by another in silence, but shows in Health.
package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	wmkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
)

var (
	_ events.Log    = (*Log)(nil)
	_ events.Prober = (*Log)(nil)
)

// Log is the log in a topic.
type Log struct {
	config     Config
	logger     *slog.Logger
	client     sarama.Client // of those who read: ends, replay, the watch
	publisher  *wmkafka.Publisher
	partitions int32
	// of large records, so that no other one waits behind them on a connection
	largePublisher *wmkafka.Publisher
	slots          chan struct{} // one for each record in flight
	large          chan struct{} // the place of the one large record in flight
	most           int           // bytes of a record on the wire
	traffic        []traffic     // of each partition
	tails          []tail        // of each partition
	stalls         []stall       // of each partition

	mu        sync.Mutex
	outage    *outage // that the brokers are known to be away; nil: they are not
	followers []*follower
	closed    bool
	inFlight  sync.WaitGroup // records handed to the publisher; only grows while closed is false
	stop      context.CancelFunc
	watching  sync.WaitGroup
}

const (
	// maxInFlight bounds the records that wait for the brokers' answer.
	maxInFlight = 1024
	// largeRecord is the size in bytes above which a record goes out on a way of its own, and only when no other such
	// record does: brokers and connections hold each of them in one piece.
	largeRecord = 4 << 20
)

// Open connects to the topic, which must be there (EnsureTopic). An error says why it cannot be used.
func Open(ctx context.Context, config Config, logger *slog.Logger) (*Log, error) {
	const op = "kafka.Open"
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	writing, err := config.producer()
	if err != nil {
		return nil, err
	}
	writingLarge, err := config.largeProducer()
	if err != nil {
		return nil, err
	}
	client, partitions, err := reach(ctx, op, config, config.Topic)
	if err != nil {
		return nil, err
	}
	publisher, err := newPublisher(ctx, config, writing, logger)
	if err != nil {
		_ = client.Close() // the error before is the one to tell
		return nil, classify(op, err)
	}
	largePublisher, err := newPublisher(ctx, config, writingLarge, logger)
	if err != nil {
		_, _ = publisher.Close(), client.Close() // the error before is the one to tell
		return nil, classify(op, err)
	}
	if config.Group != "" {
		config.SessionTimeout = sessionAllowed(ctx, client, config, logger)
	}
	watch, stop := context.WithCancel(context.Background())
	l := &Log{
		config: config, logger: logger, client: client, publisher: publisher, largePublisher: largePublisher, partitions: partitions,
		slots: make(chan struct{}, maxInFlight), large: make(chan struct{}, 1),
		most: messageBytes(ctx, client, config.Topic) - batchOverhead, traffic: make([]traffic, partitions),
		tails: make([]tail, partitions), stalls: make([]stall, partitions), stop: stop,
	}
	l.watching.Go(func() { l.watch(watch) })
	return l, nil
}

func newPublisher(ctx context.Context, config Config, library *sarama.Config, logger *slog.Logger) (*wmkafka.Publisher, error) {
	return bounded(ctx, func() (*wmkafka.Publisher, error) {
		return wmkafka.NewPublisher(wmkafka.PublisherConfig{
			Brokers: config.Brokers, Marshaler: marshaler{}, OverwriteSaramaConfig: library, Tracer: producerHook{},
		}, watermillLogger(logger))
	})
}

// reach makes the client of those who read a topic, and counts its partitions.
func reach(ctx context.Context, op string, config Config, topic string) (sarama.Client, int32, error) {
	reading, err := config.consumer()
	if err != nil {
		return nil, 0, err
	}
	client, err := bounded(ctx, func() (sarama.Client, error) { return sarama.NewClient(config.Brokers, reading) })
	if err != nil {
		return nil, 0, classify(op, err)
	}
	partitions, err := bounded(ctx, func() ([]int32, error) { return client.Partitions(topic) })
	if err != nil {
		_ = client.Close() // the error before is the one to tell
		return nil, 0, classify(op, err)
	}
	return client, int32(len(partitions)), nil
}

// Follow is events.Log.Follow.
func (l *Log) Follow(seek events.Seek) (events.Follower, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, closedError("kafka.Follow")
	}
	f, err := newFollower(l, seek)
	if err != nil {
		return nil, err
	}
	l.followers = append(l.followers, f)
	return f, nil
}

// drop forgets a follower that was closed.
func (l *Log) drop(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers = slices.DeleteFunc(slices.Clone(l.followers), func(other *follower) bool { return other == f })
}

// Ends is events.Log.Ends.
func (l *Log) Ends(ctx context.Context) ([]events.End, error) {
	ends := make([]events.End, l.partitions)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for partition := range l.partitions {
		group.Go(func() (err error) {
			ends[partition], err = l.end(ctx, partition)
			return err
		})
	}
	return ends, group.Wait()
}

func (l *Log) end(ctx context.Context, partition int32) (events.End, error) {
	end, err := bounded(ctx, func() (events.End, error) {
		first, err := l.client.GetOffset(l.config.Topic, partition, sarama.OffsetOldest)
		if err != nil {
			return events.End{}, err
		}
		mark, err := l.client.GetOffset(l.config.Topic, partition, sarama.OffsetNewest)
		return events.End{Partition: partition, First: first, Next: mark}, err
	})
	if err == nil {
		end.Next, err = l.tails[partition].of(fetching(ctx, l.client, l.config.Topic, partition), end.First, end.Next, l.traffic[partition].appended.Load())
	}
	return end, classify("kafka.Ends", err)
}

// Health is events.Prober.Health.
func (l *Log) Health(ctx context.Context) error {
	l.mu.Lock()
	followers := l.followers
	_, err := l.present("kafka.Health")
	l.mu.Unlock()
	if err != nil {
		return err
	}
	for partition := range l.stalls {
		if err := l.stalled("kafka.Health", int32(partition)); err != nil {
			return err
		}
	}
	for _, f := range followers {
		if err := f.health(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Close is events.Log.Close. It waits for records in flight no longer than AppendTimeout.
func (l *Log) Close() error {
	l.mu.Lock()
	closed, followers := l.closed, l.followers
	l.closed, l.followers = true, nil
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.stop()
	var failed []error
	for _, f := range followers {
		failed = append(failed, f.Close())
	}
	l.watching.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), l.config.AppendTimeout)
	defer cancel()
	_, err := bounded(ctx, func() (struct{}, error) { // publishers must not be closed while they publish
		l.inFlight.Wait()
		return struct{}{}, errors.Join(l.publisher.Close(), l.largePublisher.Close())
	})
	if errors.Is(err, context.DeadlineExceeded) {
		l.logger.Warn("records were in flight when the log was closed; they may or may not be in the topic", "topic", l.config.Topic)
		err = nil
	}
	failed = append(failed, err, l.client.Close())
	return classify("kafka.Close", errors.Join(failed...))
}

func closedError(op string) error {
	return events.Errorf(events.Transient, op, "the log is closed; nothing was written")
}

// watermillLogger makes details of what Watermill tells as information: comings and goings of its subscribers.
func watermillLogger(logger *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(logger, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
}
