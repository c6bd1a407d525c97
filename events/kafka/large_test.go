package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

// largeEvent is an event whose content of so many bytes can't be compressed.
func largeEvent(number, size int) events.Event {
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{6}).Read(noise)
	event := eventstest.NewEvent("main", number)
	event.Changes[0].Content = noise
	return event
}

// TestALargeRecordKeepsItsPlaceBesideSmallOnes: they go to the topic on connections of their own.
func TestALargeRecordKeepsItsPlaceBesideSmallOnes(t *testing.T) {
	config := newTopic(t)
	if err := kafka.EnsureTopic(t.Context(), config, true); err != nil {
		t.Fatal(err)
	}
	log := openLog(t, config)
	large := []events.Event{largeEvent(1, 24<<20), largeEvent(2, 24<<20)}
	inOrder := []events.Event{eventstest.NewEvent("main", 3), large[0], eventstest.NewEvent("main", 4), large[1], eventstest.NewEvent("main", 5)}
	group, ctx := errgroup.WithContext(t.Context())
	group.Go(func() error { return appendOneByOne(ctx, log, inOrder) })
	group.Go(func() error {
		small := make([]events.Event, 20)
		for i := range small {
			small[i] = eventstest.NewEvent("main", 100+i)
		}
		return appendOneByOne(ctx, log, small)
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []events.Event
	for _, end := range ends {
		err := log.Replay(t.Context(), events.Position{Partition: end.Partition, Offset: end.First}, end.Next, func(records []events.RawRecord) error {
			for i := range records {
				record, err := events.Decode(records[i])
				if err != nil {
					return err
				}
				if slices.ContainsFunc(inOrder, func(e events.Event) bool { return e.ID == record.Event.ID }) {
					got = append(got, record.Event)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != len(inOrder) {
		t.Fatalf("the log has %d of the %d events that were appended one after the other", len(got), len(inOrder))
	}
	for i, event := range inOrder {
		if got[i].ID != event.ID || !bytes.Equal(got[i].Changes[0].Content, event.Changes[0].Content) {
			t.Errorf("event %d of %d is another one, or came back changed", i+1, len(inOrder))
		}
	}
}

func appendOneByOne(ctx context.Context, log events.Log, list []events.Event) error {
	for i, event := range list {
		if _, err := log.Append(ctx, []events.Event{event}); err != nil {
			return fmt.Errorf("event %d of %d: %w", i+1, len(list), err)
		}
	}
	return nil
}

// TestATopicThatHoldsSmallerRecordsBoundsThem: what doesn't fit is refused before it is sent, and the rest is taken.
func TestATopicThatHoldsSmallerRecordsBoundsThem(t *testing.T) {
	config := newTopic(t)
	if err := kafka.EnsureTopic(t.Context(), config, true); err != nil {
		t.Fatal(err)
	}
	bound := "10485760"
	if err := admin(t).AlterConfig(sarama.TopicResource, config.Topic, map[string]*string{"max.message.bytes": &bound}, false); err != nil {
		t.Fatal(err)
	}
	log := openLog(t, config)
	if positions, err := log.Append(t.Context(), []events.Event{largeEvent(1, 11<<20)}); events.KindOf(err) != events.TooLarge {
		t.Errorf("11 MiB: got %v, %v, want an error of kind %s", positions, err, events.TooLarge)
	}
	if _, err := log.Append(t.Context(), []events.Event{largeEvent(2, 9<<20)}); err != nil {
		t.Errorf("9 MiB: %v", err)
	}
}
