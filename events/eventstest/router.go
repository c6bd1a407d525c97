package eventstest

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"binnacle/events"
)

// router runs a follower as infra does: a handler on a Watermill router with its middleware.
func router(t *testing.T, driver Driver) {
	log := open(t, driver)
	const total = 300
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: patience}, watermill.NewSlogLogger(Logger(t)))
	if err != nil {
		t.Fatal(err)
	}
	follower, err := log.Follow(fromFirst)
	if err != nil {
		t.Fatal(err)
	}
	retry := middleware.Retry{MaxRetries: 2, InitialInterval: time.Millisecond}
	router.AddMiddleware(retry.Middleware)
	var mu sync.Mutex
	calls, at, seen := 0, map[int32]int64{}, 0
	finished := make(chan struct{})
	router.AddConsumerHandler("project", "log", follower, func(msg *message.Message) error {
		mu.Lock()
		defer mu.Unlock()
		records, err := events.Records(msg)
		if err != nil {
			return err
		}
		// Each tenth call fails and is retried; from the 25th on four fail, which is beyond the retries: a nack brings
		// the batch again.
		if calls++; calls%10 == 0 || calls >= 25 && calls < 29 {
			return errHandler
		}
		for _, record := range records {
			if record.Position.Offset != at[record.Position.Partition] {
				t.Errorf("%s came when offset %d was due", record.Position, at[record.Position.Partition])
			}
			at[record.Position.Partition]++
			if seen++; seen == total {
				close(finished)
			}
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- router.Run(ctx) }()
	<-router.Running()
	for i := range total {
		appendAll(t, log, []events.Event{NewEvent(tenants[i%len(tenants)], i)})
	}
	select {
	case <-finished:
	case <-time.After(patience):
		t.Errorf("the handler has seen %d of %d records", seen, total)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Errorf("the router: %v", err)
	}
}

// randomWalk compares a follower under random appends, acks, nacks and reseeks with a model: the offset that is due.
func randomWalk(t *testing.T, driver Driver) {
	log := open(t, driver)
	partition := partitionOf(t, log, "main")
	random := rand.New(rand.NewPCG(20, 26))
	var mu sync.Mutex
	due, end := int64(0), int64(0)
	follower, messages := follow(t, log, func(_ context.Context, asked int32) (int64, error) {
		if asked != partition {
			return 0, nil
		}
		mu.Lock()
		defer mu.Unlock()
		return due, nil
	})
	grow := func() {
		n := 1 + random.IntN(5)
		appendAll(t, log, newEvents("main", n))
		end += int64(n)
	}
	grow()
	for range 120 {
		if due == end || random.IntN(2) == 0 {
			grow()
		}
		msg, records := next(t, messages)
		wantOffsets(t, records, partition, due)
		switch random.IntN(6) {
		case 0:
			msg.Nack()
		case 1:
			mu.Lock()
			due = random.Int64N(end)
			mu.Unlock()
			follower.Reseek()
			msg.Ack()
		default:
			mu.Lock()
			due += int64(len(records))
			mu.Unlock()
			msg.Ack()
		}
	}
}
