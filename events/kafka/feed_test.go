package kafka_test

import (
	"context"
	"encoding/base64"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/IBM/sarama"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

func openFeed(t testing.TB, config kafka.Config) *kafka.Feed {
	t.Helper()
	feed, err := kafka.OpenFeed(context.Background(), config, eventstest.Logger(t))
	if err != nil {
		t.Fatalf("OpenFeed: %v", err)
	}
	t.Cleanup(func() {
		if err := feed.Close(); err != nil {
			t.Errorf("Close of the feed: %v", err)
		}
	})
	return feed
}

func TestKafkaIsAFeed(t *testing.T) {
	var config kafka.Config
	eventstest.RunFeed(t, eventstest.FeedDriver{
		Open: func(t testing.TB) events.Feed {
			config = ensured(t, newTopic(t))
			return openFeed(t, config)
		},
		Beside:    func(t testing.TB) events.Feed { return openFeed(t, config) },
		Partition: 1,
	})
}

// What may be decided (events.DecisionBytes) may be published, in the worst case: hashes and random ids hardly
// compress.
func TestTheLargestDecisionThatIsMadeFitsTheFeed(t *testing.T) {
	config := ensured(t, newTopic(t))
	feed := openFeed(t, config)
	random := rand.NewChaCha8([32]byte{1})
	decisions := []events.Decision{eventstest.NewDecision(0, 0), eventstest.NewDecision(0, 1), eventstest.NewDecision(0, 2)}
	large := &decisions[1].Outcome
	large.Refusal, large.Results, decisions[1].Quarantined = nil, nil, ""
	for bytes := 0; ; {
		var noise [48]byte
		_, _ = random.Read(noise[:]) // never fails
		r := events.Result{Disposition: events.Created, Type: "Basic", ID: base64.RawURLEncoding.EncodeToString(noise[:]), Version: 1, Time: large.Time}
		_, _ = random.Read(r.Hash[:])
		if bytes += r.MostBytes(); bytes > events.DecisionBytes {
			break
		}
		large.Results = append(large.Results, r)
	}
	if err := feed.Publish(t.Context(), decisions); err != nil {
		t.Fatalf("%d changes: %v", len(large.Results), err)
	}
	var got []events.Decision
	if err := openFeed(t, config).Decisions(t.Context(), events.Position{}, 3, func(batch []events.Decision) error {
		got = append(got, batch...)
		return nil
	}); err != nil || !reflect.DeepEqual(got, decisions) {
		t.Errorf("%d decisions came back, %v", len(got), err)
	}
}

// sent is a decision as a publisher sends it who has sent another one before.
type sent struct{ at, previous int64 }

// send writes decisions as they come, whatever order that is.
func send(t *testing.T, config kafka.Config, list ...sent) {
	t.Helper()
	producer, err := sarama.NewSyncProducerFromClient(client(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	for _, s := range list {
		headers, value, err := events.EncodeDecision(eventstest.NewDecision(0, s.at))
		if err != nil {
			t.Fatal(err)
		}
		if s.previous >= 0 {
			headers = append(headers, events.Header{Key: "ce_previous", Value: []byte(events.Position{Offset: s.previous}.String())})
		}
		msg := &sarama.ProducerMessage{Topic: kafka.FeedTopic(config.Topic), Value: sarama.ByteEncoder(value)}
		for _, header := range headers {
			msg.Headers = append(msg.Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
		}
		if _, _, err := producer.SendMessage(msg); err != nil {
			t.Fatal(err)
		}
	}
}

// offsets are those of the decisions that a feed gives.
func offsets(t *testing.T, feed *kafka.Feed, from, to int64) []int64 {
	t.Helper()
	var got []int64
	if err := feed.Decisions(t.Context(), events.Position{Offset: from}, to, func(batch []events.Decision) error {
		for _, d := range batch {
			got = append(got, d.Outcome.Position.Offset)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestADecisionIsTakenOnlyAfterTheOneBeforeIt(t *testing.T) {
	for name, c := range map[string]struct {
		sent []sent
		end  int64
		want []int64
	}{
		"a producer that lost one record of many and sent all again": {
			[]sent{{0, -1}, {1, 0}, {3, 2}, {4, 3}, {2, 1}, {3, 2}, {4, 3}}, 5, []int64{0, 1, 2, 3, 4}},
		"a producer that lost one record of many and was killed": {
			[]sent{{0, -1}, {1, 0}, {3, 2}, {4, 3}}, 2, []int64{0, 1}},
		"two producers in turns": {
			[]sent{{0, -1}, {0, -1}, {1, 0}, {2, 1}, {1, 0}, {3, 2}, {2, 1}, {3, 2}}, 4, []int64{0, 1, 2, 3}},
		"one that comes back late with all it had": {
			[]sent{{0, -1}, {5, 0}, {7, 5}, {9, 7}, {0, -1}, {5, 0}, {7, 5}}, 10, []int64{0, 5, 7, 9}},
		"records that are none of the feed's": {
			[]sent{{0, -1}, {3, 4}, {1, 0}}, 2, []int64{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			config := ensured(t, newTopic(t))
			send(t, config, c.sent...)
			feed := openFeed(t, config)
			if end, err := feed.End(t.Context(), 0); err != nil || end != c.end {
				t.Errorf("End = %d, %v, want %d", end, err, c.end)
			}
			if got := offsets(t, feed, 0, 100); !reflect.DeepEqual(got, c.want) {
				t.Errorf("the feed gives %v, want %v", got, c.want)
			}
			if err := feed.Publish(t.Context(), []events.Decision{eventstest.NewDecision(0, 20), eventstest.NewDecision(0, 21)}); err != nil {
				t.Fatal(err)
			}
			if got, want := offsets(t, openFeed(t, config), 0, 100), slices.Concat(c.want, []int64{20, 21}); !reflect.DeepEqual(got, want) {
				t.Errorf("the feed gives %v after a publication, want %v", got, want)
			}
		})
	}
}

func TestTheEndIsFoundBehindManyRecordsThatCameTooEarly(t *testing.T) {
	config := ensured(t, newTopic(t))
	feed := openFeed(t, config)
	var decisions []events.Decision
	for offset := range int64(20_000) {
		decisions = append(decisions, eventstest.NewDecision(0, offset))
	}
	for at := 0; at < len(decisions); at += 1_000 {
		if err := feed.Publish(t.Context(), decisions[at:at+1_000]); err != nil {
			t.Fatal(err)
		}
	}
	send(t, config, sent{20_001, 20_000}, sent{20_002, 20_001})
	again := openFeed(t, config)
	if end, err := again.End(t.Context(), 0); err != nil || end != 20_000 {
		t.Errorf("End = %d, %v, want 20000", end, err)
	}
	for _, from := range []int64{0, 7_777, 12_345, 19_990} { // by search: this one has read nothing but the tail
		got := offsets(t, again, from, from+5)
		if want := []int64{from, from + 1, from + 2, from + 3, from + 4}; !reflect.DeepEqual(got, want) {
			t.Errorf("from %d the feed gives %v, want %v", from, got, want)
		}
	}
}

func TestAnotherProgramReadsTheFeedAsCloudEvents(t *testing.T) {
	config := ensured(t, newTopic(t))
	feed := openFeed(t, config)
	if err := feed.Publish(t.Context(), []events.Decision{eventstest.NewDecision(0, 41), eventstest.NewDecision(0, 42), eventstest.NewDecision(0, 44)}); err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = consumer.Close() }()
	partition, err := consumer.ConsumePartition(kafka.FeedTopic(config.Topic), 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = partition.Close() }()
	<-partition.Messages()
	msg := <-partition.Messages()
	got := map[string]string{"key": string(msg.Key)}
	for _, header := range msg.Headers {
		got[string(header.Key)] = string(header.Value)
	}
	want := map[string]string{"key": "main", "ce_specversion": "1.0", "ce_type": "dev.binnacle.accepted.v1", "ce_source": "/tenants/main", "ce_id": "0:42", "ce_previous": "0:41",
		"ce_time": "2023-11-14T22:13:20.042Z", "content-type": "application/json"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if msg = <-partition.Messages(); msg.Key != nil {
		t.Errorf("the key of a record that could not be read is %q", msg.Key)
	}
}
