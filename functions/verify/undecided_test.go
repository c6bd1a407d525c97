package verify_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"binnacle/events"
	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
)

// logWithout has lost a record.
type logWithout struct {
	events.Log
	lost events.Position
}

func (l logWithout) Replay(
	ctx context.Context, from events.Position, to int64, handle func([]events.RawRecord) error,
) error {
	return l.Log.Replay(ctx, from, to, func(records []events.RawRecord) error {
		return handle(slices.DeleteFunc(slices.Clone(records), func(raw events.RawRecord) bool {
			return raw.Position == l.lost
		}))
	})
}

func TestVerifyTellsOfRecordsThatNothingWasDecidedAbout(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	at := n.Poisoned(functionstest.Put("p", "1"))
	var log events.Log
	for name, c := range map[string]struct {
		says   string
		change func()
	}{
		"a record that can't be read and is not in quarantine": {"the record at " + at.String() + " can't be read",
			func() { n.Index.Quarantined = nil }},
		"a decision about no record": {"there is a decision on " + at.String() +
			", and the log has no such record", func() { log = logWithout{n.Log, at} }},
		"the outcome of another event": {"is about the event", func() {
			for id, outcome := range n.Index.Decided {
				other := *outcome
				other.EventID = "another"
				delete(n.Index.Decided, id)
				n.Index.Decided[other.EventID] = &other
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			quarantined, outcomes := slices.Clone(n.Index.Quarantined), maps.Clone(n.Index.Decided)
			log = n.Log
			c.change()
			storage := &verify.Storage{Log: log, Index: n.Index, Blobs: n.Blobs, Dialects: functionstest.Dialects()}
			report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
			if err != nil || report.OK || !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("%v, the problems don't tell of %q: %q", err, c.says, report.Problems)
			}
			n.Index.Quarantined, n.Index.Decided = quarantined, outcomes
		})
	}
}
