package write

import (
	"context"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Index is the part of an index that a Writer uses.
type Index interface {
	functions.OutcomeReader
	State(ctx context.Context, partition int32) (projections.State, error)
	Claims(ctx context.Context, names []projections.ClaimName) ([]projections.Claim, error)
}

// Limits of [Writer]; a zero value stands for the default.
type Limits struct {
	OutcomeWait time.Duration // how long a request waits for its outcome; default 15 s
	LagRecords  int64         // records that the projector may be behind before writes are refused; default 20,000
	// how long the projector may stand still with records before it; default 30 s, because a group whose coordinator
	// was lost takes some 20 s to find itself
	LagStall time.Duration
	// how long the projector's tries may have failed before writes are refused; default 5 s, longer than most pauses of
	// a rebuild
	LagTrouble time.Duration
}

func (l Limits) withDefaults() Limits {
	functions.Default(&l.OutcomeWait, 15*time.Second)
	functions.Default(&l.LagRecords, 20_000)
	functions.Default(&l.LagStall, 30*time.Second)
	functions.Default(&l.LagTrouble, 5*time.Second)
	return l
}

// Writer asks: it appends events to the log and answers with what the projector made of them. All fields but Limits and
// Fit must be set before the first call and stay as they are.
type Writer struct {
	Log   events.Log
	Index Index
	// tells in bounded time whether the index takes commits; nil: it does when it answers
	IndexReady func(context.Context) error
	IndexAway  func() time.Time // when anybody last saw that the index takes none; nil: nobody else looks
	Blobs      projections.Blobs
	Dialects   *projections.Dialects
	Waiters    *Waiters
	Partitions int32 // of the log
	Now        func() time.Time
	Limits     Limits
	Fit        *functions.Fit // while it tells of a misfit nothing is appended; nil: the log always fits

	// Trouble tells why this process's projector can't go on in a partition, and since when; nil: there is no projector
	// here.
	Trouble func(partition int32) (since time.Time, err error)

	once   sync.Once
	limits Limits
	gate   *gate
}

func (w *Writer) prepare() {
	w.once.Do(func() {
		w.limits = w.Limits.withDefaults()
		w.gate = newGate(w)
	})
}

// Handle appends one event and returns what became of it. The outcome of a refused event is no error: its Refusal
// tells.
//
// Kind Transient: a part is away or the projector is too far behind, and nothing was appended. Kind Unknown: the event
// is or may be in the log and takes effect if it is; the text names its position when that is known. Kind Reused: the
// event's idempotency key stands for another request. Kind Unsupported, Invalid: see [projections.Dialects.Of]; nothing
// was appended. An event that repeats another under its key takes no effect: that one's outcome is returned, and its
// Repeats is not empty.
func (w *Writer) Handle(ctx context.Context, event events.Event) (events.Outcome, error) {
	outcome, err := w.Send(ctx, event, false)
	if err != nil {
		return events.Outcome{}, err
	}
	return outcome(ctx)
}

// sent is an event on its way through the log. It keeps nothing of the event, which may be large while its outcome
// takes a while.
type sent struct {
	by    *Writer
	known *events.Outcome // it was decided before
	wait  *Wait
	bound time.Duration
	at    string // where it is in the log, in words
	err   error  // why it may not be in the log
}

// Send appends an event and returns what waits for its outcome, once; see [Writer.Handle] for the errors. Of an event
// that is known to be unclaimed the claims on its key are not looked up.
func (w *Writer) Send(
	ctx context.Context, event events.Event, unclaimed bool,
) (outcome func(context.Context) (events.Outcome, error), err error) {
	w.prepare()
	if _, err := w.Dialects.Of(&event); err != nil {
		return nil, err
	}
	partition := events.PartitionOf(event.Tenant, w.Partitions)
	if err := w.gate.check(ctx, partition); err != nil {
		return nil, err
	}
	if event.IdempotencyKey != "" && !unclaimed {
		if known, err := w.claimed(ctx, &event); err != nil || known != nil {
			return (&sent{known: known}).Outcome, err
		}
	}
	s := &sent{by: w, wait: w.Waiters.Wait(event.ID, partition), bound: w.limits.OutcomeWait,
		at: "its position is not known"}
	positions, err := w.Log.Append(ctx, []events.Event{event})
	switch {
	case err == nil:
		s.bound = functions.OutcomeWait(ctx, s.bound)
		s.at = "its position is " + positions[0].String()
	case events.KindOf(err) == events.Unknown:
		s.err = err
	default:
		s.wait.Stop()
		return nil, err
	}
	return s.Outcome, nil
}

// Outcome waits for the outcome of what was sent, or of the event that it repeats.
func (s *sent) Outcome(ctx context.Context) (events.Outcome, error) {
	outcome, err := s.own(ctx)
	if err != nil || outcome.Repeats == "" || s.known != nil {
		return outcome, err
	}
	first, err := s.by.repeated(ctx, outcome.Repeats)
	if err != nil {
		return events.Outcome{}, err
	}
	return *first, nil
}

// own waits for the outcome of the event itself.
func (s *sent) own(ctx context.Context) (events.Outcome, error) {
	if s.known != nil {
		return *s.known, nil
	}
	defer s.wait.Stop()
	bound := time.NewTimer(s.bound)
	defer bound.Stop()
	select {
	case outcome := <-s.wait.Done():
		return outcome, nil
	case <-bound.C:
		return events.Outcome{}, events.Wrap(events.Unknown, "write.Writer", s.err,
			"the change was sent to the log (%s) and takes effect if it arrived, "+
				"but its outcome was not known within %v; ask again with the same Idempotency-Key, or read later", s.at,
			s.bound)
	case <-ctx.Done():
		return events.Outcome{}, events.Wrap(events.Unknown, "write.Writer", ctx.Err(),
			"the caller left before the outcome was known; the change was sent to the log (%s)", s.at)
	}
}

// Append appends one event under the same conditions as [Writer.Handle] and returns its position at once. repeats: the
// event was asked for before under its idempotency key, and the position is that of the first time.
func (w *Writer) Append(ctx context.Context, event events.Event) (position events.Position, repeats bool, err error) {
	w.prepare()
	if _, err := w.Dialects.Of(&event); err != nil {
		return events.Position{}, false, err
	}
	if err := w.gate.check(ctx, events.PartitionOf(event.Tenant, w.Partitions)); err != nil {
		return events.Position{}, false, err
	}
	if event.IdempotencyKey != "" {
		if known, err := w.claimed(ctx, &event); err != nil {
			return events.Position{}, false, err
		} else if known != nil {
			return known.Position, true, nil
		}
	}
	positions, err := w.Log.Append(ctx, []events.Event{event})
	if err != nil {
		return events.Position{}, false, err
	}
	return positions[0], false, nil
}

// claimed looks up what stands under an event's idempotency key, which it has. It answers for the log only where there
// can be no doubt: while less than half of the key's window has passed by this node's clock. Else, and when the key is
// free, it returns nil: the event is to be appended, and its place in the log decides. Kind Reused: the key stands for
// another request.
func (w *Writer) claimed(ctx context.Context, event *events.Event) (*events.Outcome, error) {
	claims, err := w.Index.Claims(ctx, functions.ClaimNames(event))
	if err != nil {
		return nil, err
	}
	for n, claim := range claims {
		if claim.EventID == "" || w.Now().After(claim.Until.Add(-event.Repeat.Window/2)) {
			return nil, nil
		}
		if claim.Request != event.Repeat.Request {
			refusal := functions.Reused(event.IdempotencyKey)
			return nil, events.Errorf(refusal.Kind, "write.Writer", "%s", refusal.Text)
		}
		if n < len(claims)-1 {
			continue // the key of a batch is right: its part decides
		}
		return w.repeated(ctx, claim.EventID)
	}
	return nil, nil
}

// Unclaimed tells whether an idempotency key is known to stand for nothing. Then no part of its request can, and the
// entries of a batch need no look-up each.
func (w *Writer) Unclaimed(ctx context.Context, tenant, key string) bool {
	if key == "" {
		return true
	}
	w.prepare()
	if w.gate.check(ctx, events.PartitionOf(tenant, w.Partitions)) != nil {
		return false // each entry hears why
	}
	claims, err := w.Index.Claims(ctx, []projections.ClaimName{{Tenant: tenant, Key: key}})
	return err == nil && claims[0].EventID == ""
}

// repeated returns the outcome of the event that another one repeats, and says that it is a repetition.
func (w *Writer) repeated(ctx context.Context, first string) (*events.Outcome, error) {
	outcomes, err := w.Index.Outcomes(ctx, []string{first})
	if err != nil {
		return nil, err
	}
	if outcomes[0] == nil {
		return nil, events.Errorf(events.Internal, "write.Writer",
			"the event %s holds an idempotency key and has no outcome", first)
	}
	outcome := *outcomes[0]
	outcome.Repeats = first
	return &outcome, nil
}
