package kafka_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
	"binnacle/events/kafka/kafkatest"
)

// extent is what a log says of a partition, and the same of one that was opened only now.
func extent(t *testing.T, log *kafka.Log, config kafka.Config, partition int32) events.End {
	t.Helper()
	config.Group = "" // a member that comes would have the partitions assigned anew
	fresh := openLog(t, config)
	defer func() { _ = fresh.Close() }()
	var told []events.End
	for _, l := range []*kafka.Log{log, fresh} {
		ends, err := l.Ends(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, ends[partition])
	}
	if told[0] != told[1] {
		t.Errorf("a log that was open tells %+v, one that was opened now %+v", told[0], told[1])
	}
	return told[0]
}

// values are what a replay of a whole partition gives, by offset.
func values(t *testing.T, log *kafka.Log, end events.End) (offsets []int64) {
	t.Helper()
	if err := log.Replay(t.Context(), events.Position{Partition: end.Partition, Offset: end.First}, end.Next, func(records []events.RawRecord) error {
		for _, record := range records {
			offsets = append(offsets, record.Position.Offset)
		}
		return nil
	}); err != nil {
		t.Fatalf("Replay: %v", err)
	}
	return offsets
}

func TestOffsetsThatHoldNoRecordArePassed(t *testing.T) {
	for _, grouped := range []bool{false, true} {
		name := map[bool]string{false: "without a group", true: "with a group"}[grouped]
		t.Run(name, func(t *testing.T) {
			config := newTopic(t)
			config.Partitions = 1
			if grouped {
				config.Group = config.Topic
			}
			ensured(t, config)
			log := openLog(t, config)
			defer func() { _ = log.Close() }()
			follower, err := log.Follow(func(context.Context, int32) (int64, error) { return 0, nil })
			if err != nil {
				t.Fatal(err)
			}
			messages, err := follower.Subscribe(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var followed, want []int64
			step := func(what string, end int64, offsets ...int64) {
				t.Helper()
				want = append(want, offsets...)
				if got := extent(t, log, config, 0); got.Next != end {
					t.Errorf("%s: the log ends at %d, want %d", what, got.Next, end)
				}
				if got := values(t, log, events.End{Next: end}); !slices.Equal(got, want) {
					t.Errorf("%s: a replay gives the offsets %v, want %v", what, got, want)
				}
				for len(followed) < len(want) {
					select {
					case msg := <-messages:
						records, err := events.Records(msg)
						if err != nil {
							t.Fatal(err)
						}
						for _, record := range records {
							followed = append(followed, record.Position.Offset)
						}
						msg.Ack()
					case <-time.After(20 * time.Second):
						t.Fatalf("%s: the follower has got %v, want %v", what, followed, want)
					}
				}
				if !slices.Equal(followed, want) {
					t.Fatalf("%s: the follower has got %v, want %v", what, followed, want)
				}
			}
			mine := func() {
				t.Helper()
				if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 1)}); err != nil {
					t.Fatal(err)
				}
			}
			other := kafkatest.NewStranger(t, config.Brokers, config.Topic)
			step("an empty topic", 0)
			other.Begin(0, "a", "b")
			other.Abort()
			step("records that were aborted, and nothing else", 0)
			mine()
			step("a record after them", 4, 3)
			other.Begin(0, "c")
			other.Commit()
			step("one that was committed, and its marker", 5, 4)
			other.Begin(0, "d", "e")
			other.Abort()
			step("two that were aborted, at the end", 5)
			for range 40 {
				other.Begin(0, "f")
				other.Abort()
			}
			step("many that were aborted", 5)
			mine()
			step("a record after all that", 90, 89)
			second := kafkatest.NewStranger(t, config.Brokers, config.Topic)
			second.Begin(0, "g")
			other.Begin(0, "h")
			other.Abort()
			second.Commit()
			step("two transactions at once, one of them committed", 91, 90)
			if err := log.Health(t.Context()); err != nil {
				t.Errorf("Health: %v", err)
			}
		})
	}
}

func TestAnOpenTransactionIsToldAndNothingIsAppendedBehindIt(t *testing.T) {
	config := newTopic(t)
	config.Partitions = 1
	log := openLog(t, ensured(t, config))
	defer func() { _ = log.Close() }()
	mine := func() error {
		_, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 1)})
		return err
	}
	if err := mine(); err != nil {
		t.Fatal(err)
	}
	other := kafkatest.NewStranger(t, config.Brokers, config.Topic)
	other.Begin(0, "a")
	if err := mine(); err != nil { // before anybody has noticed
		t.Fatal(err)
	}
	if got := extent(t, log, config, 0); got.Next != 3 {
		t.Errorf("the log ends at %d, want 3: what was acknowledged counts", got.Next)
	}
	until := func(what string, holds func(error) bool) (err error) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if err = log.Health(t.Context()); holds(err) {
				return err
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: health says %v", what, err)
			}
		}
	}
	told := until("while the transaction is open", func(err error) bool { return err != nil })
	for _, word := range []string{"offset 1", "partition 0", config.Topic, "kafka-transactions.sh", "--start-offset 1"} {
		if !strings.Contains(told.Error(), word) {
			t.Errorf("health says %q, want %q in it", told, word)
		}
	}
	if err := mine(); events.KindOf(err) != events.Transient || !strings.Contains(err.Error(), "nothing is written") {
		t.Errorf("Append while it is open: got %v, want kind transient", err)
	}
	other.Abort()
	_ = until("after it was aborted", func(err error) bool { return err == nil })
	if err := mine(); err != nil {
		t.Errorf("Append after it was aborted: %v", err)
	}
	if got := values(t, log, extent(t, log, config, 0)); !slices.Equal(got, []int64{0, 2, 4}) {
		t.Errorf("a replay gives the offsets %v, want 0, 2 and 4", got)
	}
}

func TestMarkersInTheFeedArePassed(t *testing.T) {
	config := newTopic(t)
	config.Partitions = 1
	feed := openFeed(t, ensured(t, config))
	other := kafkatest.NewStranger(t, config.Brokers, kafka.FeedTopic(config.Topic))
	publish := func(offset int64) {
		t.Helper()
		if err := feed.Publish(t.Context(), []events.Decision{eventstest.NewDecision(0, offset)}); err != nil {
			t.Fatal(err)
		}
	}
	publish(0)
	other.Begin(0, "a")
	other.Commit()
	publish(1)
	other.Begin(0, "b")
	other.Abort()
	for name, f := range map[string]*kafka.Feed{"the one that wrote": feed, "one that was opened now": openFeed(t, config)} {
		if end, err := f.End(t.Context(), 0); err != nil || end != 2 {
			t.Errorf("%s: the feed ends at %d, %v; want 2", name, end, err)
		}
		var got []int64
		err := f.Decisions(t.Context(), events.Position{}, 2, func(decisions []events.Decision) error {
			for _, d := range decisions {
				got = append(got, d.Outcome.Position.Offset)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, []int64{0, 1}) {
			t.Errorf("%s: decisions on %v, %v; want 0 and 1", name, got, err)
		}
	}
}
