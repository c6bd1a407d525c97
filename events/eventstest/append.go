package eventstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"binnacle/events"
)

func emptyEnds(t *testing.T, driver Driver) {
	log := open(t, driver)
	ends, err := log.Ends(t.Context())
	if err != nil || len(ends) == 0 {
		t.Fatalf("Ends gave %v, %v", ends, err)
	}
	for i, end := range ends {
		if end != (events.End{Partition: int32(i)}) {
			t.Errorf("partition %d of an empty log has the extent %+v", i, end)
		}
	}
}

func appendTellsPositions(t *testing.T, driver Driver) {
	log := open(t, driver)
	var list []events.Event
	for i := range 40 {
		list = append(list, NewEvent(tenants[i%len(tenants)], i))
	}
	positions := appendAll(t, log, list)
	at := map[events.Position]events.Event{}
	for i, position := range positions {
		if want := partitionOf(t, log, list[i].Tenant); position.Partition != want {
			t.Errorf("the event of tenant %s went to partition %d, want %d", list[i].Tenant, position.Partition, want)
		}
		at[position] = list[i]
	}
	if len(at) != len(list) {
		t.Fatalf("%d events have %d positions", len(list), len(at))
	}
	read := 0
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		for _, record := range decode(t, replay(t, log, end.Partition)) {
			read++
			if want := at[record.Position]; !reflect.DeepEqual(record.Event, want) {
				t.Errorf("at %s stands %+v, want %+v", record.Position, record.Event, want)
			}
		}
	}
	if read != len(list) {
		t.Errorf("%d records are in the log, want %d", read, len(list))
	}
}

func orderOfATenant(t *testing.T, driver Driver) {
	log := open(t, driver)
	last := map[string]events.Position{}
	for i := range 90 {
		tenant := tenants[i%3]
		highest, called := last[tenant]
		for _, position := range appendAll(t, log, newEvents(tenant, 1+i%4)) {
			if before := last[tenant]; called && (position.Partition != before.Partition ||
				position.Offset <= before.Offset) {
				t.Fatalf("an event of %s went to %s after the call for %s had returned", tenant, position, before)
			}
			if position.Offset >= highest.Offset {
				highest = position
			}
		}
		last[tenant] = highest
	}
}

func concurrentAppenders(t *testing.T, driver Driver) {
	log := open(t, driver)
	const appenders, each = 16, 40
	var mu sync.Mutex
	at := map[events.Position]string{}
	var running sync.WaitGroup
	for a := range appenders {
		running.Go(func() {
			for i := range each {
				event := NewEvent(tenants[a%len(tenants)], i)
				positions, err := log.Append(t.Context(), []events.Event{event})
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				if other, taken := at[positions[0]]; taken {
					t.Errorf("%s was given to %s and to %s", positions[0], other, event.ID)
				}
				at[positions[0]] = event.ID
				mu.Unlock()
			}
		})
	}
	running.Wait()
	ends, err := log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		for _, record := range decode(t, replay(t, log, end.Partition)) {
			if at[record.Position] != record.Event.ID {
				t.Errorf("at %s stands %s, want %s", record.Position, record.Event.ID, at[record.Position])
			}
			delete(at, record.Position)
		}
	}
	if len(at) > 0 {
		t.Errorf("%d acknowledged events are not in the log", len(at))
	}
}

func appendTime(t *testing.T, driver Driver) {
	log := open(t, driver)
	for i := range 20 {
		appendAll(t, log, []events.Event{NewEvent("main", i)})
	}
	records := replay(t, log, partitionOf(t, log, "main"))
	for i, record := range records {
		if record.Time.Year() < 2020 || record.Time.Nanosecond()%1_000_000 != 0 {
			t.Errorf("the append time %v is not one of milliseconds", record.Time)
		}
		if i > 0 && record.Time.Before(records[i-1].Time) {
			t.Errorf("append time goes back from %v to %v", records[i-1].Time, record.Time)
		}
	}
	if len(records) != 20 {
		t.Errorf("%d records, want 20", len(records))
	}
}

func durability(t *testing.T, driver Driver) {
	if driver.Reopen == nil {
		t.Log("the driver promises no durability")
		return
	}
	log := driver.Open(t)
	list := newEvents("main", 30)
	positions := appendAll(t, log, list)
	partition := partitionOf(t, log, "main")
	if err := log.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	again := driver.Reopen(t)
	defer func() {
		if err := again.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	more := appendAll(t, again, []events.Event{NewEvent("main", 30)})
	records := decode(t, replay(t, again, partition))
	if len(records) != 31 {
		t.Fatalf("%d records after the log was opened again, want 31", len(records))
	}
	for i, record := range records[:30] {
		if record.Position.Offset != int64(i) || !reflect.DeepEqual(record.Event,
			list[indexOf(positions, record.Position)]) {
			t.Errorf("at %s stands %+v", record.Position, record.Event)
		}
	}
	if records[30].Position != more[0] {
		t.Errorf("the log goes on at %s, want %s", more[0], records[30].Position)
	}
}

func indexOf(positions []events.Position, position events.Position) int {
	for i := range positions {
		if positions[i] == position {
			return i
		}
	}
	return 0
}

func appendNothing(t *testing.T, driver Driver) {
	log := open(t, driver)
	if positions, err := log.Append(t.Context(), nil); err != nil || len(positions) != 0 {
		t.Errorf("got %v, %v", positions, err)
	}
}

func tooLarge(t *testing.T, driver Driver) {
	log := open(t, driver)
	noise := make([]byte, events.RecordBytes+1)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(noise)
	event := NewEvent("main", 1)
	event.Changes[0].Content = noise
	refused(t, log, []events.Event{NewEvent("main", 0), event}, events.TooLarge)
}

func badForm(t *testing.T, driver Driver) {
	log := open(t, driver)
	event := NewEvent("main", 1)
	event.ID = "not a UUID"
	refused(t, log, []events.Event{NewEvent("main", 0), event}, events.Invalid)
}

func refused(t *testing.T, log events.Log, list []events.Event, kind events.Kind) {
	t.Helper()
	if positions, err := log.Append(t.Context(), list); events.KindOf(err) != kind {
		t.Errorf("got %v, %v; want an error of kind %s", positions, err, kind)
	}
	if n := held(t, log); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

func appendCancelled(t *testing.T, driver Driver) {
	log := open(t, driver)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	positions, err := log.Append(ctx, newEvents("main", 2))
	if events.KindOf(err) != events.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v; want an error of kind %s that wraps the context's", positions, err, events.Transient)
	}
	if n := held(t, log); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

func appendAfterClose(t *testing.T, driver Driver) {
	log := driver.Open(t)
	if err := log.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := log.Append(t.Context(), newEvents("main", 1)); events.KindOf(err) != events.Transient {
		t.Errorf("got %v, want an error of kind %s", err, events.Transient)
	}
	if _, err := log.Follow(nil); events.KindOf(err) != events.Transient {
		t.Errorf("Follow gave %v, want an error of kind %s", err, events.Transient)
	}
}

func hugeEvent(t *testing.T, driver Driver) {
	log := open(t, driver)
	event := NewEvent("main", 0)
	event.Changes = nil
	for i := range 50 {
		body := bytes.Repeat(fmt.Appendf(nil, `{"system":"http://loinc.org","code":"%d-4"},`, i), 1<<20/44)
		event.Changes = append(event.Changes, events.Change{Operation: events.Create, Type: "Basic", ID: fmt.Sprint(i),
			Content: body, Entry: i})
	}
	appendAll(t, log, []events.Event{event})
	records := decode(t, replay(t, log, partitionOf(t, log, "main")))
	if len(records) != 1 || !reflect.DeepEqual(records[0].Event, event) {
		t.Errorf("%d records came back, or not as they were", len(records))
	}
}

func dialects(t *testing.T, driver Driver) {
	log := open(t, driver)
	var list []events.Event
	for i := range 6 {
		event := NewEvent("main", i)
		if i%2 == 1 {
			event.Dialect = "opaque"
			change := &event.Changes[0]
			change.Type, change.ID, change.Content = "thing", "%00%FF \u00ff/?#", []byte{0, byte(i), 255, '\r', '\n'}
		}
		list = append(list, event)
	}
	positions := appendAll(t, log, list)
	records := decode(t, replay(t, log, partitionOf(t, log, "main")))
	if len(records) != len(list) {
		t.Fatalf("%d records came back, want %d", len(records), len(list))
	}
	for _, record := range records {
		if want := list[indexOf(positions, record.Position)]; !reflect.DeepEqual(record.Event, want) {
			t.Errorf("at %s stands %+v, want %+v", record.Position, record.Event, want)
		}
	}
}
