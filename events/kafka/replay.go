package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// replayIdle bounds how long a replay waits for records that must be there, and replayLook is how long it waits until
// it looks whether there are any.
const (
	replayIdle = 30 * time.Second
	replayLook = 250 * time.Millisecond
)

// Replay is events.Log.Replay, on a consumer of its own without a group: no rebalance, no committed offset.
func (l *Log) Replay(ctx context.Context, from events.Position, to int64, handle func([]events.RawRecord) error) error {
	ends, err := l.Ends(ctx)
	if err != nil {
		return err
	}
	if err := events.CheckReplay(ends, from, to); err != nil {
		return err
	}
	if from.Offset >= to {
		return nil
	}
	return read(ctx, l.client, l.config.Topic, l.logger, from, to, handle)
}

// read calls handle with the records of a topic's partition in [from.Offset, to), which must be there.
func read(ctx context.Context, client sarama.Client, topic string, logger *slog.Logger, from events.Position, to int64, handle func([]events.RawRecord) error) error {
	const op = "kafka.Replay"
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return classify(op, err)
	}
	defer func() { _ = consumer.Close() }() // its partition is closed below; there is nothing left to fail
	records, err := bounded(ctx, func() (sarama.PartitionConsumer, error) {
		return consumer.ConsumePartition(topic, from.Partition, from.Offset)
	})
	if err != nil {
		return classify(op, err)
	}
	errorsEnded := make(chan struct{})
	go func() {
		defer close(errorsEnded)
		for err := range records.Errors() {
			logger.Warn("reading from Kafka failed; it is tried again", "topic", topic, "partition", from.Partition, "error", err.Err)
		}
	}()
	defer func() {
		records.AsyncClose()
		for range records.Messages() { // until the library has let the partition go
		}
		<-errorsEnded
	}()
	see := fetching(ctx, client, topic, from.Partition)
	return replay(ctx, records.Messages(), from, to, handle, func(next int64) (bool, error) {
		end, stable, err := lastRecord(see, next, to)
		switch {
		case err != nil:
			return false, classify(op, err)
		case stable < to:
			return false, openTransaction(op, topic, from.Partition, stable)
		}
		return end == next, nil
	})
}

// replay hands on what comes until the offset to. done tells whether no record is left from an offset on, or why it
// can't come.
func replay(ctx context.Context, in <-chan *sarama.ConsumerMessage, from events.Position, to int64, handle func([]events.RawRecord) error, done func(next int64) (bool, error)) error {
	const op = "kafka.Replay"
	look := time.NewTimer(replayLook)
	defer look.Stop()
	var batch events.Batch
	for next := from.Offset; next < to; {
		select {
		case <-ctx.Done():
			return classify(op, ctx.Err())
		default:
		}
		var record *sarama.ConsumerMessage
		var open bool
		select {
		case record, open = <-in:
		default:
			if len(batch.Records) > 0 { // nothing more is there: hand over what is
				if err := handle(batch.Records); err != nil {
					return err
				}
				batch = events.Batch{}
			}
			since := time.Now()
			for waiting := true; waiting; {
				look.Reset(replayLook)
				select {
				case record, open = <-in:
					waiting = false
				case <-ctx.Done():
					return classify(op, ctx.Err())
				case <-look.C:
					over, err := done(next)
					switch {
					case over:
						return nil
					case time.Since(since) < replayIdle:
					case err != nil:
						return err
					default:
						return events.Errorf(events.Transient, op, "the record %d:%d has not come within %s although the topic holds it", from.Partition, next, replayIdle)
					}
				}
			}
		}
		if !open {
			return events.Errorf(events.Transient, op, "Kafka has ended the reading of partition %d at offset %d", from.Partition, next)
		}
		next = record.Offset + 1
		if record.Offset >= to { // the offsets before it hold no record
			break
		}
		raw := rawRecord(record, nil)
		if !batch.Add(raw) {
			if err := handle(batch.Records); err != nil {
				return err
			}
			batch = events.Batch{}
			batch.Add(raw)
		}
	}
	if len(batch.Records) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return classify(op, err)
	}
	return handle(batch.Records)
}
