package eventstest

import (
	"context"
	"errors"
	"testing"

	"binnacle/events"
)

func replayRange(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", events.BatchRecords+50))
	partition := partitionOf(t, log, "main")
	end := endOf(t, log, partition)
	if end.First != 0 || end.Next != events.BatchRecords+50 {
		t.Fatalf("the extent is %+v", end)
	}
	for _, span := range [][2]int64{{0, end.Next}, {0, 1}, {7, 8}, {500, events.BatchRecords + 7}, {end.Next - 1, end.Next}, {3, 3}, {end.Next, end.Next}, {9, 2}} {
		var records []events.RawRecord
		err := log.Replay(t.Context(), events.Position{Partition: partition, Offset: span[0]}, span[1], func(batch []events.RawRecord) error {
			if len(batch) == 0 || len(batch) > events.BatchRecords {
				t.Errorf("a batch of %d records", len(batch))
			}
			records = append(records, batch...)
			return nil
		})
		if err != nil {
			t.Fatalf("Replay of [%d,%d): %v", span[0], span[1], err)
		}
		if want := max(0, span[1]-span[0]); int64(len(records)) != want {
			t.Fatalf("Replay of [%d,%d) gave %d records, want %d", span[0], span[1], len(records), want)
		}
		wantOffsets(t, records, partition, span[0])
	}
}

func replayOutside(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 5))
	partition := partitionOf(t, log, "main")
	for _, c := range []struct {
		from events.Position
		to   int64
	}{
		{events.Position{Partition: partition, Offset: -1}, 3},
		{events.Position{Partition: partition, Offset: 2}, 6},
		{events.Position{Partition: 1_000}, 1},
	} {
		err := log.Replay(t.Context(), c.from, c.to, func([]events.RawRecord) error { t.Error("a batch came"); return nil })
		if events.KindOf(err) != events.Conflict {
			t.Errorf("Replay from %s to %d: got %v, want an error of kind %s", c.from, c.to, err, events.Conflict)
		}
	}
}

func replayHandlerFails(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", events.BatchRecords+5))
	calls := 0
	partition := partitionOf(t, log, "main")
	err := log.Replay(t.Context(), events.Position{Partition: partition}, events.BatchRecords+5, func([]events.RawRecord) error {
		calls++
		return errHandler
	})
	if !errors.Is(err, errHandler) || calls != 1 {
		t.Errorf("got %v after %d calls, want the handler's error after one", err, calls)
	}
}

func replayContext(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", events.BatchRecords+5))
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := log.Replay(ctx, events.Position{Partition: partitionOf(t, log, "main")}, events.BatchRecords+5, func([]events.RawRecord) error {
		calls++
		cancel()
		return nil
	})
	if events.KindOf(err) != events.Transient || calls != 1 {
		t.Errorf("got %v after %d calls, want an error of kind %s after one", err, calls, events.Transient)
	}
}

func replayBesideFollower(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 20))
	partition := partitionOf(t, log, "main")
	_, messages := follow(t, log, fromFirst)
	msg, records := next(t, messages)
	for range 3 {
		wantOffsets(t, replay(t, log, partition), partition, 0)
	}
	got := clone(records)
	msg.Ack()
	if rest := 20 - len(got); rest > 0 {
		got = append(got, take(t, messages, rest)...)
	}
	appendAll(t, log, newEvents("main", 1))
	got = append(got, take(t, messages, 1)...)
	wantOffsets(t, got, partition, 0)
}
