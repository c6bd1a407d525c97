package kafka

import (
	"time"

	"github.com/IBM/sarama"
)

// A batch of fewer than gatherRecords records waits up to gatherWait for others that are known to come.
const (
	gatherRecords = 64
	gatherWait    = 5 * time.Millisecond
)

// pump turns records of a partition into batches.
type pump struct {
	in   <-chan *sarama.ConsumerMessage
	out  chan<- *sarama.ConsumerMessage
	stop <-chan struct{}
	pass pass
	// coming tells whether more records are known to come soon after those of a batch that ends before the offset next
	// and has so many.
	coming func(next int64, records int) bool
	wait   time.Duration // how long a batch waits for them at the most
}

// run pumps until in is closed, or stop, or the pass ends. Whatever is there goes into a batch at once; what comes
// while the handler is busy makes the waiting batch larger, and a small one waits for what is known to come. So batches
// grow with the load, and a record that comes alone never waits.
func (p *pump) run() {
	gathering := newBatch(p.pass.number)
	var held *sarama.ConsumerMessage // did not fit into the batch before
	for {
		if held == nil {
			select {
			case <-p.stop:
				return
			case <-p.pass.over:
				return
			case record, open := <-p.in:
				if !open {
					return
				}
				held = record
			}
		}
		gathering.add(held)
		held = nil
		if !p.drain(gathering, &held) || !p.offer(gathering, &held) {
			return
		}
		gathering.take()
	}
}

// drain takes what is there without waiting. False: in is closed.
func (p *pump) drain(gathering *batch, held **sarama.ConsumerMessage) bool {
	for !gathering.full() {
		select {
		case record, open := <-p.in:
			if !open {
				return false
			}
			if !gathering.add(record) {
				*held = record
				return true
			}
		default:
			return true
		}
	}
	return true
}

// offer hands the batch over or takes one more record into it, whichever comes first. False: this pump is over.
func (p *pump) offer(gathering *batch, held **sarama.ConsumerMessage) bool {
	var late <-chan time.Time // what comes alone needs no timer
	patient := true
	for {
		more, ready := p.in, p.out
		switch {
		case gathering.full() || *held != nil:
			more = nil
		case patient && gathering.records < gatherRecords && p.coming(gathering.msg.Offset+1, gathering.records):
			ready = nil
			if late == nil {
				timer := time.NewTimer(p.wait)
				defer timer.Stop()
				late = timer.C
			}
		}
		select {
		case ready <- gathering.seal():
			return true
		case record, open := <-more:
			if !open {
				return false
			}
			if !gathering.add(record) {
				*held = record
			}
		case <-late:
			patient = false
		case <-p.stop:
			return false
		case <-p.pass.over:
			return false
		}
	}
}
