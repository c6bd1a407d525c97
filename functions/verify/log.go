package verify

import (
	"context"
	"hash/maphash"

	"binnacle/events"
	"binnacle/projections"
)

// log reads the log of a partition up to a state: every event must have one outcome, and their versions must be those of the index.
func (v *verifying) log(ctx context.Context, end events.End, state projections.State, versions int64) error {
	var written int64
	from := events.Position{Partition: end.Partition, Offset: end.First}
	to := min(end.Next, state.Next)
	if to <= from.Offset {
		return nil
	}
	seen := make(map[uint64]struct{})
	err := v.Log.Replay(ctx, from, to, func(records []events.RawRecord) error {
		var ids []string
		var positions []events.Position
		for _, raw := range records {
			record, err := events.Decode(raw)
			if err != nil {
				continue // in quarantine
			}
			id := maphash.String(v.seed, record.Event.ID)
			if _, repeated := seen[id]; repeated {
				continue
			}
			seen[id] = struct{}{}
			ids = append(ids, record.Event.ID)
			positions = append(positions, raw.Position)
		}
		outcomes, err := v.Index.Outcomes(ctx, ids)
		if err != nil {
			return err
		}
		for i, outcome := range outcomes {
			v.report.Events++
			switch {
			case outcome == nil:
				v.problem("the event %s at %v has no outcome", ids[i], positions[i])
			case outcome.Position != positions[i]:
				v.problem("the event %s at %v has its outcome at %v", ids[i], positions[i], outcome.Position)
			case outcome.Refusal != nil:
				v.report.Refused++
			default:
				v.report.Accepted++
				for _, result := range outcome.Results {
					switch result.Disposition {
					case events.Created, events.Updated, events.Deleted:
						written++
					}
				}
			}
		}
		return nil
	})
	if err == nil && end.First == 0 && written != versions {
		v.problem("partition %d: the outcomes tell of %d versions, the index has %d", end.Partition, written, versions)
	}
	return err
}
