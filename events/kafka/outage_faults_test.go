//go:build faults

package kafka_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
	"binnacle/infra/servers"
)

// broker is a Kafka that a test may kill.
type broker struct {
	*servers.Cluster
	t *testing.T
}

func privateBroker(t *testing.T) broker {
	t.Helper()
	if os.Getenv(servers.EnvDir) == "" {
		t.Fatal(servers.EnvDir + " is not set: run `./task test`, or `./task servers:up` and source .servers/env")
	}
	cluster, err := servers.OpenPrivate(t.TempDir(), servers.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Purge(context.Background()); err != nil {
			t.Errorf("the private Kafka was not removed: %v", err)
		}
	})
	if err := cluster.Up(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return broker{cluster, t}
}

func (b broker) config() kafka.Config {
	return kafka.Config{
		Brokers: strings.Split(b.Env()["BINNACLE_KAFKA_BROKERS"], ","), Topic: "log", Partitions: 2, ReplicationFactor: 1, AppendTimeout: 2 * time.Second,
	}
}

func (b broker) kill() {
	b.t.Helper()
	if err := b.Stop(b.t.Context(), servers.Kafka, true); err != nil {
		b.t.Fatal(err)
	}
}

func (b broker) start() {
	b.t.Helper()
	if err := b.Start(b.t.Context(), servers.Kafka); err != nil {
		b.t.Fatal(err)
	}
}

func TestAnOutageRefusesInTimeAndEndsByItself(t *testing.T) {
	broker := privateBroker(t)
	config := ensured(t, broker.config())
	log := openLog(t, config)
	defer func() { _ = log.Close() }()
	grouped := config
	grouped.Group = "projectors"
	groupLog := openLog(t, grouped)
	defer func() { _ = groupLog.Close() }()
	alone, member := &collector{next: map[int32]int64{}}, &collector{next: map[int32]int64{}}
	start(t, log, alone)
	start(t, groupLog, member)

	acked, unknown, refused := map[string]bool{}, map[string]bool{}, map[string]bool{}
	add := func(number int) events.Kind {
		event := eventstest.NewEvent([]string{"main", "north", "south"}[number%3], number)
		_, err := log.Append(t.Context(), []events.Event{event})
		switch {
		case err == nil:
			acked[event.ID] = true
			return events.Kind(255)
		case events.KindOf(err) == events.Unknown:
			unknown[event.ID] = true
		case events.KindOf(err) == events.Transient:
			refused[event.ID] = true
		default:
			t.Errorf("Append gave %v", err)
		}
		return events.KindOf(err)
	}
	for i := range 50 {
		add(i)
	}
	if len(acked) != 50 {
		t.Fatalf("%d of 50 events were acknowledged before the outage", len(acked))
	}
	broker.kill()
	began := time.Now()
	add(50)
	if took := time.Since(began); took > waiting {
		t.Errorf("an append during the outage took %s", took)
	}
	eventually(t, "an append is refused with nothing written", func() bool { return add(51) == events.Transient })
	if err := log.Health(t.Context()); err == nil {
		t.Error("health is good during the outage")
	}
	if _, err := log.Ends(t.Context()); events.KindOf(err) != events.Transient {
		t.Errorf("Ends during the outage gave %v", err)
	}
	broker.start()
	eventually(t, "health is good again", func() bool { return log.Health(t.Context()) == nil && groupLog.Health(t.Context()) == nil })
	before := len(acked)
	eventually(t, "50 more events are acknowledged", func() bool { add(52); return len(acked) >= before+50 })

	for _, c := range []*collector{alone, member} {
		eventually(t, "all acknowledged events are followed", func() bool {
			seen := c.seen()
			for id := range acked {
				if !slices.Contains(seen, id) {
					return false
				}
			}
			return true
		})
		count := map[string]int{}
		for _, id := range c.seen() {
			if count[id]++; count[id] > 1 || refused[id] || !acked[id] && !unknown[id] {
				t.Errorf("the event %s was followed %d times; acknowledged %t, unknown %t, refused %t", id, count[id], acked[id], unknown[id], refused[id])
			}
		}
	}
	t.Logf("%d acknowledged, %d unknown, %d refused", len(acked), len(unknown), len(refused))
}

func TestAppendsWaitForABrokerThatIsNotAwayForLong(t *testing.T) {
	broker := privateBroker(t)
	config := broker.config()
	config.AppendTimeout = 2 * waiting
	log := openLog(t, ensured(t, config))
	defer func() { _ = log.Close() }()
	if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 0)}); err != nil {
		t.Fatal(err)
	}
	broker.kill()
	var appends sync.WaitGroup
	for i := range 12 { // the first ones before the outage is known, the last ones after
		appends.Go(func() {
			if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", i+1)}); err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		})
		time.Sleep(500 * time.Millisecond)
	}
	if err := log.Health(t.Context()); err != nil {
		t.Errorf("the log takes appends, and its health is %v", err)
	}
	broker.start()
	appends.Wait()
	var ends int64
	list, err := log.Ends(t.Context())
	for _, end := range list {
		ends += end.Next
	}
	if err != nil || ends != 13 {
		t.Errorf("%d records, %v; want 13", ends, err)
	}
}
