// Package eventstest is the suite that every log driver passes. It holds the contract of events.Log as cases, one
// sentence each, and the benchmarks that compare the drivers.
package eventstest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"binnacle/events"
)

// Driver is what the suite needs of a driver.
type Driver struct {
	// Open gives a fresh, empty log of two partitions or, when the driver has but one, of one. What it holds is
	// released by t.Cleanup; the suite closes the log itself.
	Open func(t testing.TB) events.Log
	// Reopen gives the same log again after it was closed; nil: the driver is not durable.
	Reopen func(t testing.TB) events.Log
	// AppendRaw appends a record past the codec, to the partition that its position names.
	AppendRaw func(t testing.TB, log events.Log, record events.RawRecord)
}

// patience bounds every wait of the suite: a driver that is late by that much has failed.
const patience = 60 * time.Second

// Run runs the suite.
func Run(t *testing.T, driver Driver) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Driver)
	}{
		{"an empty log has empty ends", emptyEnds},
		{"append tells where each event stands", appendTellsPositions},
		{"a tenant's events keep the order of their appends", orderOfATenant},
		{"concurrent appenders lose and double nothing", concurrentAppenders},
		{"append time never goes back", appendTime},
		{"what was acknowledged is there after the log is opened again", durability},
		{"an append of nothing is nothing", appendNothing},
		{"an event that no record holds is refused before anything is written", tooLarge},
		{"an event that breaks the form is refused before anything is written", badForm},
		{"an append whose context has ended writes nothing", appendCancelled},
		{"an append after close is refused", appendAfterClose},
		{"a transaction of 50 MB comes back as it was", hugeEvent},
		{"events of several dialects lie side by side", dialects},

		{"a follower starts where it is told to", followFromSeek},
		{"a follower that joins late sees what came before and after", followLate},
		{"a follower sees each record once and in order while others append", followWhileAppending},
		{"a follower's batches keep to the limits", batchLimits},
		{"a record larger than a batch comes alone", largeRecordAlone},
		{"a nacked batch comes again as it was", nackRedelivers},
		{"the next batch waits for the ack", ackBeforeNext},
		{"a reseek starts again where it is told to", reseek},
		{"a reseek wakes a follower that waits for records", reseekIdle},
		{"a seek that fails is asked again and shows in health", seekFails},
		{"a place outside of the log is refused and shows in health", seekOutside},
		{"whatever bytes a record has are delivered as they are", poisonPasses},
		{"a subscription ends with its context", subscriptionContext},
		{"close ends followers", closeEndsFollowers},
		{"a closed follower leaves the log and other followers alone", closeOneFollower},

		{"a replay gives exactly the range that was asked for", replayRange},
		{"a replay of a range that the log does not have is refused", replayOutside},
		{"a replay stops when its handler fails", replayHandlerFails},
		{"a replay stops with its context", replayContext},
		{"a replay disturbs no follower", replayBesideFollower},

		{"a Watermill router handles, retries and goes on", router},
		{"random appends, nacks and reseeks give what the model gives", randomWalk},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, driver) })
	}
}

// Logger writes a driver's log lines into the test's.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(&testWriter{t: t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// testWriter drops what comes after the test has ended, which testing would panic about.
type testWriter struct {
	t     testing.TB
	mu    sync.Mutex
	ended bool
	once  sync.Once
}

func (w *testWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.once.Do(func() {
		w.t.Cleanup(func() { w.mu.Lock(); w.ended = true; w.mu.Unlock() })
	})
	if !w.ended {
		w.t.Log(string(line))
	}
	return len(line), nil
}

// tenants hash to both partitions of a log of two.
var tenants = [...]string{"main", "north", "south", "east", "west"}

// NewEvent makes an event of a tenant whose content tells its number.
func NewEvent(tenant string, number int) events.Event {
	return events.Event{
		ID: uuid.NewString(), Tenant: tenant, Time: time.UnixMilli(int64(number)).UTC(),
		Changes: []events.Change{{
			Operation: events.Update, Type: "Basic", ID: fmt.Sprint(number), Entry: -1,
			Content: fmt.Appendf(nil, `{"resourceType":"Basic","id":"%d"}`, number),
		}},
	}
}

func newEvents(tenant string, n int) []events.Event {
	list := make([]events.Event, n)
	for i := range list {
		list[i] = NewEvent(tenant, i)
	}
	return list
}

func open(t *testing.T, driver Driver) events.Log {
	t.Helper()
	log := driver.Open(t)
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return log
}

func appendAll(t *testing.T, log events.Log, list []events.Event) []events.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	positions, err := log.Append(ctx, list)
	if err != nil {
		t.Fatalf("Append of %d events: %v", len(list), err)
	}
	if len(positions) != len(list) {
		t.Fatalf("Append of %d events gave %d positions", len(list), len(positions))
	}
	return positions
}

func endOf(t *testing.T, log events.Log, partition int32) events.End {
	t.Helper()
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatalf("Ends: %v", err)
	}
	for _, end := range ends {
		if end.Partition == partition {
			return end
		}
	}
	t.Fatalf("Ends gave %v, without partition %d", ends, partition)
	return events.End{}
}

// held is how many records all partitions hold.
func held(t *testing.T, log events.Log) int64 {
	t.Helper()
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatalf("Ends: %v", err)
	}
	var n int64
	for _, end := range ends {
		n += end.Next - end.First
	}
	return n
}

// partitionOf is where a tenant's events go, whatever the number of partitions is.
func partitionOf(t *testing.T, log events.Log, tenant string) int32 {
	t.Helper()
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatalf("Ends: %v", err)
	}
	return events.PartitionOf(tenant, int32(len(ends)))
}

// replay reads a whole partition.
func replay(t *testing.T, log events.Log, partition int32) []events.RawRecord {
	t.Helper()
	end := endOf(t, log, partition)
	var all []events.RawRecord
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := log.Replay(ctx, events.Position{Partition: partition, Offset: end.First}, end.Next,
		func(records []events.RawRecord) error {
			all = append(all, clone(records)...)
			return nil
		})
	if err != nil {
		t.Fatalf("Replay of partition %d: %v", partition, err)
	}
	return all
}

func clone(records []events.RawRecord) []events.RawRecord {
	copied, err := events.Records(message.NewMessage("", events.Frame(records)))
	if err != nil {
		panic(err) // the frame was made a line above
	}
	return copied
}

// decode gives the events of records, and fails on one that is none.
func decode(t *testing.T, records []events.RawRecord) []events.Record {
	t.Helper()
	decoded := make([]events.Record, len(records))
	for i, raw := range records {
		record, err := events.Decode(raw)
		if err != nil {
			t.Fatalf("Decode of %s: %v", raw.Position, err)
		}
		decoded[i] = record
	}
	return decoded
}
