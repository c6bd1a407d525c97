package kafka

import (
	"context"
	"time"

	"binnacle/events"
)

const (
	watchEvery   = time.Second
	watchTimeout = 3 * time.Second
)

// watch asks the brokers for the ends of the topic every second, so that an outage is known before an event is handed to the
// producer, which would hold on to it: whoever appends meanwhile waits, and when that is in vain gets a plain "nothing was written".
func (l *Log) watch(ctx context.Context) {
	for {
		asking, cancel := context.WithTimeout(ctx, watchTimeout)
		_, err := l.Ends(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.noteAway(err)
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

// present returns the outage that there is, or an error when the log is closed, or the outage lasts so long that nobody waits for its end
// any more. The caller holds mu.
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
