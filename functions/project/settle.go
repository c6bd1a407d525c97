package project

import (
	"context"

	"binnacle/events"
	"binnacle/projections"
)

// settling tells whether one of the items decides about a record in quarantine. That is rare: such a chunk waits for the one before.
func settling(items []*item) bool {
	for _, i := range items {
		if i.event.Settles != nil {
			return true
		}
	}
	return false
}

// open holds that the record that an event settles is in quarantine, and that nobody has handled it before, in the order of the log.
func (d *deciding) open(ctx context.Context, s *events.Settling) error {
	no := func(text string) error {
		return &refused{events.Refusal{Kind: events.Conflict, Text: "the record at " + s.Position.String() + " " + text}}
	}
	if s.Position.Partition != d.line.partition {
		return no("lies in another partition than the event that is to settle it")
	}
	for i := range d.commit.Settled {
		if d.commit.Settled[i].Of == s.Position {
			return no("was handled at " + d.commit.Settled[i].By.String())
		}
	}
	for i := range d.commit.Quarantined {
		if d.commit.Quarantined[i].Record.Position == s.Position {
			return nil
		}
	}
	found, err := d.line.index.Quarantine(ctx, events.Position{Partition: s.Position.Partition, Offset: s.Position.Offset - 1}, 1)
	switch {
	case err != nil:
		return err
	case len(found) == 0 || found[0].Record.Position != s.Position:
		return no("is not in quarantine")
	case found[0].Settled != nil:
		return no("was handled at " + found[0].Settled.By.String())
	}
	return nil
}

// settled notes what an accepted event has decided about a record in quarantine.
func (d *deciding) settled(i *item) {
	if s := i.event.Settles; s != nil {
		d.commit.Settled = append(d.commit.Settled, projections.Settled{Of: s.Position, By: i.raw.Position, Time: d.state.Time, Discard: s.Discard, Reason: s.Reason})
	}
}

// untouched holds that nobody has changed, since the record went to quarantine, what its event changes when it is asked for again: its place
// in the order has passed, and what came later must not be lost.
func (e *decidingEvent) untouched(n int, w *work) error {
	s := e.item.event.Settles
	if s == nil || !w.writes() || w.before.Number == 0 || w.before.Position.Offset < s.Position.Offset {
		return nil
	}
	return refuse(events.Conflict, n, w, "%s was changed at %s, after the record at %s went to quarantine; asking for that again would undo the later change: write what is wanted of it anew, and discard the record",
		w.name(), w.before.Position, s.Position)
}
