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
// producer, which would hold on to it: whoever appends meanwhile gets a plain "nothing was written".
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

// noteAway keeps why the brokers are away, or that they are not, and tells the operator of each change.
func (l *Log) noteAway(err error) {
	l.mu.Lock()
	before := l.away
	l.away = err
	if err != nil {
		l.away = events.Wrap(events.Transient, "kafka.Log", err, "Kafka cannot be reached; nothing is written until it is back")
	}
	l.mu.Unlock()
	switch {
	case err != nil && before == nil:
		l.logger.Error("Kafka cannot be reached", "topic", l.config.Topic, "error", err)
	case err == nil && before != nil:
		l.logger.Info("Kafka is back", "topic", l.config.Topic)
	}
}
