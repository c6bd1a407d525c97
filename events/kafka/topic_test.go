package kafka_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

func admin(t *testing.T) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdminFromClient(client(t))
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

func wantInvalid(t *testing.T, err error, texts ...string) {
	t.Helper()
	if events.KindOf(err) != events.Invalid {
		t.Fatalf("got %v, want an error of kind %s", err, events.Invalid)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not tell of %q", err, text)
		}
	}
}

func TestATopicThatIsNotThereIsMadeOnlyWhenAsked(t *testing.T) {
	config := newTopic(t)
	wantInvalid(t, kafka.EnsureTopic(t.Context(), config, false), config.Topic, "not there")
	ensured(t, config)
	if err := kafka.EnsureTopic(t.Context(), config, false); err != nil {
		t.Errorf("the topic that was made is refused: %v", err)
	}
}

func TestATopicIsMadeWithTheSettingsOfALog(t *testing.T) {
	config := ensured(t, newTopic(t))
	results, err := admin(t).DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: config.Topic}}, sarama.DescribeConfigsOptions{})
	if err != nil || len(results) != 1 || results[0].ErrorCode != sarama.ErrNoError {
		t.Fatalf("the settings of %s: got %+v, %v", config.Topic, results, err)
	}
	values := map[string]string{}
	for _, entry := range results[0].Configs {
		values[entry.Name] = entry.Value
	}
	for name, want := range map[string]string{
		"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime",
		"max.message.bytes": "75497472", "compression.type": "zstd", "min.insync.replicas": "1", "unclean.leader.election.enable": "false",
	} {
		if values[name] != want {
			t.Errorf("%s is %q, want %q", name, values[name], want)
		}
	}
}

func TestATopicWithWrongSettingsIsRefusedWithEachNamed(t *testing.T) {
	config := newTopic(t)
	week, mebibyte := "604800000", "1048576"
	if err := admin(t).CreateTopic(config.Topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{
		"retention.ms": &week, "max.message.bytes": &mebibyte,
	}}, false); err != nil {
		t.Fatal(err)
	}
	err := kafka.EnsureTopic(t.Context(), config, true)
	wantInvalid(t, err, `retention.ms is "604800000" and must be "-1"`, `max.message.bytes is "1048576" and must be "75497472"`, `message.timestamp.type is "CreateTime" and must be "LogAppendTime"`)
	if strings.Contains(err.Error(), "cleanup.policy") {
		t.Errorf("%q names a setting that is right", err)
	}
}

func TestANumberOfPartitionsThatIsNotTheTopicsIsRefused(t *testing.T) {
	config := ensured(t, newTopic(t))
	config.Partitions = 3
	wantInvalid(t, kafka.EnsureTopic(t.Context(), config, true), "2 partitions", "3 are configured")
	config.Partitions = 0
	if err := kafka.EnsureTopic(t.Context(), config, true); err != nil {
		t.Errorf("any number is right when none is configured: %v", err)
	}
}

func TestNodesThatStartTogetherMakeOneTopic(t *testing.T) {
	config := newTopic(t)
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			if err := kafka.EnsureTopic(t.Context(), config, true); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
}

func TestADroppedTopicIsGone(t *testing.T) {
	config := ensured(t, newTopic(t))
	for range 2 {
		if err := kafka.Drop(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	wantInvalid(t, kafka.EnsureTopic(t.Context(), config, false), "not there")
}

func TestWhatCannotBeReachedIsTransientAndSaysSo(t *testing.T) {
	config := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topic: "x"}
	if err := kafka.EnsureTopic(t.Context(), config, true); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "no Kafka broker can be reached") {
		t.Errorf("EnsureTopic: got %v", err)
	}
	if _, err := kafka.Open(t.Context(), config, eventstest.Logger(t)); events.KindOf(err) != events.Transient {
		t.Errorf("Open: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := kafka.Open(ctx, config, eventstest.Logger(t)); events.KindOf(err) != events.Transient {
		t.Errorf("Open with an ended context: got %v", err)
	}
}

func TestAWrongConfigurationIsRefusedWithItsReason(t *testing.T) {
	for text, config := range map[string]kafka.Config{
		"no Kafka broker": {Topic: "x"},
		"not a name":      {Brokers: []string{"a:1"}, Topic: "a topic"},
		"TLS is off":      {Brokers: []string{"a:1"}, Topic: "x", TLS: kafka.TLS{CAFile: "ca.pem"}},
		"CA file":         {Brokers: []string{"a:1"}, Topic: "x", TLS: kafka.TLS{Enabled: true, CAFile: "/nowhere/ca.pem"}},
		"no PEM":          {Brokers: []string{"a:1"}, Topic: "x", TLS: kafka.TLS{Enabled: true, CAFile: "topic_test.go"}},
		"go together":     {Brokers: []string{"a:1"}, Topic: "x", TLS: kafka.TLS{Enabled: true, CertFile: "c.pem"}},
		"cannot be used":  {Brokers: []string{"a:1"}, Topic: "x", TLS: kafka.TLS{Enabled: true, CertFile: "topic_test.go", KeyFile: "topic_test.go"}},
		"not known here":  {Brokers: []string{"a:1"}, Topic: "x", SASL: kafka.SASL{Mechanism: "GSSAPI"}},
		"needs a user":    {Brokers: []string{"a:1"}, Topic: "x", SASL: kafka.SASL{Mechanism: "PLAIN"}},
	} {
		_, err := kafka.Open(t.Context(), config, eventstest.Logger(t))
		wantInvalid(t, err, text)
	}
}
