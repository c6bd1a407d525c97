package cassandra

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"binnacle/events"
)

// goneText says what to do when what ensure made is not there any more.
const goneText = "the keyspace or its table is gone; run `binnacle init`, then `binnacle verify --repair`"

// classify makes an *events.Error of an error that came from the client: the one place where that is done.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *events.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return events.Wrap(events.Transient, op, err, "the call ended before Cassandra answered")
	}
	if errors.Is(err, gocql.ErrSessionClosed) {
		return events.Wrap(events.Transient, op, err, "the store is closed")
	}
	if errors.Is(err, gocql.ErrFrameTooBig) {
		return events.Wrap(events.TooLarge, op, err, "a blob is larger than a request to Cassandra can be")
	}
	var refused gocql.RequestError
	if !errors.As(err, &refused) { // no answer: no node, no connection, no time
		return events.Wrap(events.Transient, op, err, "no Cassandra node answers")
	}
	// its text is the only mark that a node gives this refusal
	for _, mark := range []string{"oversized mutation", "Request is too big"} {
		if strings.Contains(refused.Message(), mark) {
			return events.Wrap(events.TooLarge, op, err, "a blob is larger than the Cassandra node takes: half of "+
				"its commitlog_segment_size, and its native_transport_max_frame_size")
		}
	}
	switch refused.Code() {
	case gocql.ErrCodeServer, gocql.ErrCodeOverloaded, gocql.ErrCodeBootstrapping, gocql.ErrCodeTruncate:
		return events.Wrap(events.Transient, op, err, "Cassandra cannot answer for now")
	case gocql.ErrCodeUnavailable, gocql.ErrCodeReadTimeout, gocql.ErrCodeWriteTimeout, gocql.ErrCodeReadFailure,
		gocql.ErrCodeWriteFailure, gocql.ErrCodeCDCWriteFailure:
		return events.Wrap(events.Transient, op, err, "too few Cassandra nodes answer for the consistency level")
	case gocql.ErrCodeUnprepared:
		return events.Wrap(events.Transient, op, err, "Cassandra has forgotten a statement")
	case gocql.ErrCodeCredentials, gocql.ErrCodeUnauthorized:
		return events.Wrap(events.Internal, op, err, "Cassandra refuses this user; give another, or grant it SELECT "+
			"and MODIFY on the keyspace")
	case gocql.ErrCodeInvalid:
		if strings.Contains(err.Error(), "unconfigured table") || strings.Contains(err.Error(), "does not exist") {
			return events.Wrap(events.Internal, op, err, goneText)
		}
	}
	return events.Wrap(events.Internal, op, err, "Cassandra refused a statement")
}

// The pauses between the attempts of one request double from the first to the last; each is a random part of that.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// retry calls attempt until it succeeds, fails for good, or the time for one request with its retries is over. An
// attempt whose session was replaced under it is made again with the next one.
func (b *Blobs) retry(
	ctx context.Context, op string, attempt func(ctx context.Context, session *gocql.Session, number int) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, b.total())
	defer cancel()
	var last error
	pause := firstPause
	for number := 0; ; number++ {
		err := ctx.Err()
		if err == nil {
			err = attempt(ctx, b.sessions.get(), number)
			b.sessions.note(err)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			if last != nil { // what went wrong before says more than that the time is over
				err = last
			}
			return classify(op, err)
		}
		last = err
		if err = classify(op, err); events.KindOf(err) != events.Transient || b.sessions.closed() {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastPause)
	}
}
