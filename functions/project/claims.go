package project

import (
	"context"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// findClaims reads the claims on the keys of a chunk's events.
func (l *Line) findClaims(ctx context.Context, items []*item) (map[projections.ClaimName]projections.Claim, error) {
	held := make(map[projections.ClaimName]projections.Claim)
	var names []projections.ClaimName
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, name := range functions.ClaimNames(&i.event) {
			if _, asked := held[name]; !asked {
				held[name] = projections.Claim{}
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return held, nil
	}
	found, err := l.index.Claims(ctx, names)
	if err != nil {
		return nil, err
	}
	for n, name := range names {
		held[name] = found[n]
		if l.flight != nil {
			if claim, claims := l.flight.claims[name]; claims {
				held[name] = claim
			}
		}
	}
	return held, nil
}

// held returns the claim on a name at this place of the log; false when it is free.
func (d *deciding) held(name projections.ClaimName) (projections.Claim, bool) {
	claim, decided := d.claims[name]
	if !decided {
		claim = d.claimed[name]
	}
	return claim, claim.EventID != "" && d.state.Time.Before(claim.Until)
}

// repeats holds an event against the claims on its idempotency key, in the order of the log and in its time. It returns the ID of the
// event that it repeats, or "" and claims the key; the refusal of a key that stands for another request is an error.
func (d *deciding) repeats(event *events.Event) (string, error) {
	if event.Repeat == (events.Repeat{}) {
		return "", nil
	}
	key, taken := d.held(functions.ClaimName(event, 0))
	if taken && key.Request != event.Repeat.Request {
		return "", &refused{*functions.Reused(event.IdempotencyKey)}
	}
	claims := functions.ClaimsOf(event, d.state)
	if event.Repeat.Part > 0 {
		part, again := d.held(functions.ClaimName(event, event.Repeat.Part))
		if again && part.Request == event.Repeat.Request {
			return part.EventID, nil
		}
		if taken && len(claims) > 0 { // by another entry of the same batch, for all of them
			claims = claims[1:]
		}
	} else if taken {
		return key.EventID, nil
	}
	for _, claim := range claims {
		d.claims[claim.ClaimName] = claim
	}
	return "", nil
}
