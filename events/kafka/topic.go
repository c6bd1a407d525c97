package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// setting is one setting of the topic that the log's promises rest on.
type setting struct {
	name   string
	wanted string
	holds  func(value string) bool
	reason string
}

func atLeast(bound int64) func(string) bool {
	return func(value string) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && n >= bound
	}
}

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

// settings are those of Kafka's topic configuration (https://kafka.apache.org/documentation/#topicconfigs). A message
// is a batch of records on the wire: of messageBytes at the most where the topic is made, of leastBytes or more where
// it is there.
func settings(config Config, messageBytes, leastBytes int64) []setting {
	list := []setting{
		{"retention.ms", "-1", oneOf("-1"), "events are kept for ever"},
		{"retention.bytes", "-1", oneOf("-1"), "events are kept for ever"},
		{"cleanup.policy", "delete", oneOf("delete"), "no event replaces another"},
		{"message.timestamp.type", "LogAppendTime", oneOf("LogAppendTime"), "time comes from the log"},
		{"max.message.bytes", strconv.FormatInt(messageBytes, 10), atLeast(leastBytes), "large transactions fit"},
		{"compression.type", "zstd", oneOf("zstd", "producer"), "the producer's compression is kept"},
		{"unclean.leader.election.enable", "false", oneOf("false"), "what was acknowledged is not lost"},
	}
	if config.MinInSyncReplicas > 0 {
		list = append(list, setting{"min.insync.replicas", strconv.Itoa(config.MinInSyncReplicas), atLeast(int64(config.MinInSyncReplicas)), "so many brokers have what was acknowledged"})
	}
	return list
}

// EnsureTopic sees that the topic, and that of its feed, are there with the settings that the log's promises rest on.
// With create it makes a topic that is not there; it never changes one that is. An error of kind Invalid names each
// setting that is wrong, its value and the wanted one.
func EnsureTopic(ctx context.Context, config Config, create bool) error {
	const op = "kafka.EnsureTopic"
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	admin, err := connect(ctx, config)
	if err != nil {
		return classify(op, err)
	}
	defer func() { _ = admin.Close() }() // it holds nothing but connections
	if config.Partitions, err = ensure(ctx, admin, config, settings(config, maxMessageBytes, leastMessageBytes), create); err != nil {
		return err
	}
	config.Topic = FeedTopic(config.Topic)
	_, err = ensure(ctx, admin, config, settings(config, feedMessageBytes, feedMessageBytes), create)
	return err
}

// ensure is EnsureTopic for one topic, and tells its partitions.
func ensure(ctx context.Context, admin sarama.ClusterAdmin, config Config, list []setting, create bool) (partitions int32, err error) {
	const op = "kafka.EnsureTopic"
	metadata, err := describe(ctx, admin, config.Topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		if !create {
			return 0, events.Errorf(events.Invalid, op, "the topic %s is not there; make it with the init command", config.Topic)
		}
		if err := createTopic(ctx, admin, config, list); err != nil {
			return 0, err
		}
		metadata, err = describe(ctx, admin, config.Topic)
	}
	if err != nil {
		return 0, classify(op, err)
	}
	found := int32(len(metadata.Partitions))
	if config.Partitions > 0 && found != config.Partitions {
		return 0, events.Errorf(events.Invalid, op, "the topic %s has %d partitions and %d are configured; the number places the tenants and never changes: configure %d, or use another topic",
			config.Topic, found, config.Partitions, found)
	}
	return found, checkSettings(ctx, admin, config.Topic, list)
}

// Drop deletes the topic and that of its feed, and with them all events, and waits until the broker that was asked
// knows them no more. A topic that is not there is no error.
func Drop(ctx context.Context, config Config) error {
	if err := DropFeed(ctx, config); err != nil {
		return err
	}
	return drop(ctx, config, config.Topic)
}

// DropFeed deletes the topic of the feed alone. When it is not there that is no error.
func DropFeed(ctx context.Context, config Config) error {
	return drop(ctx, config, FeedTopic(config.Topic))
}

func drop(ctx context.Context, config Config, topic string) error {
	const op = "kafka.Drop"
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	admin, err := connect(ctx, config)
	if err != nil {
		return classify(op, err)
	}
	defer func() { _ = admin.Close() }()
	_, err = bounded(ctx, func() (struct{}, error) { return struct{}{}, admin.DeleteTopic(topic) })
	for attempt := 0; err == nil && attempt < 60; attempt++ {
		if _, err = describe(ctx, admin, topic); err == nil {
			err = pause(ctx, 250*time.Millisecond)
		}
	}
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil
	}
	return classify(op, err)
}

func connect(ctx context.Context, config Config) (sarama.ClusterAdmin, error) {
	library, err := config.client()
	if err != nil {
		return nil, err
	}
	library.Metadata.Full = true // a client that is told of no topic yet would ask for nothing
	return bounded(ctx, func() (sarama.ClusterAdmin, error) { return sarama.NewClusterAdmin(config.Brokers, library) })
}

// describe gives a topic whose partitions all have leaders. A broker may not know a topic yet that another has just
// made.
func describe(ctx context.Context, admin sarama.ClusterAdmin, topic string) (*sarama.TopicMetadata, error) {
	for attempt := 0; ; attempt++ {
		topics, err := bounded(ctx, func() ([]*sarama.TopicMetadata, error) { return admin.DescribeTopics([]string{topic}) })
		switch {
		case err != nil:
			return nil, err
		case len(topics) != 1:
			err = sarama.ErrUnknownTopicOrPartition
		case topics[0].Err != sarama.ErrNoError:
			err = topics[0].Err
		default:
			for _, partition := range topics[0].Partitions {
				if partition.Err != sarama.ErrNoError && partition.Err != sarama.ErrReplicaNotAvailable {
					err = partition.Err
				}
			}
		}
		if err == nil {
			return topics[0], nil
		}
		if !errors.Is(err, sarama.ErrLeaderNotAvailable) || attempt == 60 {
			return nil, err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func createTopic(ctx context.Context, admin sarama.ClusterAdmin, config Config, list []setting) error {
	const op = "kafka.EnsureTopic"
	detail := &sarama.TopicDetail{NumPartitions: max(1, config.Partitions), ReplicationFactor: config.ReplicationFactor, ConfigEntries: map[string]*string{}}
	if detail.ReplicationFactor == 0 {
		detail.ReplicationFactor = -1 // the brokers' default (KIP-464)
	}
	for _, s := range list {
		detail.ConfigEntries[s.name] = &s.wanted
	}
	_, err := bounded(ctx, func() (struct{}, error) { return struct{}{}, admin.CreateTopic(config.Topic, detail, false) })
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) { // another node was faster
		var refused *sarama.TopicError
		if errors.As(err, &refused) {
			return events.Wrap(events.Invalid, op, err, "Kafka refuses to make the topic %s", config.Topic)
		}
		return classify(op, err)
	}
	for attempt := 0; ; attempt++ {
		_, err := describe(ctx, admin, config.Topic)
		if err == nil {
			return nil
		}
		if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) || attempt == 60 {
			return classify(op, err)
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return classify(op, err)
		}
	}
}

var _ events.Keeper = (*Log)(nil)

// Kept is events.Keeper.Kept: it looks at the settings of the topic, and of that of the feed, again.
func (l *Log) Kept(ctx context.Context) error {
	admin, err := bounded(ctx, func() (sarama.ClusterAdmin, error) { return sarama.NewClusterAdminFromClient(l.client) })
	if err != nil {
		return classify("kafka.Kept", err)
	}
	if err := checkSettings(ctx, admin, l.config.Topic, settings(l.config, maxMessageBytes, leastMessageBytes)); err != nil {
		return err
	}
	topic := FeedTopic(l.config.Topic)
	err = checkSettings(ctx, admin, topic, settings(l.config, feedMessageBytes, feedMessageBytes))
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) { // it was dropped, which is told elsewhere
		return nil
	}
	return err
}

func checkSettings(ctx context.Context, admin sarama.ClusterAdmin, topic string, list []setting) error {
	const op = "kafka.EnsureTopic"
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].name
	}
	entries, err := bounded(ctx, func() ([]sarama.ConfigEntry, error) {
		return describeTopic(admin, topic, names)
	})
	if err != nil {
		return classify(op, err)
	}
	values := map[string]string{}
	for _, entry := range entries {
		values[entry.Name] = entry.Value
	}
	var wrong []string
	for _, s := range list {
		if value, told := values[s.name]; !told || !s.holds(value) {
			wrong = append(wrong, fmt.Sprintf("%s is %q and must be %q (%s)", s.name, value, s.wanted, s.reason))
		}
	}
	if len(wrong) > 0 {
		return events.Errorf(events.Invalid, op, "the topic %s has wrong settings: %s; change them with kafka-configs --alter, or use another topic", topic, strings.Join(wrong, "; "))
	}
	return nil
}

// messageBytes tells the max.message.bytes of a topic, as far as a producer goes; the least that there is when it
// is not told.
func messageBytes(ctx context.Context, client sarama.Client, topic string) int {
	const name = "max.message.bytes"
	entries, err := bounded(ctx, func() ([]sarama.ConfigEntry, error) {
		admin, err := sarama.NewClusterAdminFromClient(client)
		if err != nil {
			return nil, err
		}
		return describeTopic(admin, topic, []string{name})
	})
	if err != nil {
		return leastMessageBytes
	}
	for _, entry := range entries {
		if bound, err := strconv.Atoi(entry.Value); entry.Name == name && err == nil {
			return min(max(bound, leastMessageBytes), maxMessageBytes)
		}
	}
	return leastMessageBytes
}

// describeTopic returns settings of a topic.
func describeTopic(admin sarama.ClusterAdmin, topic string, names []string) ([]sarama.ConfigEntry, error) {
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic, ConfigNames: names}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, err
	}
	var entries []sarama.ConfigEntry
	for _, result := range results {
		if result.ErrorCode != sarama.ErrNoError {
			return nil, &sarama.DescribeConfigError{Err: result.ErrorCode, ErrMsg: result.ErrorMsg}
		}
		entries = append(entries, result.Configs...)
	}
	return entries, nil
}
