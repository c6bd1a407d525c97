package verify

import (
	"context"
	"hash/maphash"

	"binnacle/events"
	"binnacle/projections"
)

// log reads the log of a partition up to a state, and beside it what was decided about each record: an outcome, or that
// it is in quarantine, whether this program can read the record or not. Only a repetition has no decision of its own.
// The versions that the outcomes tell of must be those of the index.
func (v *verifying) log(ctx context.Context, end events.End, state projections.State, versions int64) error {
	from := events.Position{Partition: end.Partition, Offset: end.First}
	to := min(end.Next, state.Next)
	if to <= from.Offset {
		return nil
	}
	l := &logReading{verifying: v, decisions: decisions{index: v.Index, next: from}, seen: make(map[uint64]struct{})}
	err := v.Log.Replay(ctx, from, to, func(records []events.RawRecord) error { return l.batch(ctx, records) })
	if err == nil {
		// those on records that the log lacks at its end
		_, err = l.on(ctx, events.Position{Partition: end.Partition, Offset: to})
	}
	if err == nil && end.First == 0 && l.written != versions {
		v.problem("partition %d: the outcomes tell of %d versions, the index has %d", end.Partition, l.written,
			versions)
	}
	return err
}

// logReading is how far the log of a partition was read.
type logReading struct {
	*verifying
	decisions decisions
	seen      map[uint64]struct{} // hashes of the ids of events that were decided
	written   int64               // versions that the outcomes tell of
}

// first notes an event's id, and tells whether it is the first time.
func (l *logReading) first(id string) bool {
	hash := maphash.String(l.seed, id)
	_, seen := l.seen[hash]
	l.seen[hash] = struct{}{}
	return !seen
}

// batch holds records against what was decided about them.
func (l *logReading) batch(ctx context.Context, records []events.RawRecord) error {
	var ids []string // of events without a decision that repeat none
	var positions []events.Position
	for _, raw := range records {
		decision, err := l.on(ctx, raw.Position)
		if err != nil {
			return err
		}
		record, unread := events.Decode(raw)
		id := record.Event.ID
		switch {
		case decision != nil:
			l.decided(decision)
			if of := decision.Outcome.EventID; unread == nil && of != "" && of != id {
				l.problem("the decision on %v is about the event %s, and the log has the event %s there", raw.Position,
					of, id)
			}
		case unread != nil:
			l.problem("the record at %v can't be read, and it is not in quarantine: %v", raw.Position, unread)
		case l.first(id):
			ids, positions = append(ids, id), append(positions, raw.Position)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	outcomes, err := l.Index.Outcomes(ctx, ids)
	if err != nil {
		return err
	}
	for n, outcome := range outcomes {
		l.report.Events++
		if outcome == nil {
			l.problem("the event %s at %v has no outcome", ids[n], positions[n])
		} else {
			l.problem("the event %s at %v has its outcome at %v", ids[n], positions[n], outcome.Position)
		}
	}
	return nil
}

// decided counts a decision. What is in quarantine counts there alone, also where its event could be read and has an
// outcome that says so.
func (l *logReading) decided(decision *events.Decision) {
	outcome := &decision.Outcome
	if outcome.EventID != "" {
		l.first(outcome.EventID)
	}
	switch {
	case decision.Quarantined != "":
		return
	case outcome.Refusal != nil:
		l.report.Refused++
	default:
		l.report.Accepted++
		for i := range outcome.Results {
			l.written += int64(outcome.Results[i].Versions())
		}
	}
	l.report.Events++
}

// on returns the decision on the record at a position; nil: there is none. Positions ascend from call to call;
// decisions between them are about records that the log does not have.
func (l *logReading) on(ctx context.Context, position events.Position) (*events.Decision, error) {
	for {
		decision, err := l.decisions.first(ctx)
		if err != nil || decision == nil || decision.Outcome.Position.Offset > position.Offset {
			return nil, err
		}
		l.decisions.page = l.decisions.page[1:]
		if decision.Outcome.Position.Offset == position.Offset {
			return decision, nil
		}
		l.problem("there is a decision on %v, and the log has no such record", decision.Outcome.Position)
	}
}

// decisionsAtOnce is how many decisions are read at once.
const decisionsAtOnce = 1_000

// decisions reads what was decided about the records of a partition, in order.
type decisions struct {
	index projections.Auditor
	next  events.Position
	page  []events.Decision
	ended bool
}

// first returns the next decision and leaves it there; nil: there is none.
func (d *decisions) first(ctx context.Context) (*events.Decision, error) {
	if len(d.page) == 0 && !d.ended {
		var err error
		if d.page, err = d.index.Decisions(ctx, d.next, decisionsAtOnce); err != nil {
			return nil, err
		}
		if d.ended = len(d.page) == 0; !d.ended {
			d.next.Offset = d.page[len(d.page)-1].Outcome.Position.Offset + 1
		}
	}
	if len(d.page) == 0 {
		return nil, nil
	}
	return &d.page[0], nil
}
