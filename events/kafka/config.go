package kafka

import (
	"strings"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// Config says which topic is the log and how to reach it.
type Config struct {
	Brokers []string // host:port of one broker or more, from which the others are learnt
	Topic   string   // one topic is one log
	// Group is the consumer group that shares the partitions among nodes which share one index. Empty: this node reads
	// all partitions by itself, as one does that keeps an index of its own.
	Group    string
	ClientID string // the name in the brokers' logs and quotas; empty: "binnacle"

	// For EnsureTopic.
	Partitions        int32 // of the topic; it never changes, because it places the tenants. 0: 1 when created, any when found
	ReplicationFactor int16 // of a topic that is created; 0: the brokers' default
	MinInSyncReplicas int   // min.insync.replicas: so many brokers have a record before it is acknowledged; 0: the brokers' default

	TLS  TLS
	SASL SASL

	AppendTimeout  time.Duration // bounds Append, and with it the patience with brokers that are away; 0: 15 s
	SessionTimeout time.Duration // after so long without a sign of life a member's partitions go to another; 0: 3 s. Brokers allow less than 6 s only with group.min.session.timeout.ms; a refused one is replaced by one that they allow
}

// TLS says how connections are encrypted and who this node is. Files are PEM.
type TLS struct {
	Enabled  bool
	CAFile   string // the authorities that brokers are checked against; empty: the system's
	CertFile string // this node's certificate; empty: none is shown
	KeyFile  string // and its key
}

// SASL says how this node logs in.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty: no login
	User      string
	Password  string
}

const (
	// Brokers as they come notice after 9 s that one of them is dead (broker.session.timeout.ms); then its partitions
	// get other leaders.
	defaultAppendTimeout  = 15 * time.Second
	defaultSessionTimeout = 3 * time.Second // so that a takeover after a crash ends within 5 s

	// maxMessageBytes is the max.message.bytes that a topic is made with: a batch of records on the wire. A request to
	// a broker has 100 MiB at the most. A topic that is there may have less, down to leastMessageBytes: that is its
	// bound then.
	maxMessageBytes   = events.RecordBytes
	leastMessageBytes = 10 << 20
	// batchOverhead is kept free of them for what the wire adds to one record: the batch's and the record's head, and
	// the few bytes by which zstd makes larger what does not compress.
	batchOverhead = 4 << 10
)

func (c Config) withDefaults() (Config, error) {
	const op = "kafka.Config"
	if len(c.Brokers) == 0 {
		return c, events.Errorf(events.Invalid, op, "no Kafka broker is given; give host:port of one or more")
	}
	if c.Topic == "" || len(c.Topic) > 249-len(feedSuffix) || strings.Trim(c.Topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		return c, events.Errorf(events.Invalid, op, "%q is not a name of a Kafka topic that leaves room for %s: 1 to 244 letters, digits, '.', '_' or '-'", c.Topic, feedSuffix)
	}
	if c.ClientID == "" {
		c.ClientID = "binnacle"
	}
	if c.AppendTimeout <= 0 {
		c.AppendTimeout = defaultAppendTimeout
	}
	if c.SessionTimeout <= 0 {
		c.SessionTimeout = defaultSessionTimeout
	}
	return c, nil
}

// client is what all connections share. It gives up on an outage after about a second: whoever reads asks again.
func (c Config) client() (*sarama.Config, error) {
	config := sarama.NewConfig()
	config.ClientID = c.ClientID
	config.Version = sarama.V4_0_0_0
	config.Net.DialTimeout = 2 * time.Second
	config.Net.ReadTimeout = 5 * time.Second
	config.Net.WriteTimeout = 5 * time.Second
	config.Metadata.Full = false
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Max = 3
	config.Metadata.Retry.Backoff = 250 * time.Millisecond
	config.Admin.Timeout = 10 * time.Second
	if err := c.TLS.apply(config); err != nil {
		return nil, err
	}
	if err := c.SASL.apply(config); err != nil {
		return nil, err
	}
	return config, nil
}

// producer waits out an outage of a minute, so that publishing goes on by itself when the brokers are back; Append does
// not wait as long. That is so when none of them answers (Metadata.Retry), and when they still name a leader that is
// dead (Producer.Retry). Idempotence keeps a record that was sent twice from standing there twice.
func (c Config) producer() (*sarama.Config, error) {
	config, err := c.client()
	if err != nil {
		return nil, err
	}
	config.Net.MaxOpenRequests = 1
	config.Metadata.Retry.Max = 240
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Compression = sarama.CompressionZSTD
	config.Producer.CompressionLevel = 1                    // zstd's fastest: a batch of few small events costs half as much, and is as small
	config.Producer.MaxMessageBytes = 2 * largeRecord       // of a batch; one with a large record goes another way
	config.Producer.Partitioner = sarama.NewHashPartitioner // FNV-1a of the key, as events.PartitionOf
	config.Producer.Timeout = 5 * time.Second
	config.Producer.Retry.Max = 240
	config.Producer.Retry.Backoff = 250 * time.Millisecond
	return config, nil
}

// largeProducer is a producer with connections of its own, on which one large record at a time may take as long as an
// append may.
func (c Config) largeProducer() (*sarama.Config, error) {
	config, err := c.producer()
	if err != nil {
		return nil, err
	}
	config.Net.ReadTimeout = max(config.Net.ReadTimeout, c.AppendTimeout)
	config.Net.WriteTimeout = max(config.Net.WriteTimeout, c.AppendTimeout)
	config.Producer.MaxMessageBytes = maxMessageBytes
	return config, nil
}

// consumer delivers at once what is there, and everything in the order of offsets. What another producer has written in
// a transaction counts when that was committed. The broker's committed offset is a hint that is never used; a place
// that is out of range is never replaced by another in silence.
func (c Config) consumer() (*sarama.Config, error) {
	config, err := c.client()
	if err != nil {
		return nil, err
	}
	config.ChannelBufferSize = 1 // records that are fetched ahead, of up to 72 MiB each
	config.Consumer.Return.Errors = true
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	config.Consumer.Fetch.Min = 1
	config.Consumer.MaxWaitTime = 100 * time.Millisecond // how long a fetch that finds nothing holds up a close or a reseek
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.ResetInvalidOffsets = false
	config.Consumer.Group.Session.Timeout = c.SessionTimeout
	config.Consumer.Group.Heartbeat.Interval = c.SessionTimeout / 6
	config.Consumer.Group.Rebalance.Retry.Backoff = 250 * time.Millisecond
	return config, nil
}
