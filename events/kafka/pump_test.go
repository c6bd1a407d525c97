package kafka

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// pumped is a pump at work with what a test gives it.
type pumped struct {
	in  chan *sarama.ConsumerMessage
	out chan *sarama.ConsumerMessage
}

func pumping(t *testing.T, wait time.Duration, coming func(next int64, records int) bool) pumped {
	t.Helper()
	p := pumped{in: make(chan *sarama.ConsumerMessage), out: make(chan *sarama.ConsumerMessage)}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		(&pump{in: p.in, out: p.out, stop: stop, coming: coming, wait: wait}).run()
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	return p
}

// feed gives the pump records with the offsets first … last, one by one.
func (p pumped) feed(first, last int64) {
	for offset := first; offset <= last; offset++ {
		p.in <- &sarama.ConsumerMessage{Offset: offset, Value: []byte("event")}
	}
}

// take returns the offsets of the next batch.
func (p pumped) take(t *testing.T) (first, last int64) {
	t.Helper()
	msg, err := unmarshaler{}.Unmarshal(<-p.out)
	if err != nil {
		t.Fatal(err)
	}
	records, err := events.Records(msg)
	if err != nil {
		t.Fatal(err)
	}
	return records[0].Position.Offset, records[len(records)-1].Position.Offset
}

func TestASmallBatchWaitsForRecordsThatAreKnownToCome(t *testing.T) {
	p := pumping(t, time.Hour, func(next int64, _ int) bool { return next < 8 })
	go p.feed(0, 8) // each one by itself: the reader is there before the second
	if first, last := p.take(t); first != 0 || last < 7 {
		t.Errorf("the batch has the records %d to %d, want all from 0 to 7 at least", first, last)
	}
}

func TestARecordThatComesAloneDoesNotWait(t *testing.T) {
	var own traffic
	own.sent() // its own writer has not heard of it yet
	p := pumping(t, time.Hour, own.behind)
	go p.feed(0, 0)
	if first, last := p.take(t); first != 0 || last != 0 {
		t.Errorf("the batch has the records %d to %d, want 0 alone", first, last)
	}
}

func TestABatchDoesNotWaitForeverForWhatDoesNotCome(t *testing.T) {
	p := pumping(t, time.Millisecond, func(int64, int) bool { return true })
	go p.feed(5, 5)
	if first, last := p.take(t); first != 5 || last != 5 {
		t.Errorf("the batch has the records %d to %d, want 5 alone", first, last)
	}
}

func TestABatchThatIsNotSmallDoesNotWait(t *testing.T) {
	p := pumping(t, time.Hour, func(int64, int) bool { return true })
	go p.feed(0, gatherRecords-1)
	if first, last := p.take(t); first != 0 || last != gatherRecords-1 {
		t.Errorf("the batch has the records %d to %d, want 0 to %d", first, last, gatherRecords-1)
	}
}

func TestTrafficKnowsWhatIsBehindWhatAReaderHas(t *testing.T) {
	var partition traffic
	tell := func(what string, next int64, records int, want bool) {
		t.Helper()
		if got := partition.behind(next, records); got != want {
			t.Errorf("%s: behind(%d, %d) = %v, want %v", what, next, records, got, want)
		}
	}
	tell("nothing was ever sent", 0, 0, false)
	partition.sent()
	partition.sent()
	tell("two are sent, a reader has one that may be one of them", 1, 1, true)
	tell("a reader has two that may be these", 2, 2, false)
	partition.arrived(1)
	tell("one has got the offset 1, the reader ends there", 1, 1, true)
	partition.arrived(0)
	tell("both are in the log, the reader has both", 2, 2, false)
	tell("the reader lacks one", 1, 1, true)
	partition.sent()
	partition.lost()
	tell("one was lost", 2, 1, false)
}
