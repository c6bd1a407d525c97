package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// fallbackSessions are tried in turn when the brokers refuse the session timeout that is configured: the first is the
// least that they allow as they come (group.min.session.timeout.ms).
func fallbackSessions() []time.Duration {
	return []time.Duration{6 * time.Second, 10 * time.Second, 30 * time.Second}
}

// sessionAllowed gives the session timeout to use: the configured one, or the shortest longer one that the brokers
// allow, which it tells the operator, because a takeover after a crash takes as long. It asks by what a new member asks
// first (KIP-394): the broker checks the timeout and gives a member id, which is given back. When nobody can tell for
// as long as an append waits, the least stands that brokers allow as they come: a node whose timeout is refused would
// never get a partition.
func sessionAllowed(ctx context.Context, client sarama.Client, config Config, logger *slog.Logger) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, config.AppendTimeout)
	defer cancel()
	for _, session := range append([]time.Duration{config.SessionTimeout}, fallbackSessions()...) {
		if session < config.SessionTimeout {
			continue
		}
		err := probeSession(ctx, client, config.Group, session)
		for err != nil && !errors.Is(err, sarama.ErrInvalidSessionTimeout) && pause(ctx, joinPause) == nil {
			err = probeSession(ctx, client, config.Group, session) // its coordinator is lost, or is being made
		}
		if errors.Is(err, sarama.ErrInvalidSessionTimeout) {
			continue
		}
		if err != nil {
			session = max(session, fallbackSessions()[0])
			logger.Warn("the session timeout of the consumer group could not be checked with Kafka", "group", config.Group, "configured", config.SessionTimeout, "used", session, "error", err)
			return session
		}
		if session != config.SessionTimeout {
			logger.Warn("Kafka refuses the session timeout of the consumer group and a longer one is used: after a crash another node takes over that much later; "+
				"set group.min.session.timeout.ms of the brokers to allow the shorter one", "group", config.Group, "refused", config.SessionTimeout, "used", session)
		}
		return session
	}
	logger.Error("Kafka refuses every session timeout of the consumer group; see group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers", "group", config.Group,
		"timeout", config.SessionTimeout)
	return config.SessionTimeout
}

// probeSession asks the group's coordinator whether a member may have a session timeout; it joins nothing.
func probeSession(ctx context.Context, client sarama.Client, group string, session time.Duration) error {
	_, err := bounded(ctx, func() (struct{}, error) {
		if err := client.RefreshCoordinator(group); err != nil { // the one that is remembered may be gone
			return struct{}{}, err
		}
		coordinator, err := client.Coordinator(group)
		if err != nil {
			return struct{}{}, err
		}
		ask := sarama.NewJoinGroupRequest(client.Config().Version)
		ask.GroupId, ask.ProtocolType = group, "consumer"
		ask.SessionTimeout = int32(session / time.Millisecond)
		ask.RebalanceTimeout = int32(client.Config().Consumer.Group.Rebalance.Timeout / time.Millisecond)
		if err := ask.AddGroupProtocolMetadata(sarama.RangeBalanceStrategyName, &sarama.ConsumerGroupMemberMetadata{}); err != nil {
			return struct{}{}, err
		}
		answer, err := coordinator.JoinGroup(ask)
		if err != nil {
			return struct{}{}, err
		}
		if !slices.Contains([]sarama.KError{sarama.ErrNoError, sarama.ErrMemberIdRequired}, answer.Err) {
			return struct{}{}, answer.Err
		}
		_, err = coordinator.LeaveGroup(&sarama.LeaveGroupRequest{Version: 3, GroupId: group, Members: []sarama.MemberIdentity{{MemberId: answer.MemberId}}})
		return struct{}{}, err
	})
	return err
}
