package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// Not every offset of a topic holds a record: the control markers that end another producer's transactions take one
// each, and records of a transaction that was aborted take no effect. Nobody is ever given them. So the end that counts
// is that of the last record, and not the one that the brokers tell (the high watermark).

// tail is where the records of a partition end, as far as it was looked at.
type tail struct {
	mu sync.Mutex
	tailPlace
}

type tailPlace struct {
	known  bool
	mark   int64 // the high watermark of then
	stable int64 // up to here all transactions had ended
	end    int64 // after the last record before mark
}

// of returns the end of the records before mark, the high watermark of now. appended is the end of what this process
// has appended itself.
func (t *tail) of(see fetcher, first, mark, appended int64) (int64, error) {
	at := t.now(first, mark, appended)
	if at.known && mark == at.mark {
		return max(first, at.end), nil
	}
	base, end := max(first, at.stable), at.end
	if mark < at.mark { // the topic was cut off, or another call has seen a later one
		base, end = first, first
	}
	found, stable, err := lastRecord(see, base, mark)
	if err != nil {
		return 0, err
	}
	if found > base { // else there is none from base on
		end = max(end, found)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if mark >= t.mark {
		t.tailPlace = tailPlace{known: true, mark: mark, stable: stable, end: max(t.end, end)}
	}
	return max(first, end), nil
}

// now returns what is known without a look.
func (t *tail) now(first, mark, appended int64) tailPlace {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		t.tailPlace = tailPlace{mark: first, stable: first, end: first}
	}
	if appended == mark && mark >= t.mark {
		t.known, t.mark, t.end = true, mark, mark
	}
	return t.tailPlace
}

// lastRecord returns the end of the records in [base, mark): base, when there is none. It looks from the end on,
// because the last offset is that of a record as a rule. stable is up to where all transactions have ended.
func lastRecord(see fetcher, base, mark int64) (end, stable int64, err error) {
	for window := int64(1); ; window *= 64 {
		start := max(base, mark-window)
		if end, stable, err = recordsIn(see, start, mark); err != nil || end > start || start == base {
			return end, stable, err
		}
	}
}

// recordsIn is lastRecord without the search: it reads all of [start, mark).
func recordsIn(see fetcher, start, mark int64) (end, stable int64, err error) {
	end, stable = start, mark
	for next := start; next < mark; {
		// Of what comes after the beginning of an open transaction, records outside of any transaction alone are
		// certain. It may end at any moment, but then nobody has told which of its records were aborted.
		open := next >= stable
		isolation := sarama.ReadCommitted
		if open {
			isolation = sarama.ReadUncommitted
		}
		block, err := see(next, isolation)
		if err != nil {
			return 0, 0, err
		}
		if !open {
			stable = min(mark, block.LastStableOffset)
		}
		before := next
		aborted := abortions{left: block.AbortedTransactions}
		for _, records := range block.RecordsSet {
			batch := records.RecordBatch
			if batch == nil || batch.PartialTrailingRecord {
				break
			}
			if counts := aborted.pass(batch); counts && !(open && batch.IsTransactional) {
				end = max(end, batch.LastOffset()+1)
			}
			next = max(next, batch.LastOffset()+1)
		}
		if next == before && (open || next < stable) {
			return 0, 0, errNothing
		}
	}
	return end, stable, nil
}

// errNothing is the error of brokers that give nothing of what they say that they have.
var errNothing = errors.New("the brokers give no records from an offset that they say they have")

// abortions follows the transactions that were aborted through the batches of one answer, as the protocol wants
// consumers to.
type abortions struct {
	left   []*sarama.AbortedTransaction // ascending by their first offset
	active map[int64]bool               // by producer
}

// pass takes the next batch and tells whether its records take effect.
func (a *abortions) pass(batch *sarama.RecordBatch) bool {
	for len(a.left) > 0 && a.left[0].FirstOffset <= batch.LastOffset() {
		if a.active == nil {
			a.active = map[int64]bool{}
		}
		a.active[a.left[0].ProducerID] = true
		a.left = a.left[1:]
	}
	if batch.Control {
		const abort = 0
		// The key of a control record is its version and its type, two bytes each.
		if len(batch.Records) > 0 && len(batch.Records[0].Key) >= 4 && binary.BigEndian.Uint16(batch.Records[0].Key[2:]) == abort {
			delete(a.active, batch.ProducerID)
		}
		return false
	}
	return len(batch.Records) > 0 && !(batch.IsTransactional && a.active[batch.ProducerID])
}

// fetcher asks the leader of a partition for what it has from an offset on.
type fetcher func(offset int64, isolation sarama.IsolationLevel) (*sarama.FetchResponseBlock, error)

// fetchBytes bounds what one such answer has, but for a batch that is larger.
const fetchBytes = 1 << 20

// fetching makes the fetcher of a partition of a topic.
func fetching(ctx context.Context, client sarama.Client, topic string, partition int32) fetcher {
	return func(offset int64, isolation sarama.IsolationLevel) (*sarama.FetchResponseBlock, error) {
		return bounded(ctx, func() (*sarama.FetchResponseBlock, error) {
			block, err := fetchOnce(client, topic, partition, offset, isolation)
			if errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrFencedLeaderEpoch) || errors.Is(err, sarama.ErrUnknownLeaderEpoch) {
				if err := client.RefreshMetadata(topic); err != nil {
					return nil, err
				}
				block, err = fetchOnce(client, topic, partition, offset, isolation)
			}
			return block, err
		})
	}
}

func fetchOnce(client sarama.Client, topic string, partition int32, offset int64, isolation sarama.IsolationLevel) (*sarama.FetchResponseBlock, error) {
	leader, err := client.Leader(topic, partition)
	if err != nil {
		return nil, err
	}
	request := &sarama.FetchRequest{Version: 11, MaxBytes: fetchBytes, Isolation: isolation, SessionEpoch: -1} // -1: no session
	request.AddBlock(topic, partition, offset, fetchBytes, -1)
	answer, err := leader.Fetch(request)
	if err != nil {
		return nil, err
	}
	block := answer.GetBlock(topic, partition)
	switch {
	case block == nil:
		return nil, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return nil, block.Err
	}
	return block, nil
}

// openTransaction is the error for a transaction of another program that has not ended: nobody reads beyond it.
func openTransaction(op, topic string, partition int32, first int64) *events.Error {
	return events.Errorf(events.Transient, op, "a transaction that another program has begun at offset %d of partition %d of the topic %s is still open, and nothing behind it can be read until it ends; nothing is written until then. "+
		"Stop that program, or abort it: kafka-transactions.sh --bootstrap-server HOST:PORT abort --topic %s --partition %d --start-offset %d", first, partition, topic, topic, partition, first)
}
