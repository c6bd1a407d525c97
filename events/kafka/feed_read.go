package kafka

import (
	"context"
	"errors"
	"sort"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// chain takes the decisions of one partition in order: each after the one that it names.
type chain struct {
	end    int64 // after the last decision that was taken
	missed bool  // one came whose predecessor has not come yet
}

// link is where a record of the feed stands in the chain.
type link struct{ at, previous int64 }

// linkOf reads the headers of a record; false: it is none of the feed's.
func linkOf(raw *events.RawRecord) (link, bool) {
	l := link{at: -1, previous: -1}
	for _, header := range raw.Headers {
		switch header.Key {
		case events.DecisionID, headerPrevious:
			position, err := events.ParsePosition(string(header.Value))
			if err != nil || position.Partition != raw.Position.Partition {
				return l, false
			}
			if header.Key == headerPrevious {
				l.previous = position.Offset
			} else {
				l.at = position.Offset
			}
		}
	}
	return l, l.at >= 0 && l.previous < l.at
}

// take tells whether a decision is the next one.
func (c *chain) take(l link) bool {
	if l.at < c.end {
		return false
	}
	if l.previous >= c.end {
		c.missed = true
		return false
	}
	c.end = l.at + 1
	return true
}

// feedTail is how many records are read at first to find the end of the feed. It is more than one publication holds,
// so that what a decision follows is seen, too, when the decision stands there too early.
const feedTail = 4_096

// refresh makes the end of the feed known, as of now, and tells that of the topic.
func (f *Feed) refresh(ctx context.Context, partition int32, place *feedPlace) (next int64, err error) {
	const op = "kafka.FeedEnd"
	extent, err := f.extent(ctx, partition)
	if err != nil {
		return 0, err
	}
	if place.known && extent.Next < place.read {
		return 0, events.Errorf(events.Conflict, op, "partition %d of the topic %s ends at %d and had %d records before: it was made anew, or has lost records; restart the server when it is right", partition, f.topic, extent.Next, place.read)
	}
	for tail := int64(feedTail); !place.known; tail *= 8 {
		start := max(extent.First, extent.Next-tail)
		c := chain{end: -1}
		if start == extent.First {
			c.end = 0
		}
		if err := f.follow(ctx, partition, start, extent.Next, &c); err != nil {
			return 0, err
		}
		if start == extent.First || !c.missed {
			place.known, place.end, place.read = true, max(0, c.end), extent.Next
		}
	}
	if place.read < extent.Next {
		c := chain{end: place.end}
		if err := f.follow(ctx, partition, place.read, extent.Next, &c); err != nil {
			return 0, err
		}
		place.mark(place.end, place.read)
		place.end, place.read = c.end, extent.Next
	}
	return extent.Next, nil
}

// follow takes what stands in [start, next) of a partition. An end of -1 stands for one that is not known: the first
// record is taken.
func (f *Feed) follow(ctx context.Context, partition int32, start, next int64, c *chain) error {
	return f.records(ctx, partition, start, next, func(raw *events.RawRecord, l link) error {
		if c.end < 0 {
			c.end = l.at
			l.previous = -1
		}
		c.take(l)
		return nil
	})
}

// records reads a part of the topic and passes over what is none of the feed's.
func (f *Feed) records(ctx context.Context, partition int32, start, next int64, visit func(raw *events.RawRecord, l link) error) error {
	if start >= next {
		return nil
	}
	return read(ctx, f.client, f.topic, f.logger, events.Position{Partition: partition, Offset: start}, next, func(records []events.RawRecord) error {
		for i := range records {
			l, ok := linkOf(&records[i])
			if !ok {
				f.logger.Warn("a record of the feed is not a decision; it is passed over", "topic", f.topic, "place", records[i].Position.String())
				continue
			}
			if err := visit(&records[i], l); err != nil {
				return err
			}
		}
		return nil
	})
}

// extentAttempts bounds how often the ends of a topic that was just made, or whose leader has just changed, are asked
// for.
const extentAttempts = 8

func (f *Feed) extent(ctx context.Context, partition int32) (end events.End, err error) {
	for attempt := 1; ; attempt++ {
		end, err = bounded(ctx, func() (events.End, error) {
			first, err := f.client.GetOffset(f.topic, partition, sarama.OffsetOldest)
			if err != nil {
				return events.End{}, err
			}
			next, err := f.client.GetOffset(f.topic, partition, sarama.OffsetNewest)
			return events.End{Partition: partition, First: first, Next: next}, err
		})
		moved := errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable)
		if !moved || attempt == extentAttempts || pause(ctx, restPause) != nil {
			return end, classify("kafka.FeedEnd", err)
		}
		if _, err := bounded(ctx, func() (struct{}, error) { return struct{}{}, f.client.RefreshMetadata(f.topic) }); err != nil {
			return end, classify("kafka.FeedEnd", err)
		}
	}
}

// mark notes that the decision which follows end stands at or behind a place.
func (p *feedPlace) mark(end, place int64) {
	if len(p.marks) == feedMarks {
		p.marks = append(p.marks[:0], p.marks[feedMarks/2:]...)
	}
	p.marks = append(p.marks, mark{end, place})
}

// Decisions is events.Feed.Decisions.
func (f *Feed) Decisions(ctx context.Context, from events.Position, to int64, handle func([]events.Decision) error) error {
	const op = "kafka.Decisions"
	if err := ctx.Err(); err != nil {
		return classify(op, err)
	}
	place, leave, err := f.enter(ctx, op, from.Partition)
	if err != nil {
		return err
	}
	next, err := f.refresh(ctx, from.Partition, place)
	end, marks := place.end, place.marks
	leave()
	if err != nil {
		return err
	}
	if to = min(to, end); from.Offset >= to {
		return nil
	}
	extent, err := f.extent(ctx, from.Partition)
	if err != nil {
		return err
	}
	start := extent.First
	if i := sort.Search(len(marks), func(i int) bool { return marks[i].end > from.Offset }); i > 0 {
		start = marks[i-1].place
	} else if from.Offset > 0 {
		if start, err = f.find(ctx, from, extent.First, next); err != nil {
			return err
		}
	}
	r := reading{to: to, handle: handle, chain: chain{end: from.Offset}}
	err = r.run(ctx, f, from.Partition, start, next)
	if err == nil && r.taken == 0 && r.missed && start > extent.First {
		// What the search took for the place is a repetition, behind which the decision does not stand again.
		err = r.run(ctx, f, from.Partition, extent.First, next)
	}
	return err
}

// find searches the topic, whose decisions ascend but for repetitions, for a place before the first decision at or
// after from.
func (f *Feed) find(ctx context.Context, from events.Position, low, high int64) (int64, error) {
	first := low
	for high-low > feedTail {
		middle := low + (high-low)/2
		at := int64(-1)
		err := f.records(ctx, from.Partition, middle, middle+1, func(_ *events.RawRecord, l link) error {
			at = l.at
			return nil
		})
		if err != nil {
			return 0, err
		}
		if at < from.Offset {
			low = middle
		} else {
			high = middle
		}
	}
	return max(first, low-feedTail), nil
}

// reading hands on the decisions of a range.
type reading struct {
	chain
	to     int64
	taken  int
	handle func([]events.Decision) error
}

// errEnough ends a reading that has come to its end.
var errEnough = errors.New("the range was read")

func (r *reading) run(ctx context.Context, f *Feed, partition int32, start, next int64) error {
	var batch []events.Decision
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return classify("kafka.Decisions", err)
		}
		given := batch
		batch, size = nil, 0
		return r.handle(given)
	}
	err := f.records(ctx, partition, start, next, func(raw *events.RawRecord, l link) error {
		if !r.take(l) {
			return nil
		}
		if l.at >= r.to {
			return errEnough
		}
		d, err := events.DecodeDecision(raw.Value)
		if err != nil || d.Outcome.Position != (events.Position{Partition: partition, Offset: l.at}) {
			return events.Wrap(events.Internal, "kafka.Decisions", err, "the decision on %d:%d, at %s of the topic %s, cannot be read", partition, l.at, raw.Position, f.topic)
		}
		batch, size, r.taken = append(batch, d), size+len(raw.Value), r.taken+1
		if len(batch) >= events.BatchRecords || size >= events.BatchBytes {
			return flush()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return flush()
}
