package kafka_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/IBM/sarama"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

// TestALargeRecordFitsWhereTheOperatorMakesRoom: what doesn't fit the topic is refused before it is sent.
func TestALargeRecordFitsWhereTheOperatorMakesRoom(t *testing.T) {
	config := newTopic(t)
	if err := kafka.EnsureTopic(t.Context(), config, true); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{6}).Read(noise)
	event := eventstest.NewEvent("main", 1)
	event.Changes[0].Content = noise
	appended := func() ([]events.Position, error) {
		log := openLog(t, config)
		defer func() { _ = log.Close() }()
		positions, err := log.Append(t.Context(), []events.Event{event})
		if err != nil {
			return nil, err
		}
		err = log.Replay(t.Context(), positions[0], positions[0].Offset+1, func(records []events.RawRecord) error {
			record, err := events.Decode(records[0])
			if err == nil && !bytes.Equal(record.Event.Changes[0].Content, noise) {
				t.Error("the large record came back changed")
			}
			return err
		})
		return positions, err
	}
	if positions, err := appended(); events.KindOf(err) != events.TooLarge {
		t.Errorf("as the topic is made: got %v, %v, want an error of kind %s", positions, err, events.TooLarge)
	}
	room := "75497472"
	if err := admin(t).AlterConfig(sarama.TopicResource, config.Topic, map[string]*string{"max.message.bytes": &room},
		false); err != nil {
		t.Fatal(err)
	}
	if positions, err := appended(); err != nil || len(positions) != 1 {
		t.Errorf("with room for 72 MiB: got %v, %v", positions, err)
	}
}
