package eventstest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"binnacle/events"
)

// Bench measures a driver: appends of one event of 1.5 kB each by 1 and by 16 callers, and the rate of a follower that
// catches up.
func Bench(b *testing.B, driver Driver) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("append by %d", callers), func(b *testing.B) { benchAppend(b, driver, callers) })
	}
	b.Run("follow", func(b *testing.B) { benchFollow(b, driver) })
}

func observation(number int) events.Event {
	event := NewEvent("main", number)
	var body strings.Builder
	fmt.Fprintf(&body, `{"resourceType":"Observation","id":"%d","component":[`, number)
	for i := 0; body.Len() < 1_500; i++ {
		fmt.Fprintf(&body, `{"code":{"coding":[{"system":"http://loinc.org","code":"%d-%d"}]},"valueQuantity":{"value":%d.%d}},`, number%9973, i, number*7919%1000, i)
	}
	event.Changes[0].Content = []byte(body.String())
	return event
}

func benchAppend(b *testing.B, driver Driver, callers int) {
	log := driver.Open(b)
	defer func() { _ = log.Close() }()
	list := make([]events.Event, 1_000)
	for i := range list {
		list[i] = observation(i)
	}
	var number atomic.Int64
	var running sync.WaitGroup
	b.ResetTimer()
	for range callers {
		running.Go(func() {
			for i := number.Add(1); i <= int64(b.N); i = number.Add(1) {
				if _, err := log.Append(context.Background(), list[i%1_000:i%1_000+1]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchFollow(b *testing.B, driver Driver) {
	log := driver.Open(b)
	defer func() { _ = log.Close() }()
	list := make([]events.Event, 0, 1_000)
	for i := range b.N {
		if list = append(list, observation(i)); len(list) == cap(list) || i == b.N-1 {
			if _, err := log.Append(context.Background(), list); err != nil {
				b.Fatal(err)
			}
			list = list[:0]
		}
	}
	b.ResetTimer()
	follower, err := log.Follow(fromFirst)
	if err != nil {
		b.Fatal(err)
	}
	messages, err := follower.Subscribe(context.Background(), "")
	if err != nil {
		b.Fatal(err)
	}
	batches := 0
	for n := 0; n < b.N; batches++ {
		select {
		case msg := <-messages:
			records, err := events.Records(msg)
			if err != nil {
				b.Fatal(err)
			}
			n += len(records)
			msg.Ack()
		case <-time.After(patience):
			b.Fatalf("%d of %d records came", n, b.N)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/float64(batches), "events/batch")
}
