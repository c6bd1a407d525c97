// Package kafkatest does to a topic what other programs and operators do, for the tests of whoever must bear it.
package kafkatest

import (
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
)

// Stranger is another program that writes to a topic in transactions.
type Stranger struct {
	t         testing.TB
	client    sarama.Client
	producer  sarama.SyncProducer
	topic     string
	partition int32 // of the open transaction
}

// NewStranger connects. It ends with the test.
func NewStranger(t testing.TB, brokers []string, topic string) *Stranger {
	t.Helper()
	config := newConfig()
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Transaction.ID = "stranger-" + uuid.NewString()
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // the test is about something else
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = producer.Close() })
	return &Stranger{t: t, client: client, producer: producer, topic: topic}
}

func newConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	return config
}

// Begin opens a transaction with a record for each value.
func (s *Stranger) Begin(partition int32, values ...string) {
	s.t.Helper()
	s.partition = partition
	if err := s.producer.BeginTxn(); err != nil {
		s.t.Fatal(err)
	}
	for _, value := range values {
		if _, _, err := s.producer.SendMessage(&sarama.ProducerMessage{Topic: s.topic, Partition: partition, Value: sarama.StringEncoder(value)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Commit ends the transaction, and returns when its marker is in the topic.
func (s *Stranger) Commit() {
	s.t.Helper()
	s.end(s.producer.CommitTxn)
}

// Abort ends the transaction without effect, and returns when its marker is in the topic.
func (s *Stranger) Abort() {
	s.t.Helper()
	s.end(s.producer.AbortTxn)
}

// end waits for the marker: the broker writes it after it has answered, and what somebody appends meanwhile would stand
// before it.
func (s *Stranger) end(end func() error) {
	s.t.Helper()
	before := s.next()
	if err := end(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); s.next() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("the transaction has ended, and its marker does not come")
		}
	}
}

// next is the offset that the next record of the partition gets.
func (s *Stranger) next() int64 {
	s.t.Helper()
	next, err := s.client.GetOffset(s.topic, s.partition, sarama.OffsetNewest)
	if err != nil {
		s.t.Fatal(err)
	}
	return next
}

// Operator is somebody with all rights on a topic.
type Operator struct {
	t     testing.TB
	admin sarama.ClusterAdmin
	topic string
}

// NewOperator connects. It ends with the test.
func NewOperator(t testing.TB, brokers []string, topic string) *Operator {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(brokers, newConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() }) // it holds nothing but connections
	return &Operator{t, admin, topic}
}

// Set changes a setting of the topic.
func (o *Operator) Set(name, value string) {
	o.t.Helper()
	change := map[string]sarama.IncrementalAlterConfigsEntry{name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	if err := o.admin.IncrementalAlterConfig(sarama.TopicResource, o.topic, change, false); err != nil {
		o.t.Fatal(err)
	}
}

// DeleteBefore deletes the records of a partition before an offset.
func (o *Operator) DeleteBefore(partition int32, offset int64) {
	o.t.Helper()
	if err := o.admin.DeleteRecords(o.topic, map[int32]int64{partition: offset}); err != nil {
		o.t.Fatal(err)
	}
}
