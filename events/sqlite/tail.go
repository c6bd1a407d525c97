package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"binnacle/events"
)

// tailBytes bounds the values that the tail holds.
const tailBytes = 1 << 20

// tail holds the records that this process appended last and that are durable, so that a follower at the end of the log
// need not read them back from the file. It also knows where the log ends, unless another process appends.
type tail struct {
	mu      sync.Mutex
	records []events.RawRecord // without gaps
	bytes   int                // of their values
	next    int64              // the offset behind them; -1: nobody knows where the log ends
}

func newTail() *tail { return &tail{next: -1} }

// extend adds records that follow each other and are durable.
func (t *tail) extend(records []events.RawRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != records[0].Position.Offset { // another process has appended in between
		t.records, t.bytes = nil, 0
	}
	t.next = records[len(records)-1].Position.Offset + 1
	for i := range records {
		t.bytes += len(records[i].Value)
	}
	t.records = append(t.records, records...)
	drop := 0
	for t.bytes > tailBytes {
		t.bytes -= len(t.records[drop].Value)
		drop++
	}
	clear(t.records[:drop])
	t.records = t.records[drop:]
}

// reach is told where the log ends, as the file says. Beyond the tail another process has appended.
func (t *tail) reach(end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end > t.next {
		t.records, t.bytes, t.next = nil, 0, -1
	}
}

// read returns what the log holds from an offset on, at most one batch; known: it is all that Read would return.
func (t *tail) read(from int64) (batch []events.RawRecord, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := len(t.records) - int(t.next-from)
	if t.next < 0 || from > t.next || at < 0 {
		return nil, false
	}
	records := t.records[at:]
	return slices.Clone(records[:events.BatchLength(records)]), true
}

// recordsOf are the records of a group that was appended at one time.
func recordsOf(group []*request, appended time.Time) []events.RawRecord {
	var records []events.RawRecord
	for _, r := range group {
		for i, row := range r.rows {
			records = append(records, events.RawRecord{Position: r.positions[i], Time: appended, Key: row.key,
				Headers: row.named, Value: row.value})
		}
	}
	return records
}

// following shows a follower the inside of the log: what was appended last comes from the tail.
type following struct{ source }

func (f following) Read(ctx context.Context, from events.Position) ([]events.RawRecord, error) {
	if records, known := f.tail.read(from.Offset); known && from.Partition == 0 {
		return records, nil
	}
	return f.source.Read(ctx, from)
}
