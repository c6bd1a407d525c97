package kafka

import (
	"testing"

	"github.com/IBM/sarama"
)

func TestATransactionThatEndsWhileTheEndIsLookedForIsLookedAtAgain(t *testing.T) {
	batch := func(offset, producer int64, transactional, control bool) *sarama.Records {
		return &sarama.Records{RecordBatch: &sarama.RecordBatch{FirstOffset: offset, ProducerID: producer, IsTransactional: transactional, Control: control, Records: []*sarama.Record{{Key: []byte{0, 0, 0, 0}}}}}
	}
	record, open, marker := batch(0, -1, false, false), batch(1, 7, true, false), batch(2, 7, true, true)
	asked := 0
	see := func(offset int64, isolation sarama.IsolationLevel) (*sarama.FetchResponseBlock, error) {
		asked++
		switch {
		case isolation == sarama.ReadCommitted && asked == 1:
			return &sarama.FetchResponseBlock{LastStableOffset: 1}, nil
		case isolation == sarama.ReadUncommitted: // it was aborted in between, which this answer does not tell
			return &sarama.FetchResponseBlock{LastStableOffset: 3, RecordsSet: []*sarama.Records{open, marker}}, nil
		}
		return &sarama.FetchResponseBlock{LastStableOffset: 3, RecordsSet: []*sarama.Records{record, open, marker}[offset:],
			AbortedTransactions: []*sarama.AbortedTransaction{{ProducerID: 7, FirstOffset: 1}}}, nil
	}
	if end, stable, err := recordsIn(see, 1, 2); end != 1 || stable != 1 || err != nil {
		t.Errorf("while it ends: got %d, %d, %v; want no record, and that all from 1 on is looked at again", end, stable, err)
	}
	var place tail
	if end, err := place.of(see, 0, 3, 0); end != 1 || err != nil {
		t.Errorf("afterwards: the end is %d, %v; want 1", end, err)
	}
	if end, err := place.of(nil, 0, 3, 0); end != 1 || err != nil {
		t.Errorf("asked again: the end is %d, %v; want 1 without a look", end, err)
	}
	if end, err := place.of(nil, 0, 4, 4); end != 4 || err != nil {
		t.Errorf("after an append of our own: the end is %d, %v; want 4 without a look", end, err)
	}
}
