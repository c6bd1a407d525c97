package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Source is what a log that can be read at any place gives to [NewFollower].
type Source interface {
	// Ends is Log.Ends.
	Ends(ctx context.Context) ([]End, error)
	// Read returns what a partition holds from an offset on, at most one batch; nothing when it holds nothing yet.
	Read(ctx context.Context, from Position) ([]RawRecord, error)
	// Appended returns a channel that is closed when a record may have been appended after the call.
	Appended() <-chan struct{}
}

// Prober is what a log offers beside [Log] when followers can fail where no caller sees it: a ready check asks it.
type Prober interface {
	// Health is nil while the log can be reached and every follower reads from where it was told to. The text of the
	// error says what stands still and what to do.
	Health(ctx context.Context) error
}

// Keeper is what a log offers beside [Log] when it depends on settings that others may change whether it keeps its
// records.
type Keeper interface {
	// Kept is nil while every record is kept for ever. Kind Invalid: the text names what is set otherwise; other kinds:
	// it could not be told.
	Kept(ctx context.Context) error
}

// nackPause is how long a batch rests before it is delivered again, and how long a failed seek or read is left alone.
// It is watermill-kafka's pause, so all drivers behave alike.
const nackPause = 100 * time.Millisecond

// PullFollower follows a log by reading it: the follower of the drivers whose log lies in this process or in a file.
// Each subscription reads all partitions, every partition on its own.
type PullFollower struct {
	source Source
	seek   Seek
	logger *slog.Logger

	mu       sync.Mutex
	closed   bool
	closing  chan struct{}           // closed by Close
	reseek   chan struct{}           // closed and replaced by Reseek
	problems map[subscription]*Error // what stands still, per subscription and partition
	running  sync.WaitGroup
}

type subscription struct {
	output    chan *message.Message
	partition int32
}

var _ Follower = (*PullFollower)(nil)

// NewFollower makes a follower of a source. What it cannot tell a caller goes to the logger and to Health.
func NewFollower(source Source, seek Seek, logger *slog.Logger) *PullFollower {
	return &PullFollower{source: source, seek: seek, logger: logger, closing: make(chan struct{}), reseek: make(chan struct{}), problems: map[subscription]*Error{}}
}

// Subscribe starts a pass over the log. It ends when ctx ends or the follower is closed; then the channel is closed.
func (f *PullFollower) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	const op = "events.Subscribe"
	ends, err := f.source.Ends(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, Errorf(Transient, op, "the follower is closed")
	}
	ctx, cancel := context.WithCancel(ctx)
	output := make(chan *message.Message)
	var partitions sync.WaitGroup
	for _, end := range ends {
		partitions.Go(func() { f.run(ctx, subscription{output, end.Partition}) })
	}
	f.running.Go(func() {
		defer close(output)
		defer cancel()
		ended := make(chan struct{})
		go func() { partitions.Wait(); close(ended) }()
		select {
		case <-ctx.Done():
		case <-f.closing:
			cancel()
		}
		<-ended
	})
	return output, nil
}

// Reseek is Follower.Reseek.
func (f *PullFollower) Reseek() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.reseek)
	f.reseek = make(chan struct{})
}

// Close ends all subscriptions and returns when they have ended. A message in hand is given up.
func (f *PullFollower) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.closing)
	}
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

// Health tells of a partition that stands still because its place cannot be had or read.
func (f *PullFollower) Health(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, problem := range f.problems {
		return problem
	}
	return nil
}

// run reads one partition for one subscription until ctx ends.
func (f *PullFollower) run(ctx context.Context, s subscription) {
	defer f.settle(s, nil)
	for ctx.Err() == nil {
		reseek := f.reseekAsked()
		next, err := f.start(ctx, s.partition)
		if err == nil {
			f.settle(s, nil)
			err = f.read(ctx, s, next, reseek)
		}
		if err != nil && ctx.Err() == nil {
			f.settle(s, err)
			sleep(ctx, nackPause)
		}
	}
}

func (f *PullFollower) reseekAsked() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reseek
}

// start asks where to begin and compares the answer with the log: a place that the log does not have is a log that is
// not the one that the projections were made from.
func (f *PullFollower) start(ctx context.Context, partition int32) (int64, error) {
	next, err := f.seek(ctx, partition)
	if err != nil {
		return 0, err
	}
	ends, err := f.source.Ends(ctx)
	if err != nil {
		return 0, err
	}
	return next, CheckSeek(ends, Position{partition, next})
}

// CheckSeek compares the place where a follower is told to start with the extent of the log. Kind Conflict: the log has
// no such place, so what was made from it and the log do not belong together.
func CheckSeek(ends []End, from Position) error {
	for _, end := range ends {
		if end.Partition != from.Partition {
			continue
		}
		if from.Offset < end.First || from.Offset > end.Next {
			return Errorf(Conflict, "events.CheckSeek", "the stored position %s is outside of the log, which holds [%d,%d) of partition %d: "+
				"the projections were made from another log, or the log has lost records; restore the log, or rebuild the projections from it",
				from, end.First, end.Next, end.Partition)
		}
		return nil
	}
	return Errorf(Conflict, "events.CheckSeek", "the log has no partition %d", from.Partition)
}

// read delivers batches from an offset on until a reseek is asked, an error, or the end of ctx.
func (f *PullFollower) read(ctx context.Context, s subscription, next int64, reseek <-chan struct{}) error {
	for {
		appended := f.source.Appended()
		records, err := f.source.Read(ctx, Position{s.partition, next})
		if err != nil {
			return err
		}
		if len(records) == 0 {
			select {
			case <-appended:
				continue
			case <-reseek:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
		if !deliver(ctx, s.output, records, reseek) {
			return nil
		}
		next = records[len(records)-1].Position.Offset + 1
	}
}

// deliver hands over a batch until it is acked. False: seek again, or end.
func deliver(ctx context.Context, output chan<- *message.Message, records []RawRecord, reseek <-chan struct{}) bool {
	batch := NewMessage(records)
	for {
		select { // a reseek that was asked already goes before a batch that a handler is ready to take
		case <-reseek:
			return false
		default:
		}
		msg := batch.Copy()
		handling, done := context.WithCancel(ctx)
		msg.SetContext(handling)
		select {
		case output <- msg:
		case <-reseek:
			done()
			return false
		case <-ctx.Done():
			done()
			return false
		}
		acked := false
		select {
		case <-msg.Acked():
			acked = true
		case <-msg.Nacked():
		case <-ctx.Done():
			done()
			return false
		}
		done()
		select {
		case <-reseek:
			return false
		default:
		}
		if acked {
			return true
		}
		sleep(ctx, nackPause)
	}
}

// settle notes what stands still, and says so once per problem; nil: nothing does.
func (f *PullFollower) settle(s subscription, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.problems[s]
	if err == nil {
		delete(f.problems, s)
		return
	}
	problem := Wrap(KindOf(err), "events.Follower", err, "partition %d of the log is not followed", s.partition)
	f.problems[s] = problem
	if before == nil || before.Error() != problem.Error() {
		f.logger.Error("the log is not followed", "partition", s.partition, "error", err)
	}
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
