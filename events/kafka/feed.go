package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

const (
	feedSuffix = "-feed"
	// feedMessageBytes is the feed's max.message.bytes: the decision on a transaction of very many small resources is
	// larger than the transaction, because hashes do not compress.
	feedMessageBytes = 64 << 20
	// feedJSONBytes bounds the JSON of one decision before compression; a request to a broker may have 100 MiB.
	feedJSONBytes = 96 << 20
	// feedGroupBytes bounds the JSON that is handed to the client library at once.
	feedGroupBytes = 4 << 20

	// headerPrevious is the position of the decision before, an extension attribute: absent from the first one of a
	// partition.
	headerPrevious = "ce_previous"
)

// FeedTopic is the topic of the feed of a log's topic.
func FeedTopic(topic string) string { return topic + feedSuffix }

var _ events.Feed = (*Feed)(nil)

// Feed is the feed of decisions in a topic beside that of the log, with the same partitions.
//
// Kafka keeps a record that was sent twice by two producers, and after a failure it may keep a later record of a
// producer without an earlier one. So each decision names the one before it, and a reader takes a decision only when it
// has taken that one: whatever was written in between is a repetition, or came too early and stands there again further
// on. Decisions are sent by the client library's own producer, many at once; Watermill's publisher sends one after the
// other.
type Feed struct {
	topic    string
	logger   *slog.Logger
	client   sarama.Client // of those who read
	producer sarama.SyncProducer
	places   []*feedPlace // of each partition
	growth   events.Growth

	mu     sync.Mutex
	closed bool
	using  sync.WaitGroup // of the producer; only grows while closed is false
}

// feedPlace is how far a partition of the feed is known. Its lock is a channel, so that a caller can give up waiting
// for it.
type feedPlace struct {
	lock  chan struct{}
	known bool
	end   int64  // after the last decision of the chain
	read  int64  // the place in the topic up to which that was found
	marks []mark // ascending
}

// mark tells where in the topic to read from: the decision after the one at or before offset end-1 stands at or behind
// it.
type mark struct{ end, place int64 }

// feedMarks bounds the marks that are kept.
const feedMarks = 256

// OpenFeed connects to the feed of the topic that the configuration names; it must be there (EnsureTopic).
func OpenFeed(ctx context.Context, config Config, logger *slog.Logger) (*Feed, error) {
	const op = "kafka.OpenFeed"
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	writing, err := config.producer()
	if err != nil {
		return nil, err
	}
	writing.Producer.MaxMessageBytes = feedJSONBytes
	writing.Producer.Partitioner = sarama.NewManualPartitioner // a decision's partition is its record's
	// Whoever publishes asks again; what is away for long need not be held on to.
	writing.Metadata.Retry.Max, writing.Producer.Retry.Max = 20, 20
	f := &Feed{topic: FeedTopic(config.Topic), logger: logger}
	var partitions int32
	if f.client, partitions, err = reach(ctx, op, config, f.topic); err != nil {
		return nil, err
	}
	if f.producer, err = bounded(ctx, func() (sarama.SyncProducer, error) { return sarama.NewSyncProducer(config.Brokers, writing) }); err != nil {
		_ = f.client.Close() // the error before is the one to tell
		return nil, classify(op, err)
	}
	for range partitions {
		f.places = append(f.places, &feedPlace{lock: make(chan struct{}, 1)})
	}
	return f, nil
}

// enter counts a call in, and gives it the place of a partition for itself.
func (f *Feed) enter(ctx context.Context, op string, partition int32) (*feedPlace, func(), error) {
	if partition < 0 || int(partition) >= len(f.places) {
		return nil, nil, events.Errorf(events.Invalid, op, "the feed has no partition %d", partition)
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, nil, events.Errorf(events.Transient, op, "the feed is closed")
	}
	f.using.Add(1)
	f.mu.Unlock()
	place := f.places[partition]
	select {
	case place.lock <- struct{}{}:
		return place, func() { <-place.lock; f.using.Done() }, nil
	case <-ctx.Done():
		f.using.Done()
		return nil, nil, classify(op, ctx.Err())
	}
}

// Publish is events.Feed.Publish.
func (f *Feed) Publish(ctx context.Context, decisions []events.Decision) error {
	const op = "kafka.Publish"
	if err := events.CheckDecisions(decisions); err != nil || len(decisions) == 0 {
		return err
	}
	if err := ctx.Err(); err != nil {
		return classify(op, err)
	}
	partition := decisions[0].Outcome.Position.Partition
	place, leave, err := f.enter(ctx, op, partition)
	if err != nil {
		return err
	}
	if _, err := f.refresh(ctx, partition, place); err != nil {
		leave()
		return err
	}
	for len(decisions) > 0 && decisions[0].Outcome.Position.Offset < place.end {
		decisions = decisions[1:]
	}
	// What was begun is sent whole: the place stays taken until the library has given it up.
	_, err = bounded(ctx, func() (struct{}, error) {
		defer leave()
		return struct{}{}, f.send(ctx, partition, place, decisions)
	})
	return classify(op, err)
}

// send sends decisions in groups, each of which has arrived before the next one goes.
func (f *Feed) send(ctx context.Context, partition int32, place *feedPlace, decisions []events.Decision) error {
	previous := place.end - 1
	var group []*sarama.ProducerMessage
	size := 0
	for i := range decisions {
		msg, err := f.message(&decisions[i], previous)
		if err != nil {
			return err
		}
		if size > 0 && size+msg.Value.Length() > feedGroupBytes {
			if err := f.sendGroup(ctx, place, group, previous+1); err != nil {
				return err
			}
			group, size = nil, 0
		}
		group, size = append(group, msg), size+msg.Value.Length()
		previous = decisions[i].Outcome.Position.Offset
	}
	return f.sendGroup(ctx, place, group, previous+1)
}

// sendGroup sends a group, after which the feed ends at end.
func (f *Feed) sendGroup(ctx context.Context, place *feedPlace, group []*sarama.ProducerMessage, end int64) error {
	if len(group) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := f.producer.SendMessages(group); err != nil {
		var each sarama.ProducerErrors
		if errors.As(err, &each) && len(each) > 0 {
			err = each[0].Err
		}
		return publishError("kafka.Publish", err)
	}
	f.growth.Tell()
	// When nobody else wrote meanwhile, what was sent need not be read back.
	first, last := group[0].Offset, group[len(group)-1].Offset
	if first == place.read && last == first+int64(len(group))-1 {
		place.mark(place.end, place.read)
		place.end, place.read = end, last+1
	}
	return nil
}

func (f *Feed) message(d *events.Decision, previous int64) (*sarama.ProducerMessage, error) {
	headers, value, err := events.EncodeDecision(*d)
	if err != nil {
		return nil, err
	}
	at := d.Outcome.Position
	if previous >= 0 {
		headers = append(headers, events.Header{Key: headerPrevious, Value: []byte(events.Position{Partition: at.Partition, Offset: previous}.String())})
	}
	msg := &sarama.ProducerMessage{Topic: f.topic, Partition: at.Partition, Value: sarama.ByteEncoder(value), Headers: make([]sarama.RecordHeader, len(headers))}
	if d.Outcome.Tenant != "" {
		msg.Key = sarama.StringEncoder(d.Outcome.Tenant)
	}
	for i, header := range headers {
		msg.Headers[i] = sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value}
	}
	return msg, nil
}

// End is events.Feed.End.
func (f *Feed) End(ctx context.Context, partition int32) (int64, error) {
	const op = "kafka.FeedEnd"
	place, leave, err := f.enter(ctx, op, partition)
	if err != nil {
		return 0, err
	}
	defer leave()
	if _, err := f.refresh(ctx, partition, place); err != nil {
		return 0, err
	}
	return place.end, nil
}

// Follow is events.Feed.Follow.
func (f *Feed) Follow(ctx context.Context, from events.Position, handle func([]events.Decision) error) error {
	return events.FollowFeed(ctx, f, from, &f.growth, events.FeedLook, handle)
}

// Close is events.Feed.Close. What is being sent is waited for, but not for long.
func (f *Feed) Close() error {
	f.mu.Lock()
	closed := f.closed
	f.closed = true
	f.mu.Unlock()
	if closed {
		return nil
	}
	f.growth.Tell()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := bounded(ctx, func() (struct{}, error) {
		f.using.Wait()
		return struct{}{}, f.producer.Close()
	})
	if errors.Is(err, context.DeadlineExceeded) {
		f.logger.Warn("decisions were being sent when the feed was closed; they are sent again if they are not there", "topic", f.topic)
		err = nil
	}
	return classify("kafka.Close", errors.Join(err, f.client.Close()))
}
