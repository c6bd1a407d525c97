package kafka_test

import (
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

func identity(t *testing.T, config kafka.Config) events.Identity {
	t.Helper()
	log := openLog(t, config)
	defer func() { _ = log.Close() }()
	found, err := log.Identity(t.Context())
	if err != nil || found.Cluster == "" || found.Log == "" || found.Partitions == 0 {
		t.Fatalf("Identity = %+v, %v", found, err)
	}
	return found
}

func TestATopicThatWasMadeAnewOrGrewIsAnotherLog(t *testing.T) {
	config := ensured(t, newTopic(t))
	first := identity(t, config)
	if again := identity(t, config); again != first {
		t.Errorf("the identity is %+v, and was %+v", again, first)
	}
	if err := admin(t).CreatePartitions(config.Topic, 3, nil, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topic has grown", func() bool { return identity(t, config).Partitions == 3 })
	if grown := identity(t, config); grown.Log != first.Log || grown.Cluster != first.Cluster {
		t.Errorf("the identity of the topic that has grown is %+v, and was %+v", grown, first)
	}
	wantInvalid(t, kafka.EnsureTopic(t.Context(), config, false), "has 3 partitions and 2 are configured")
	if err := kafka.Drop(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	config.Partitions = 0 // any
	eventually(t, "the topic is gone", func() bool { return kafka.EnsureTopic(t.Context(), config, false) != nil })
	if anew := identity(t, ensured(t, config)); anew.Log == first.Log || anew.Cluster != first.Cluster {
		t.Errorf("the identity of the topic that was made anew is %+v, and was %+v", anew, first)
	}
}

func TestATopicThatWasCutOffTellsWhereItBegins(t *testing.T) {
	config := ensured(t, newTopic(t))
	log := openLog(t, config)
	defer func() { _ = log.Close() }()
	partition := events.PartitionOf("main", config.Partitions)
	for i := range 5 {
		if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin(t).DeleteRecords(config.Topic, map[int32]int64{partition: 3}); err != nil {
		t.Fatal(err)
	}
	ends, err := log.Ends(t.Context())
	if err != nil || ends[partition] != (events.End{Partition: partition, First: 3, Next: 5}) {
		t.Errorf("Ends = %+v, %v", ends, err)
	}
}
