package sqlite

import (
	"log/slog"
	"math"
	"path/filepath"
	"testing"

	"binnacle/events"
	"binnacle/events/eventstest"
	"binnacle/events/sqlitefile"
)

func TestNobodyIsShownARecordThatTheDiskMayLose(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	file, err := sqlitefile.Open(filepath.Join(t.TempDir(), "binnacle.db"), logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	log, err := Open(t.Context(), file, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	for i := range 3 {
		if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ unsafe, want int64 }{{math.MaxInt64, 3}, {2, 2}, {0, 0}} {
		log.unsafe.Store(c.unsafe)
		ends, err := log.Ends(t.Context())
		if err != nil || ends[0].Next != c.want {
			t.Errorf("from %d on unsafe: the log ends at %+v, %v; want %d", c.unsafe, ends, err, c.want)
		}
		records, err := source{log}.Read(t.Context(), events.Position{})
		if err != nil || int64(len(records)) != c.want {
			t.Errorf("from %d on unsafe: %d records are read, %v; want %d", c.unsafe, len(records), err, c.want)
		}
	}
	log.unsafe.Store(3)
	if _, err := log.Append(t.Context(), []events.Event{eventstest.NewEvent("main", 3)}); err != nil {
		t.Fatal(err)
	}
	if ends, err := log.Ends(t.Context()); err != nil || ends[0].Next != 4 {
		t.Errorf("after the next append: the log ends at %+v, %v; want 4", ends, err)
	}
}
