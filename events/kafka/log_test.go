package kafka_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/uuid"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

func brokers(t testing.TB) []string {
	t.Helper()
	list := os.Getenv("BINNACLE_KAFKA_BROKERS")
	if list == "" {
		t.Fatal("BINNACLE_KAFKA_BROKERS is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	return strings.Split(list, ",")
}

func client(t testing.TB) sarama.Client {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Metadata.AllowAutoTopicCreation = false
	client, err := sarama.NewClient(brokers(t), config)
	if err != nil {
		t.Fatalf("Kafka does not answer: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// newTopic gives a configuration with a topic of its own, which is deleted after the test.
func newTopic(t testing.TB) kafka.Config {
	t.Helper()
	config := kafka.Config{Brokers: brokers(t), Topic: "events-kafka-test-" + uuid.NewString(), Partitions: 2, ReplicationFactor: 1, MinInSyncReplicas: 1}
	t.Cleanup(func() {
		admin, err := sarama.NewClusterAdminFromClient(client(t))
		if err == nil {
			_ = admin.DeleteTopic(config.Topic) // a topic that the test has not made is none to delete
			_ = admin.DeleteTopic(kafka.FeedTopic(config.Topic))
		}
	})
	return config
}

func ensured(t testing.TB, config kafka.Config) kafka.Config {
	t.Helper()
	if err := kafka.EnsureTopic(context.Background(), config, true); err != nil {
		t.Fatalf("EnsureTopic: %v", err)
	}
	return config
}

func openLog(t testing.TB, config kafka.Config) *kafka.Log {
	t.Helper()
	log, err := kafka.Open(context.Background(), config, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return log
}

// driver gives logs that are followed in a consumer group, or without one.
func driver(grouped bool) eventstest.Driver {
	var config kafka.Config
	open := func(t testing.TB) events.Log {
		log := openLog(t, config)
		if grouped {
			return &groupPerFollower{Log: log, t: t, config: config}
		}
		return log
	}
	return eventstest.Driver{
		Open: func(t testing.TB) events.Log {
			config = ensured(t, newTopic(t))
			return open(t)
		},
		Reopen: open,
		AppendRaw: func(t testing.TB, _ events.Log, record events.RawRecord) {
			producer, err := sarama.NewSyncProducerFromClient(client(t))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = producer.Close() }()
			msg := &sarama.ProducerMessage{Topic: config.Topic, Partition: record.Position.Partition}
			if record.Key != nil {
				msg.Key = sarama.ByteEncoder(record.Key)
			}
			if record.Value != nil {
				msg.Value = sarama.ByteEncoder(record.Value)
			}
			for _, header := range record.Headers {
				msg.Headers = append(msg.Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
			}
			if _, _, err := producer.SendMessage(msg); err != nil {
				t.Fatalf("SendMessage: %v", err)
			}
		},
	}
}

// groupPerFollower follows in a group of its own each time: the suite's followers want all partitions each, and members
// of one group share them.
type groupPerFollower struct {
	*kafka.Log
	t      testing.TB
	config kafka.Config
	mu     sync.Mutex
	logs   []*kafka.Log
}

func (g *groupPerFollower) Follow(seek events.Seek) (events.Follower, error) {
	if seek == nil {
		return g.Log.Follow(seek) // the suite sees whether a closed log refuses
	}
	config := g.config
	config.Group = "events-kafka-test-" + uuid.NewString()
	log := openLog(g.t, config)
	g.mu.Lock()
	g.logs = append(g.logs, log)
	g.mu.Unlock()
	return log.Follow(seek)
}

func (g *groupPerFollower) Health(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, log := range g.logs {
		if err := log.Health(ctx); err != nil {
			return err
		}
	}
	return g.Log.Health(ctx)
}

func (g *groupPerFollower) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, log := range g.logs {
		if err := log.Close(); err != nil {
			return err
		}
	}
	return g.Log.Close()
}

func TestKafkaWithoutAGroupIsALog(t *testing.T) {
	brokers(t)
	eventstest.Run(t, driver(false))
}

func TestKafkaWithAGroupIsALog(t *testing.T) {
	brokers(t)
	eventstest.Run(t, driver(true))
}

func BenchmarkKafka(b *testing.B) { eventstest.Bench(b, driver(false)) }
