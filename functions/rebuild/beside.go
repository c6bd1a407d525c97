package rebuild

import (
	"context"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// beside is what recorded decisions leave beside versions: who holds an idempotency key, and what became of records in
// quarantine.
type beside struct {
	index   projections.Writer
	claims  map[projections.ClaimName]projections.Claim
	stored  map[projections.ClaimName]projections.Claim // of the index, as far as they were asked for
	settled []projections.Settled
}

// newBeside asks the index for the claims that decide about entries of batches.
func newBeside(ctx context.Context, index projections.Writer, items []*applied) (*beside, error) {
	a := &beside{index: index, claims: make(map[projections.ClaimName]projections.Claim),
		stored: make(map[projections.ClaimName]projections.Claim)}
	var names []projections.ClaimName
	for _, i := range items {
		if i.event.Repeat.Part == 0 {
			continue
		}
		name := functions.ClaimName(&i.event, 0)
		if _, asked := a.stored[name]; !asked {
			a.stored[name] = projections.Claim{}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return a, nil
	}
	found, err := index.Claims(ctx, names)
	if err != nil {
		return nil, err
	}
	for n, name := range names {
		a.stored[name] = found[n]
	}
	return a, nil
}

// add notes what one decided event leaves, at the time of the log: the same as deciding it would.
func (a *beside) add(i *applied, at projections.State) {
	outcome := &i.decision.Outcome
	if i.decision.Quarantined != "" {
		return
	}
	if s := i.event.Settles; s != nil {
		if outcome.Refusal != nil {
			return
		}
		a.settled = append(a.settled, projections.Settled{Of: s.Position, By: i.raw.Position, Time: at.Time,
			Discard: s.Discard, Reason: s.Reason})
	}
	if outcome.Repeats != "" || outcome.Refusal != nil && outcome.Refusal.Kind == events.Reused {
		return
	}
	claims := functions.ClaimsOf(&i.event, at)
	if len(claims) > 1 {
		key, decided := a.claims[claims[0].ClaimName]
		if !decided {
			key = a.stored[claims[0].ClaimName]
		}
		if key.EventID != "" && at.Time.Before(key.Until) { // another entry of the same batch holds it for all of them
			claims = claims[1:]
		}
	}
	for _, claim := range claims {
		a.claims[claim.ClaimName] = claim
	}
}

// into puts what was noted into a commit.
func (a *beside) into(commit *projections.Commit) {
	for _, claim := range a.claims {
		commit.Claims = append(commit.Claims, claim)
	}
	commit.Settled = a.settled
}
