package functions

import (
	"strings"

	"binnacle/events"
	"binnacle/projections"
)

// ClaimsOf returns what an event claims when it is decided at a time of the log: its idempotency key, and for an entry of a batch its
// part of the request. An event without a key claims nothing, nor does one that was in quarantine and is asked for again: it may be asked for
// once more when it is refused. Refusals are outcomes too: they hold their key like any other.
func ClaimsOf(event *events.Event, at projections.State) []projections.Claim {
	if event.Repeat == (events.Repeat{}) || event.Settles != nil {
		return nil
	}
	key := projections.Claim{ClaimName: ClaimName(event, 0), EventID: strings.Clone(event.ID), Request: event.Repeat.Request, Until: at.Time.Add(event.Repeat.Window)}
	if event.Repeat.Part == 0 {
		return []projections.Claim{key}
	}
	part := key
	part.Part = event.Repeat.Part
	return []projections.Claim{key, part}
}

// ClaimName names a claim of an event. Names in events are views of whole records: a claim is kept for longer.
func ClaimName(event *events.Event, part int) projections.ClaimName {
	return projections.ClaimName{Tenant: strings.Clone(event.Tenant), Key: strings.Clone(event.IdempotencyKey), Part: part}
}

// ClaimNames are the names of all claims that decide about an event.
func ClaimNames(event *events.Event) []projections.ClaimName {
	switch {
	case event.Repeat == (events.Repeat{}):
		return nil
	case event.Repeat.Part == 0:
		return []projections.ClaimName{ClaimName(event, 0)}
	}
	return []projections.ClaimName{ClaimName(event, 0), ClaimName(event, event.Repeat.Part)}
}

// Reused is the refusal of an idempotency key that stands for another request.
func Reused(key string) *events.Refusal {
	return &events.Refusal{Kind: events.Reused, Text: "the Idempotency-Key \"" + key + "\" stands for another request, which was sent before; give each request a key of its own"}
}
