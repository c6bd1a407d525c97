package kafka

import "sync/atomic"

// traffic is what this process is appending to a partition. Of several events that are asked for at the same time the
// client library sends the first one alone, and the others together while that one is on its way; as two batches they
// would be two commits, and a commit costs several times what an event does.
type traffic struct {
	handed   atomic.Int64 // records that are on their way to the brokers
	appended atomic.Int64 // the end of what the brokers have acknowledged
}

// sent counts a record in.
func (t *traffic) sent() { t.handed.Add(1) }

// arrived counts one out that is in the log.
func (t *traffic) arrived(offset int64) {
	for end := t.appended.Load(); offset >= end && !t.appended.CompareAndSwap(end, offset+1); end = t.appended.Load() {
	}
	t.handed.Add(-1)
}

// lost counts one out of which nobody knows whether it will ever be there.
func (t *traffic) lost() { t.handed.Add(-1) }

// behind tells whether records are known to come to the log, or to be there, after those that a reader has. Records
// that it has may still be on their way to their writer's knowledge, so as many as it has count for nothing: one that
// comes alone is never held up by itself.
func (t *traffic) behind(next int64, records int) bool {
	return t.appended.Load() > next || t.handed.Load() > int64(records)
}
