package projectionstest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

func quarantined(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 4)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	var want []projections.Quarantined
	for i := range int64(5) {
		record := events.RawRecord{Position: events.Position{Partition: 4, Offset: i * 2}, Time: at,
			Key: []byte{0xff, 0}, Value: []byte("\x00\xfe not an event"),
			Headers: []events.Header{{Key: "ce_\xff", Value: []byte{1}}, {Key: "", Value: []byte{}}}}
		if i == 3 {
			record = events.RawRecord{Position: record.Position, Time: at}
		}
		want = append(want, projections.Quarantined{Record: record, Reason: fmt.Sprintf("it is \xff broken %d", i)})
	}
	c := w.take()
	c.Quarantined = want
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	got, err := w.index.Quarantine(testContext(t), events.Position{Partition: 4, Offset: 2}, 2)
	if err != nil || !reflect.DeepEqual(got, want[2:4]) {
		t.Fatalf("Quarantine = %+v, %v, want %+v", got, err, want[2:4])
	}
	if got, err := w.index.Quarantine(testContext(t), events.Position{}, 100); err != nil || len(got) != 5 {
		t.Fatalf("Quarantine from the start has %d records, %v", len(got), err)
	}
	if got, err := w.index.Quarantine(testContext(t), events.Position{Partition: 4, Offset: 8}, 100); err != nil ||
		len(got) != 0 {
		t.Fatalf("Quarantine after the last has %d records, %v", len(got), err)
	}
}

func decisions(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 2)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	place := func(offset int64) events.Position { return events.Position{Partition: 2, Offset: offset} }
	unread := projections.Quarantined{Reason: "no event", Record: events.RawRecord{Position: place(4), Time: at}}
	poison := projections.Quarantined{Reason: "panic", Record: events.RawRecord{Position: place(7), Time: at}}
	large := events.Outcome{EventID: "event-9", Tenant: "main", Position: place(9), Time: at,
		Results: []events.Result{{Disposition: events.Matched, Type: "Patient", ID: strings.Repeat("x", 3<<20),
			Version: 1}}}
	want := []events.Decision{
		{Outcome: events.Outcome{EventID: "event-b", Tenant: "main", Position: place(2), Time: at,
			Results: []events.Result{{Disposition: events.Created, Type: "Patient", ID: "1", Version: 1, Time: at,
				Links: []string{"Patient/2"}}}}},
		{Outcome: events.Outcome{EventID: "event-a", Tenant: "main", Position: place(3), Time: at,
			Refusal: &events.Refusal{Kind: events.Conflict, Text: "no"}}},
		{Outcome: events.Outcome{Position: place(4), Time: at}, Quarantined: "no event"},
		{Outcome: events.Outcome{EventID: "event-7", Tenant: "main", Position: place(7), Time: at,
			Refusal: &events.Refusal{Kind: events.Internal, Text: "in quarantine"}}, Quarantined: "panic"},
		{Outcome: large},
		{Outcome: events.Outcome{EventID: "event-1", Tenant: "main", Position: place(10), Time: at}},
	}
	for _, d := range want {
		if d.Outcome.EventID != "" {
			w.outcomes = append(w.outcomes, d.Outcome)
		}
	}
	slices.Reverse(w.outcomes)
	c := w.take()
	c.Quarantined = []projections.Quarantined{poison, unread}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	other := newWorld(t, g.Live(), 3)
	other.outcomes = []events.Outcome{{EventID: "elsewhere", Tenant: "main",
		Position: events.Position{Partition: 3, Offset: 3}, Time: at}}
	other.commit()
	for _, c := range []struct {
		from     int64
		limit    int
		first, n int
	}{{0, 100, 0, 5}, {2, 3, 0, 3}, {3, 2, 1, 2}, {4, 1, 2, 1}, {5, 1, 3, 1}, {7, 100, 3, 2}, {8, 100, 4, 1},
		{9, 1, 4, 1}, {10, 5, 5, 1}, {11, 5, 6, 0}} {
		got, err := w.index.Decisions(testContext(t), place(c.from), c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != c.n {
			t.Fatalf("Decisions from %d, limit %d: %d of them, want %d", c.from, c.limit, len(got), c.n)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[c.first+i]) {
				t.Errorf("Decisions from %d, limit %d: number %d is %+v, want %+v", c.from, c.limit, i, got[i],
					want[c.first+i])
			}
		}
	}
}

func settled(t *testing.T, g projections.Generations) {
	w := newWorld(t, g.Live(), 2)
	if count, oldest, err := w.index.Unsettled(testContext(t)); err != nil || count != 0 || !oldest.IsZero() {
		t.Fatalf("Unsettled of an empty index = %d, %v, %v", count, oldest, err)
	}
	at := func(i int64) events.Position { return events.Position{Partition: 2, Offset: i} }
	c := w.take()
	for i := range int64(3) {
		c.Quarantined = append(c.Quarantined, projections.Quarantined{Record: events.RawRecord{Position: at(i),
			Time: w.now.Add(time.Duration(i) * time.Second)}, Reason: "broken"})
	}
	first := projections.Settled{Of: at(0), By: at(5), Time: w.now.Add(time.Minute), Discard: true,
		Reason: "looked at \xff"}
	c.Settled = []projections.Settled{first} // of a record of the same commit
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	if count, oldest, err := w.index.Unsettled(testContext(t)); err != nil || count != 2 ||
		!oldest.Equal(w.now.Add(time.Second)) {
		t.Fatalf("Unsettled = %d, %v, %v; want 2 since %v", count, oldest, err, w.now.Add(time.Second))
	}
	c = w.take()
	again := projections.Settled{Of: at(1), By: at(6), Time: w.now.Add(time.Hour), Reason: "again"}
	c.Settled = []projections.Settled{again, {Of: at(0), By: at(7), Time: w.now.Add(time.Hour)}}
	if err := w.index.Commit(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	found, err := w.index.Quarantine(testContext(t), events.Position{Partition: 2, Offset: -1}, 10)
	if err != nil || len(found) != 3 {
		t.Fatalf("Quarantine = %+v, %v", found, err)
	}
	first.Reason = "looked at \uFFFD"
	if got := found[0].Settled; got == nil || *got != first {
		t.Errorf("record 0 is settled as %+v, want the first decision %+v", got, first)
	}
	if got := found[1].Settled; got == nil || *got != again {
		t.Errorf("record 1 is settled as %+v, want %+v", got, again)
	}
	if got := found[2].Settled; got != nil {
		t.Errorf("record 2 is settled as %+v, want it open", got)
	}
}
