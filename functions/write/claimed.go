package write

import (
	"context"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

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
