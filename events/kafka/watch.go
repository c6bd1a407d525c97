package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

const (
	watchEvery   = time.Second
	watchTimeout = 3 * time.Second
)

// watch asks the brokers for the ends of the topic every second, so that an outage is known before an event is handed
// to the producer, which would hold on to it: whoever appends meanwhile waits, and when that is in vain gets a plain
// "nothing was written".
func (l *Log) watch(ctx context.Context) {
	for {
		asking, cancel := context.WithTimeout(ctx, watchTimeout)
		_, err := l.Ends(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.noteAway(err)
		if err == nil {
			l.watchTransactions(ctx)
		}
		if pause(ctx, watchEvery) != nil {
			return
		}
	}
}

// outage is a time in which the brokers cannot be reached.
type outage struct {
	cause    error
	patience time.Time     // until then whoever appends waits for its end
	over     chan struct{} // closed at its end
}

// wait waits for the end of an outage, while there is patience with it.
func (o *outage) wait(ctx context.Context, op string) error {
	ctx, cancel := context.WithDeadline(ctx, o.patience)
	defer cancel()
	select {
	case <-o.over:
		return nil
	case <-ctx.Done():
		return o.refusal(op)
	}
}

func (o *outage) refusal(op string) error {
	return events.Wrap(events.Transient, op, o.cause, "Kafka cannot be reached; nothing is written until it is back")
}

// noteAway keeps why the brokers are away, or that they are not, and tells the operator of each change.
func (l *Log) noteAway(err error) {
	l.mu.Lock()
	before := l.outage
	switch {
	case err == nil && before != nil:
		close(before.over)
		l.outage = nil
	case err != nil && before != nil:
		l.outage = &outage{cause: err, patience: before.patience, over: before.over}
	case err != nil:
		l.outage = &outage{cause: err, patience: time.Now().Add(l.config.AppendTimeout), over: make(chan struct{})}
	}
	l.mu.Unlock()
	switch {
	case err != nil && before == nil:
		l.logger.Error("Kafka cannot be reached", "topic", l.config.Topic, "error", err)
	case err == nil && before != nil:
		l.logger.Info("Kafka is back", "topic", l.config.Topic)
	}
}

// present returns the outage that there is, or an error when the log is closed, or the outage lasts so long that nobody
// waits for its end any more. The caller holds mu.
func (l *Log) present(op string) (*outage, error) {
	switch {
	case l.closed:
		return nil, closedError(op)
	case l.outage != nil && time.Now().After(l.outage.patience):
		return nil, l.outage.refusal(op)
	}
	return l.outage, nil
}

// reachable is [Log.present] for callers that hold nothing.
func (l *Log) reachable(op string) (*outage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.present(op)
}

// stall is a transaction of another program that keeps everybody from reading on in a partition.
type stall struct {
	mu    sync.Mutex
	first int64 // its first offset
	since time.Time
	told  bool
}

// stallPatience is how long a transaction may take until it is told, and nothing is appended behind it.
const stallPatience = 2 * time.Second

// watchTransactions looks for transactions that are open.
func (l *Log) watchTransactions(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	for partition := range l.stalls {
		t := &l.tails[partition]
		t.mu.Lock()
		mark := t.mark
		t.mu.Unlock()
		block, err := fetching(asking, l.client, l.config.Topic, int32(partition))(mark, sarama.ReadCommitted)
		if err != nil {
			continue // the next look at the ends tells
		}
		if l.stalls[partition].note(block.LastStableOffset, mark) {
			l.logger.Error("the log can't be read on", "error", openTransaction("kafka.watch", l.config.Topic, int32(partition), block.LastStableOffset))
		}
	}
}

// note keeps up to where all transactions have ended, and tells when one takes so long that it has to be told.
func (s *stall) note(stable, mark int64) (began bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stable >= mark {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() || s.first != stable {
		s.first, s.since, s.told = stable, time.Now(), false
	}
	if s.told || time.Since(s.since) < stallPatience {
		return false
	}
	s.told = true
	return true
}

// stalled returns an error while an open transaction keeps everybody from reading a partition.
func (l *Log) stalled(op string, partition int32) error {
	s := &l.stalls[partition]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || time.Since(s.since) < stallPatience {
		return nil
	}
	return openTransaction(op, l.config.Topic, partition, s.first)
}
