package kafka

import (
	"log/slog"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// coordinator is a broker that answers what a new member asks first.
func coordinator(t *testing.T, answers ...sarama.KError) sarama.Client {
	t.Helper()
	broker := sarama.NewMockBroker(t, 1)
	t.Cleanup(broker.Close)
	joins := make([]any, len(answers))
	for i, answer := range answers {
		joins[i] = sarama.NewMockJoinGroupResponse(t).SetError(answer).SetMemberId("member")
	}
	broker.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest":        sarama.NewMockMetadataResponse(t).SetBroker(broker.Addr(), broker.BrokerID()).SetController(broker.BrokerID()),
		"FindCoordinatorRequest": sarama.NewMockFindCoordinatorResponse(t).SetCoordinator(sarama.CoordinatorGroup, "group", broker),
		"JoinGroupRequest":       sarama.NewMockSequence(joins...),
		"LeaveGroupRequest":      sarama.NewMockLeaveGroupResponse(t),
	})
	config, err := Config{Brokers: []string{broker.Addr()}, Topic: "log"}.client()
	if err != nil {
		t.Fatal(err)
	}
	config.ApiVersionsRequest = false // the mock answers what it is asked
	client, err := sarama.NewClient([]string{broker.Addr()}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestTheSessionTimeoutIsOneThatTheBrokersAllow(t *testing.T) {
	const needsID = sarama.ErrMemberIdRequired
	for name, c := range map[string]struct {
		answers []sarama.KError
		patient time.Duration
		want    time.Duration
	}{
		"the configured one": {[]sarama.KError{needsID}, time.Minute, 3 * time.Second},
		"a longer one":       {[]sarama.KError{sarama.ErrInvalidSessionTimeout, needsID}, time.Minute, 6 * time.Second},
		"the configured one, of a coordinator that was lost": {[]sarama.KError{sarama.ErrNotCoordinatorForConsumer, needsID}, time.Minute, 3 * time.Second},
		"a longer one, of a coordinator that was lost":       {[]sarama.KError{sarama.ErrInvalidSessionTimeout, sarama.ErrOffsetsLoadInProgress, sarama.ErrInvalidSessionTimeout, needsID}, time.Minute, 10 * time.Second},
		"what brokers allow as they come, when nobody tells": {[]sarama.KError{sarama.ErrNotCoordinatorForConsumer}, time.Second, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{Group: "group", SessionTimeout: 3 * time.Second, AppendTimeout: c.patient}
			if got := sessionAllowed(t.Context(), coordinator(t, c.answers...), config, slog.New(slog.NewTextHandler(t.Output(), nil))); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
