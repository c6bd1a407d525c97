package functions

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// QuarantineIndex is the part of an index that Quarantine uses.
type QuarantineIndex interface {
	Quarantine(ctx context.Context, after events.Position, limit int) ([]projections.Quarantined, error)
}

// Quarantine is what an operator does about records that could not be projected. What an operator decides is an event
// like any other, so it holds on every node and survives a rebuild (ADR 26). To look at records it needs Index alone.
type Quarantine struct {
	Index QuarantineIndex
	// appends a decision and tells what became of it
	Ask func(context.Context, events.Event) (events.Outcome, error)
	// tries a record; kind Invalid tells why it can't be projected
	Try        func(events.RawRecord) (events.Event, error)
	Partitions int32 // of the log
	Now        func() time.Time
	NewID      func() string // a new UUID, version 7
}

// quarantinePage is how many records are read at once; each may have 72 MiB.
const quarantinePage = 4

// Each calls visit with the records in quarantine, in their order, until it fails; handled ones too if all is true.
func (q *Quarantine) Each(ctx context.Context, all bool, visit func(projections.Quarantined) error) error {
	after := events.Position{Partition: 0, Offset: -1}
	for {
		page, err := q.Index.Quarantine(ctx, after, quarantinePage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, found := range page {
			if !all && found.Settled != nil {
				continue
			}
			if err := visit(found); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Record.Position
	}
}

// At returns the record at a position; kind NotFound: it is not in quarantine.
func (q *Quarantine) At(ctx context.Context, at events.Position) (projections.Quarantined, error) {
	found, err := q.Index.Quarantine(ctx, events.Position{Partition: at.Partition, Offset: at.Offset - 1}, 1)
	if err != nil {
		return projections.Quarantined{}, err
	}
	if len(found) == 0 || found[0].Record.Position != at {
		return projections.Quarantined{}, events.Errorf(events.NotFound, "functions.Quarantine",
			"the record at %s is not in quarantine", at)
	}
	return found[0], nil
}

// Replay asks for the event of a record again, as a new event at the end of the log, and returns what became of it.
// Preconditions and conditions are decided at the new place. It is refused when the record was handled, or when what it
// changes was changed since. Kind Invalid: the record can still not be projected, and nothing was appended.
func (q *Quarantine) Replay(ctx context.Context, found projections.Quarantined, reason string) (events.Outcome, error) {
	event, err := q.Try(found.Record)
	if err != nil {
		return events.Outcome{}, err
	}
	if event.Settles != nil {
		return events.Outcome{}, events.Errorf(events.Unsupported, "functions.Quarantine",
			"the record at %s itself settles the one at %s; settle that one, and discard this one",
			found.Record.Position, event.Settles.Position)
	}
	event.ID, event.Time = q.NewID(), q.Now()
	event.Settles = &events.Settling{Position: found.Record.Position, Reason: reason}
	return q.decide(ctx, event)
}

// Discard gives a record up: nothing of it takes effect, and nobody is alarmed any more.
func (q *Quarantine) Discard(
	ctx context.Context, found projections.Quarantined, reason string,
) (events.Outcome, error) {
	return q.decide(ctx, events.Event{ID: q.NewID(), Time: q.Now(), Tenant: q.tenant(found.Record),
		Settles: &events.Settling{Position: found.Record.Position, Discard: true, Reason: reason}})
}

func (q *Quarantine) decide(ctx context.Context, event events.Event) (events.Outcome, error) {
	outcome, err := q.Ask(ctx, event)
	if err == nil && outcome.Refusal != nil {
		err = outcome.Refusal.Err("functions.Quarantine")
	}
	return outcome, err
}

// tenant is a tenant whose records lie in the partition of a record: its own where it names one, else one that nobody
// uses. A decision must come after the record in the same order.
func (q *Quarantine) tenant(record events.RawRecord) string {
	if name := string(record.Key); events.CheckTenant(name) == nil &&
		events.PartitionOf(name, q.Partitions) == record.Position.Partition {
		return name
	}
	for n := 0; ; n++ {
		if name := "quarantine." + strconv.Itoa(n); events.PartitionOf(name,
			q.Partitions) == record.Position.Partition {
			return name
		}
	}
}

// Describe tells in a few words what a record asked for, as far as it can be read.
func Describe(record events.RawRecord) string {
	decoded, err := events.Decode(record)
	if err != nil {
		return "it cannot be read"
	}
	text := ""
	for n, change := range decoded.Event.Changes {
		if n == 3 && len(decoded.Event.Changes) > 4 {
			return fmt.Sprintf("%s, … %d changes in all", text, len(decoded.Event.Changes))
		}
		if n > 0 {
			text += ", "
		}
		text += change.Operation.String() + " " + change.Type
		switch {
		case change.ID != "":
			text += "/" + change.ID
		case change.Condition != "":
			text += "?" + change.Condition
		}
	}
	return text
}
