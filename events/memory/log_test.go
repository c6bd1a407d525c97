package memory_test

import (
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/memory"
)

func driver() eventstest.Driver {
	return eventstest.Driver{
		Open: func(t testing.TB) events.Log { return memory.Open(2, eventstest.Logger(t)) },
		AppendRaw: func(t testing.TB, log events.Log, record events.RawRecord) {
			if _, err := log.(*memory.Log).AppendRaw(record); err != nil {
				t.Fatalf("AppendRaw: %v", err)
			}
		},
	}
}

func TestMemoryIsALog(t *testing.T) { eventstest.Run(t, driver()) }

func BenchmarkMemory(b *testing.B) { eventstest.Bench(b, driver()) }

func TestMemoryIsAFeed(t *testing.T) {
	var feed events.Feed
	eventstest.RunFeed(t, eventstest.FeedDriver{
		Open:      func(testing.TB) events.Feed { feed = memory.NewFeed(); return feed },
		Beside:    func(testing.TB) events.Feed { return feed },
		Partition: 1,
	})
}
