package kafka

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"binnacle/events"
)

// classify makes an *events.Error of an error of the client library: the one place where it is translated. An error
// that is one already, and nil, stay as they are. It is for what only reads or asks; publishError is for what may have
// been written.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *events.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return events.Wrap(events.Transient, op, err, "the call ended before Kafka answered")
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return events.Wrap(events.Transient, op, err, "Kafka refuses the login; see the SASL user and password")
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrGroupAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		return events.Wrap(events.Transient, op, err, "Kafka does not let this user do that; grant it read, write and describe on the topic, and read on the group")
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		return events.Wrap(events.Transient, op, err, "Kafka does not know the topic or the partition")
	case errors.Is(err, sarama.ErrOutOfBrokers):
		return events.Wrap(events.Transient, op, err, "no Kafka broker can be reached")
	}
	return events.Wrap(events.Transient, op, err, "Kafka cannot be used")
}

// publishError tells what is known of a record that the client library has given up on. Only a refusal that no attempt
// can have preceded says that it is not in the log.
func publishError(op string, err error) error {
	if errors.Is(err, sarama.ErrMessageSizeTooLarge) {
		return events.Wrap(events.TooLarge, op, err, "the event is larger than the topic's max.message.bytes")
	}
	return events.Wrap(events.Unknown, op, err, "Kafka has not acknowledged the event; it may or may not be in the log")
}

// bounded calls a function of the client library, which knows no context, and waits no longer than ctx. The call itself
// ends by the library's own timeouts.
func bounded[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := call()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
