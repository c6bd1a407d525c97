package eventstest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"binnacle/events"
)

// fromFirst seeks the beginning of an unshortened log.
func fromFirst(context.Context, int32) (int64, error) { return 0, nil }

func follow(t *testing.T, log events.Log, seek events.Seek) (events.Follower, <-chan *message.Message) {
	t.Helper()
	follower, err := log.Follow(seek)
	if err != nil {
		t.Fatalf("Follow: %v", err)
	}
	t.Cleanup(func() {
		if err := follower.Close(); err != nil {
			t.Errorf("Close of a follower: %v", err)
		}
	})
	messages, err := follower.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	return follower, messages
}

// next waits for a message, which the caller acks or nacks.
func next(t *testing.T, messages <-chan *message.Message) (*message.Message, []events.RawRecord) {
	t.Helper()
	select {
	case msg, open := <-messages:
		if !open {
			t.Fatal("the subscription has ended")
		}
		records, err := events.Records(msg)
		if err != nil {
			t.Fatalf("Records: %v", err)
		}
		if len(records) == 0 {
			t.Fatal("a batch of no records was delivered")
		}
		return msg, records
	case <-time.After(patience):
		t.Fatal("no message came")
	}
	return nil, nil
}

// take acks messages until n records have come.
func take(t *testing.T, messages <-chan *message.Message, n int) []events.RawRecord {
	t.Helper()
	var all []events.RawRecord
	for len(all) < n {
		msg, records := next(t, messages)
		all = append(all, records...)
		msg.Ack()
	}
	if len(all) != n {
		t.Fatalf("%d records came, want %d", len(all), n)
	}
	return all
}

// offsets must be those of one partition from first on, without gaps.
func wantOffsets(t *testing.T, records []events.RawRecord, partition int32, first int64) {
	t.Helper()
	for i, record := range records {
		if want := (events.Position{Partition: partition, Offset: first + int64(i)}); record.Position != want {
			t.Fatalf("record %d stands at %s, want %s", i, record.Position, want)
		}
	}
}

func followFromSeek(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 30))
	partition := partitionOf(t, log, "main")
	for _, start := range []int64{0, 17, 29} {
		_, messages := follow(t, log, func(_ context.Context, asked int32) (int64, error) {
			if asked == partition {
				return start, nil
			}
			return 0, nil
		})
		records := take(t, messages, 30-int(start))
		wantOffsets(t, records, partition, start)
	}
	stored := replay(t, log, partition)
	_, messages := follow(t, log, fromFirst)
	if got := take(t, messages, 30); !reflect.DeepEqual(got, stored) {
		t.Error("a follower and a replay give different records")
	}
}

func followLate(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 10))
	_, messages := follow(t, log, fromFirst)
	records := take(t, messages, 10)
	appendAll(t, log, newEvents("main", 5))
	records = append(records, take(t, messages, 5)...)
	_, late := follow(t, log, fromFirst)
	if got := take(t, late, 15); !reflect.DeepEqual(got, records) {
		t.Error("a second follower sees other records than the first")
	}
}

func followWhileAppending(t *testing.T, driver Driver) {
	log := open(t, driver)
	const total = 600
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range total / 3 {
			list := []events.Event{NewEvent(tenants[0], i), NewEvent(tenants[1], i), NewEvent(tenants[2], i)}
			if _, err := log.Append(t.Context(), list); err != nil {
				t.Errorf("Append: %v", err)
				return
			}
		}
	}()
	_, messages := follow(t, log, fromFirst)
	at := map[int32]int64{}
	for n := 0; n < total; {
		msg, records := next(t, messages)
		for _, record := range records {
			if record.Position.Offset != at[record.Position.Partition] {
				t.Fatalf("%s came when offset %d was due", record.Position, at[record.Position.Partition])
			}
			at[record.Position.Partition]++
			n++
		}
		msg.Ack()
	}
	<-done
}

func batchLimits(t *testing.T, driver Driver) {
	log := open(t, driver)
	list := newEvents("main", events.BatchRecords+events.BatchRecords/2)
	noise := make([]byte, 600<<10)
	_, _ = rand.NewChaCha8([32]byte{9}).Read(noise)
	for i := range 20 { // 12 MB that do not compress
		event := NewEvent("main", i)
		event.Changes[0].Content = append([]byte{byte(i)}, noise...)
		list = append(list, event)
	}
	appendAll(t, log, list)
	_, messages := follow(t, log, fromFirst)
	for n := 0; n < len(list); {
		msg, records := next(t, messages)
		size := 0
		for _, record := range records {
			size += len(record.Value)
		}
		if len(records) > events.BatchRecords || len(records) > 1 && size > events.BatchBytes {
			t.Errorf("a batch has %d records and %d bytes", len(records), size)
		}
		n += len(records)
		msg.Ack()
	}
}

func largeRecordAlone(t *testing.T, driver Driver) {
	log := open(t, driver)
	noise := make([]byte, events.BatchBytes+1<<20)
	_, _ = rand.NewChaCha8([32]byte{8}).Read(noise)
	large := NewEvent("main", 1)
	large.Changes[0].Content = noise
	appendAll(t, log, []events.Event{NewEvent("main", 0)})
	position := appendAll(t, log, []events.Event{large})[0]
	appendAll(t, log, []events.Event{NewEvent("main", 2)})
	_, messages := follow(t, log, fromFirst)
	for n := 0; n < 3; {
		msg, records := next(t, messages)
		for _, record := range records {
			n++
			if record.Position == position && len(records) != 1 {
				t.Errorf("the large record came with %d others", len(records)-1)
			}
			if record.Position == position {
				if decoded := decode(t, records); !bytes.Equal(decoded[0].Event.Changes[0].Content, noise) {
					t.Error("the large record came back changed")
				}
			}
		}
		msg.Ack()
	}
}

func nackRedelivers(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 8))
	_, messages := follow(t, log, fromFirst)
	msg, first := next(t, messages)
	first = clone(first)
	for range 3 {
		msg.Nack()
		var again []events.RawRecord
		if msg, again = next(t, messages); !reflect.DeepEqual(again, first) {
			t.Fatalf("after a nack came %d records, want the %d of before", len(again), len(first))
		}
	}
	msg.Ack()
	if len(first) < 8 {
		wantOffsets(t, take(t, messages, 8-len(first)), first[0].Position.Partition, int64(len(first)))
	}
}

func ackBeforeNext(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 1))
	_, messages := follow(t, log, fromFirst)
	msg, _ := next(t, messages)
	appendAll(t, log, newEvents("main", 4))
	select {
	case <-messages:
		t.Error("a message came while the one before it was in hand")
	case <-time.After(200 * time.Millisecond):
	}
	select {
	case <-msg.Context().Done():
		t.Error("the context of the message in hand has ended")
	default:
	}
	msg.Ack()
	wantOffsets(t, take(t, messages, 4), partitionOf(t, log, "main"), 1)
}

func reseek(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 40))
	partition := partitionOf(t, log, "main")
	var start atomic.Int64
	follower, messages := follow(t, log, func(_ context.Context, asked int32) (int64, error) {
		if asked == partition {
			return start.Load(), nil
		}
		return 0, nil
	})
	for _, place := range []int64{11, 3, 0, 39, 25} { // with the message in hand, as a handler does whose fence was passed
		msg, _ := next(t, messages)
		start.Store(place)
		follower.Reseek()
		msg.Ack()
		msg, records := next(t, messages)
		if records[0].Position.Offset != place {
			t.Fatalf("after a reseek to %d the first record is %s", place, records[0].Position)
		}
		msg.Nack()
	}
	wantOffsets(t, take(t, messages, 15), partition, 25)
}

func reseekIdle(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 5))
	follower, messages := follow(t, log, fromFirst)
	take(t, messages, 5)
	follower.Reseek()
	wantOffsets(t, take(t, messages, 5), partitionOf(t, log, "main"), 0)
	appendAll(t, log, newEvents("main", 2))
	wantOffsets(t, take(t, messages, 2), partitionOf(t, log, "main"), 5)
}

func seekFails(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 5))
	partition := partitionOf(t, log, "main")
	var broken atomic.Bool
	broken.Store(true)
	_, messages := follow(t, log, func(_ context.Context, asked int32) (int64, error) {
		if broken.Load() {
			return 0, events.Errorf(events.Transient, "test.Seek", "the index is away")
		}
		if asked == partition {
			return 2, nil
		}
		return 0, nil
	})
	unhealthy(t, log, "the index is away")
	broken.Store(false)
	wantOffsets(t, take(t, messages, 3), partition, 2)
	healthy(t, log)
}

func seekOutside(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 5))
	partition := partitionOf(t, log, "main")
	var start atomic.Int64
	start.Store(6)
	follower, messages := follow(t, log, func(_ context.Context, asked int32) (int64, error) {
		if asked == partition {
			return start.Load(), nil
		}
		return 0, nil
	})
	unhealthy(t, log, "outside of the log")
	select {
	case <-messages:
		t.Error("a message came although the stored position is outside of the log")
	default:
	}
	start.Store(4) // somebody has put it right
	follower.Reseek()
	wantOffsets(t, take(t, messages, 1), partition, 4)
	healthy(t, log)
}

// unhealthy waits until the log's health tells of a text.
func unhealthy(t *testing.T, log events.Log, text string) {
	t.Helper()
	waitHealth(t, log, func(err error) bool { return err != nil && bytes.Contains([]byte(err.Error()), []byte(text)) })
}

func healthy(t *testing.T, log events.Log) {
	t.Helper()
	waitHealth(t, log, func(err error) bool { return err == nil })
}

func waitHealth(t *testing.T, log events.Log, wanted func(error) bool) {
	t.Helper()
	prober, can := log.(events.Prober)
	if !can {
		t.Fatal("the driver has no health")
	}
	deadline := time.Now().Add(patience)
	for {
		err := prober.Health(t.Context())
		if wanted(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("health stays %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func poisonPasses(t *testing.T, driver Driver) {
	log := open(t, driver)
	partition := partitionOf(t, log, "main")
	good := appendAll(t, log, newEvents("main", 1))[0]
	poison := []events.RawRecord{
		{Value: []byte{0xff, 0x00, 0x01}},
		{Key: []byte("main")}, // no value: a tombstone
		{Key: []byte("main"), Value: []byte{}},
		{Key: []byte("main"), Headers: []events.Header{{Key: "ce_type", Value: []byte("dev.binnacle.event.v99")}, {Key: "x", Value: []byte{0}}}, Value: []byte("a form of later")},
	}
	for _, record := range poison {
		record.Position.Partition = partition
		driver.AppendRaw(t, log, record)
	}
	last := appendAll(t, log, newEvents("main", 1))[0]
	_, messages := follow(t, log, fromFirst)
	followed := take(t, messages, 2+len(poison))
	wantOffsets(t, followed, partition, 0)
	for i, want := range poison {
		got := followed[1+i]
		if !bytes.Equal(got.Value, want.Value) || (got.Value == nil) != (want.Value == nil) || !bytes.Equal(got.Key, want.Key) || !reflect.DeepEqual(got.Headers, want.Headers) {
			t.Errorf("poison %d came as %+v, want %+v", i, got, want)
		}
		if _, err := events.Decode(got); events.KindOf(err) != events.Invalid {
			t.Errorf("poison %d decodes with %v", i, err)
		}
	}
	if followed[0].Position != good || followed[len(followed)-1].Position != last {
		t.Errorf("the events around the poison stand at %s and %s, want %s and %s", followed[0].Position, followed[len(followed)-1].Position, good, last)
	}
	if replayed := replay(t, log, partition); !reflect.DeepEqual(replayed, followed) {
		t.Errorf("a replay gives %+v, want %+v", replayed, followed)
	}
}

func subscriptionContext(t *testing.T, driver Driver) {
	log := open(t, driver)
	appendAll(t, log, newEvents("main", 5))
	follower, err := log.Follow(fromFirst)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	messages, err := follower.Subscribe(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	msg, _ := next(t, messages)
	cancel()
	ended(t, messages)
	select {
	case <-msg.Context().Done():
	case <-time.After(patience):
		t.Error("the context of the message in hand goes on")
	}
}

// ended drains a subscription and waits for its end.
func ended(t *testing.T, messages <-chan *message.Message) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case msg, open := <-messages:
			if !open {
				return
			}
			msg.Nack()
		case <-late:
			t.Fatal("the subscription goes on")
		}
	}
}

func closeEndsFollowers(t *testing.T, driver Driver) {
	log := driver.Open(t)
	appendAll(t, log, newEvents("main", 5))
	follower, err := log.Follow(fromFirst)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := follower.Subscribe(context.WithoutCancel(t.Context()), "")
	if err != nil {
		t.Fatal(err)
	}
	take(t, idle, 5)
	busy, err := log.Follow(fromFirst)
	if err != nil {
		t.Fatal(err)
	}
	handling, err := busy.Subscribe(context.WithoutCancel(t.Context()), "")
	if err != nil {
		t.Fatal(err)
	}
	next(t, handling) // and keep it in hand
	if err := log.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	ended(t, idle)
	ended(t, handling)
	if _, err := follower.Subscribe(t.Context(), ""); err == nil {
		t.Error("a closed follower can be subscribed")
	}
}

func closeOneFollower(t *testing.T, driver Driver) {
	log := open(t, driver)
	one, ofOne := follow(t, log, fromFirst)
	_, ofOther := follow(t, log, fromFirst)
	appendAll(t, log, newEvents("main", 3))
	take(t, ofOne, 3)
	if err := one.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	ended(t, ofOne)
	appendAll(t, log, newEvents("main", 3))
	wantOffsets(t, take(t, ofOther, 6), partitionOf(t, log, "main"), 0)
	healthy(t, log)
}

var errHandler = errors.New("the handler failed")
