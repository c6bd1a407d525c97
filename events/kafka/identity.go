package kafka

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"binnacle/events"
)

var _ events.Identifier = (*Log)(nil)

// identityAttempts is how many connections are tried, one after the other.
const identityAttempts = 3

// Identity is events.Identifier.Identity: a topic that is deleted and made again has another id (KIP-516).
func (l *Log) Identity(ctx context.Context) (events.Identity, error) {
	const op = "kafka.Identity"
	answer, err := bounded(ctx, func() (answer *sarama.MetadataResponse, err error) {
		request := sarama.NewMetadataRequest(l.client.Config().Version, []string{l.config.Topic})
		for range identityAttempts {
			broker := l.client.LeastLoadedBroker()
			if broker == nil {
				return nil, sarama.ErrOutOfBrokers
			}
			if answer, err = broker.GetMetadata(request); !errors.Is(err, sarama.ErrNotConnected) {
				break // else the connection ended after it was chosen, and another one is opened
			}
		}
		return answer, err
	})
	if err != nil {
		return events.Identity{}, classify(op, err)
	}
	if len(answer.Topics) != 1 || answer.ClusterID == nil {
		return events.Identity{}, events.Errorf(events.Transient, op, "Kafka tells nothing of the topic %s", l.config.Topic)
	}
	topic := answer.Topics[0]
	if topic.Err != sarama.ErrNoError && topic.Err != sarama.ErrLeaderNotAvailable {
		return events.Identity{}, classify(op, topic.Err)
	}
	return events.Identity{Cluster: *answer.ClusterID, Log: topic.Uuid.String(), Partitions: int32(len(topic.Partitions))}, nil
}
