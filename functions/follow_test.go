package functions_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/memory"
	"binnacle/events/sqlitefile"
	"binnacle/functions"
	"binnacle/projections"
	"binnacle/projections/index/sqlite"
)

// newMemos are those of an index in memory.
func newMemos(t *testing.T) projections.Memos {
	t.Helper()
	file, err := sqlitefile.OpenMemory(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	g, err := sqlite.Open(t.Context(), sqlite.Config{File: file, Catalog: "catalog-1",
		Logger: slog.New(slog.DiscardHandler)}, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.Close() // what is left is thrown away
		_ = file.Close()
	})
	return g.Memos()
}

// TestAReaderGoesOnWhereItsCursorIs reads a feed in many short lives and holds what it saw against what was published:
// all, in order, and of each life that was cut off the last batch again.
func TestAReaderGoesOnWhereItsCursorIs(t *testing.T) {
	feed, memos := memory.NewFeed(), newMemos(t)
	publish := func(from, to int64) {
		var decisions []events.Decision
		for offset := from; offset < to; offset++ {
			decisions = append(decisions, eventstest.NewDecision(0, offset))
		}
		if err := feed.Publish(t.Context(), decisions); err != nil {
			t.Fatal(err)
		}
	}
	reader := &functions.Follow{Feed: feed, Memos: memos, Cursor: "reader", Owner: "test"}
	next, died := int64(0), errors.New("died")
	for life := range 12 {
		publish(int64(life)*5, int64(life)*5+5)
		dies := life%3 == 2
		err := reader.Handle(t.Context(), 0, 0, false, func(batch []events.Decision) error {
			for i, d := range batch {
				if got := d.Outcome.Position.Offset; got != next+int64(i) {
					t.Fatalf("life %d: offset %d, want %d", life, got, next+int64(i))
				}
			}
			if dies {
				return died
			}
			next += int64(len(batch))
			return nil
		})
		if dies != errors.Is(err, died) {
			t.Fatalf("life %d ended with %v", life, err)
		}
	}
	other := &functions.Follow{Feed: feed, Memos: memos, Cursor: "other"}
	first := int64(-1)
	if err := other.Handle(t.Context(), 0, 57, false, func(batch []events.Decision) error {
		first = batch[0].Outcome.Position.Offset
		return nil
	}); err != nil || first != 57 {
		t.Errorf("another cursor begins at %d, %v; want where it was told", first, err)
	}
	if err := reader.Set(t.Context(), events.Position{Offset: 20}); err != nil {
		t.Fatal(err)
	}
	next = 0
	if err := reader.Handle(t.Context(), 0, 0, false, func(batch []events.Decision) error {
		next += int64(len(batch))
		return nil
	}); err != nil || next != 40 {
		t.Errorf("after the cursor was set back %d decisions come, %v; want 40", next, err)
	}
}

func TestTwoReadersOfOneCursorAreTold(t *testing.T) {
	feed, memos := memory.NewFeed(), newMemos(t)
	if err := feed.Publish(t.Context(), []events.Decision{eventstest.NewDecision(0, 0)}); err != nil {
		t.Fatal(err)
	}
	one, two := &functions.Follow{Feed: feed, Memos: memos, Cursor: "c"},
		&functions.Follow{Feed: feed, Memos: memos, Cursor: "c"}
	err := one.Handle(t.Context(), 0, 0, true, func([]events.Decision) error {
		return two.Handle(t.Context(), 0, 0, false, func([]events.Decision) error { return nil })
	})
	if events.KindOf(err) != events.Conflict {
		t.Errorf("the one that was overtaken is told %v, want kind %s", err, events.Conflict)
	}
}

func TestAReaderStaysUntilItLeaves(t *testing.T) {
	feed, memos := memory.NewFeed(), newMemos(t)
	reader := &functions.Follow{Feed: feed, Memos: memos, Cursor: "c"}
	ctx, leave := context.WithCancel(t.Context())
	seen, ended := make(chan int64), make(chan error)
	go func() {
		ended <- reader.Handle(ctx, 0, 0, true, func(batch []events.Decision) error {
			for _, d := range batch {
				seen <- d.Outcome.Position.Offset
			}
			return nil
		})
	}()
	for offset := range int64(3) {
		if err := feed.Publish(ctx, []events.Decision{eventstest.NewDecision(0, offset)}); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != offset {
			t.Fatalf("got %d, want %d", got, offset)
		}
	}
	leave()
	if err := <-ended; events.KindOf(err) != events.Transient {
		t.Errorf("it left with %v, want kind %s", err, events.Transient)
	}
	for _, name := range []string{"", "a/b", "-x", "ü"} {
		if functions.CheckCursor(name) == nil {
			t.Errorf("%q may be a cursor", name)
		}
	}
}
