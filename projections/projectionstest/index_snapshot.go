package projectionstest

import (
	"testing"

	"binnacle/events"
	"binnacle/projections"
)

// snapshotAt holds the snapshots of positions against what the model knows of them.
func snapshotAt(t *testing.T, g projections.Generations) {
	const partition = 1
	w := newWorld(t, g.Live(), partition)
	at := func(offset int64) events.Position { return events.Position{Partition: partition, Offset: offset} }
	_, err := w.index.SnapshotAt(testContext(t), at(0))
	wantKind(t, err, events.Transient, "a position that is not projected yet")
	w.commit() // a record without versions
	for n := range 5 {
		for i := range 7 {
			w.put(key("Observation", string(rune('a'+(n*3+i)%8))), int64(i))
		}
		w.commit()
	}
	for offset := range w.offset {
		got, err := w.index.SnapshotAt(testContext(t), at(offset))
		if err != nil {
			t.Fatalf("SnapshotAt(%s): %v", at(offset), err)
		}
		want := projections.NoSnapshot
		for _, r := range w.rows {
			if r.Position.Offset <= offset {
				want = r.Sid
			}
		}
		if got != want {
			t.Fatalf("SnapshotAt(%s) = %d, want %d", at(offset), got, want)
		}
		q := projections.Query{Tenant: "main", Type: "Observation", Limit: 3, Snapshot: got,
			Total: projections.TotalAccurate}
		found, first := w.all(q, nil)
		w.compare(q, found, first)
		if first.Snapshot != got {
			t.Fatalf("a search at snapshot %d says it was read at %d", got, first.Snapshot)
		}
	}
	_, err = w.index.SnapshotAt(testContext(t), at(w.offset))
	wantKind(t, err, events.Transient, "the position after the last")
}
