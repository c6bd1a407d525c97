package functions

import (
	"context"
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// claimsOf returns what an event claims when it is decided at a time of the log: its idempotency key, and for an entry of a batch its
// part of the request. An event without a key claims nothing, nor does one that was in quarantine and is asked for again: it may be asked for
// once more when it is refused. Refusals are outcomes too: they hold their key like any other.
func claimsOf(event *events.Event, at projections.State) []projections.Claim {
	if event.Repeat == (events.Repeat{}) || event.Settles != nil {
		return nil
	}
	key := projections.Claim{ClaimName: claimName(event, 0), EventID: strings.Clone(event.ID), Request: event.Repeat.Request, Until: at.Time.Add(event.Repeat.Window)}
	if event.Repeat.Part == 0 {
		return []projections.Claim{key}
	}
	part := key
	part.Part = event.Repeat.Part
	return []projections.Claim{key, part}
}

// claimName names a claim of an event. Names in events are views of whole records: a claim is kept for longer.
func claimName(event *events.Event, part int) projections.ClaimName {
	return projections.ClaimName{Tenant: strings.Clone(event.Tenant), Key: strings.Clone(event.IdempotencyKey), Part: part}
}

// claimNames are the names of all claims that decide about an event.
func claimNames(event *events.Event) []projections.ClaimName {
	switch {
	case event.Repeat == (events.Repeat{}):
		return nil
	case event.Repeat.Part == 0:
		return []projections.ClaimName{claimName(event, 0)}
	}
	return []projections.ClaimName{claimName(event, 0), claimName(event, event.Repeat.Part)}
}

// findClaims reads the claims on the keys of a chunk's events.
func (l *line) findClaims(ctx context.Context, items []*item) (map[projections.ClaimName]projections.Claim, error) {
	held := make(map[projections.ClaimName]projections.Claim)
	var names []projections.ClaimName
	for _, i := range items {
		if i.poison != "" || i.known != nil {
			continue
		}
		for _, name := range claimNames(&i.event) {
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
	key, taken := d.held(claimName(event, 0))
	if taken && key.Request != event.Repeat.Request {
		return "", &refused{*reused(event.IdempotencyKey)}
	}
	claims := claimsOf(event, d.state)
	if event.Repeat.Part > 0 {
		part, again := d.held(claimName(event, event.Repeat.Part))
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

// reused is the refusal of an idempotency key that stands for another request.
func reused(key string) *events.Refusal {
	return &events.Refusal{Kind: events.Reused, Text: "the Idempotency-Key \"" + key + "\" stands for another request, which was sent before; give each request a key of its own"}
}
