package kafka

import (
	"github.com/IBM/sarama"
)

// groupHandler stands between the client library's consumer group and the subscriber's own handler of claims.
type groupHandler struct {
	follower *follower
	inner    sarama.ConsumerGroupHandler
	pass     pass // of the present session; set before its claims begin
}

// Setup moves each claim to its stored place. Mark only moves forward and Reset only back, and a fresh group stands
// nowhere, so both are called. It waits for a place that cannot be had: the session's heartbeats go on meanwhile.
func (h *groupHandler) Setup(session sarama.ConsumerGroupSession) error {
	h.pass = h.follower.pass()
	h.follower.began(1)
	for topic, partitions := range session.Claims() {
		for _, partition := range partitions {
			next, err := h.follower.start(session.Context(), partition)
			if err != nil {
				return err
			}
			session.MarkOffset(topic, partition, next, "")
			session.ResetOffset(topic, partition, next, "")
		}
	}
	return h.inner.Setup(session)
}

// Cleanup forgets what stood still: the partitions are assigned anew.
func (h *groupHandler) Cleanup(session sarama.ConsumerGroupSession) error {
	h.follower.forget()
	h.follower.ended()
	return h.inner.Cleanup(session)
}

// ConsumeClaim gives the subscriber a claim of batches. When the pass is over the claim ends, with it the session, and
// the next session's Setup seeks again.
func (h *groupHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	out := make(chan *sarama.ConsumerMessage)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer close(out)
		h.follower.pump(claim.Partition(), claim, claim.Messages(), out, stop, h.pass).run()
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	return h.inner.ConsumeClaim(session, batchClaim{claim, out})
}

type batchClaim struct {
	sarama.ConsumerGroupClaim
	batches <-chan *sarama.ConsumerMessage
}

func (c batchClaim) Messages() <-chan *sarama.ConsumerMessage { return c.batches }
