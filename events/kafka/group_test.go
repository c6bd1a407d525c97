package kafka_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/kafka"
)

// waiting bounds what a test waits for.
const waiting = 90 * time.Second

// collector collects the ids that a follower delivers, with seek at the place that was handled last, as the projector
// does.
type collector struct {
	mu   sync.Mutex
	next map[int32]int64
	ids  []string
}

func (c *collector) seek(_ context.Context, partition int32) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next[partition], nil
}

func (c *collector) handle(t *testing.T, messages <-chan *message.Message) {
	for msg := range messages {
		records, err := events.Records(msg)
		if err != nil {
			t.Error(err)
			return
		}
		c.mu.Lock()
		for _, raw := range records {
			switch at := c.next[raw.Position.Partition]; {
			case raw.Position.Offset > at:
				t.Errorf("%s came when offset %d was due", raw.Position, at)
			case raw.Position.Offset == at: // below: another member was faster, the fence drops it
				record, err := events.Decode(raw)
				if err != nil {
					t.Error(err)
				}
				c.ids = append(c.ids, record.Event.ID)
				c.next[raw.Position.Partition]++
			}
		}
		c.mu.Unlock()
		msg.Ack()
	}
}

func (c *collector) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ids)
}

func start(t *testing.T, log *kafka.Log, c *collector) events.Follower {
	t.Helper()
	follower, err := log.Follow(c.seek)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := follower.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	go c.handle(t, messages)
	return follower
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waiting); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in %s it did not come about that %s", waiting, what)
		}
	}
}

func TestMembersOfAGroupShareThePartitionsAndTakeOver(t *testing.T) {
	config := ensured(t, newTopic(t))
	config.Group = config.Topic
	shared := &collector{next: map[int32]int64{}} // one index, as two nodes have it
	one, two := openLog(t, config), openLog(t, config)
	defer func() { _ = two.Close() }()
	start(t, one, shared)
	wanted := map[string]bool{}
	add := func(n int) {
		for i := range n {
			event := eventstest.NewEvent([]string{"main", "north"}[i%2], i)
			if _, err := two.Append(t.Context(), []events.Event{event}); err != nil {
				t.Fatal(err)
			}
			wanted[event.ID] = true
		}
	}
	all := func() bool {
		seen := shared.seen()
		slices.Sort(seen)
		return slices.Equal(seen, slices.Sorted(maps.Keys(wanted)))
	}
	add(40)
	eventually(t, "one member follows all", all)
	start(t, two, shared)
	add(40)
	eventually(t, "two members follow all, each event once", all)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	add(40)
	eventually(t, "the other member takes over", all)
}

func TestAReplicaReadsWithoutJoiningAGroup(t *testing.T) {
	config := ensured(t, newTopic(t))
	log := openLog(t, config)
	defer func() { _ = log.Close() }()
	c := &collector{next: map[int32]int64{}}
	start(t, log, c)
	if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 1)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event is followed", func() bool { return len(c.seen()) == 1 })
	groups, err := admin(t).ListConsumerGroups()
	if err != nil {
		t.Fatal(err)
	}
	for group := range groups {
		offsets, err := admin(t).ListConsumerGroupOffsets(group, map[string][]int32{config.Topic: {0, 1}})
		if err == nil {
			for _, block := range offsets.Blocks[config.Topic] {
				if block.Offset >= 0 {
					t.Errorf("the group %s has an offset in the topic", group)
				}
			}
		}
	}
}
