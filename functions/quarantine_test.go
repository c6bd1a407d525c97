package functions_test

import (
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/functionstest"
	"binnacle/functions/verify"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

// cured is what an index says of a record, as a later release would read it.
func cured(found projections.Quarantined) projections.Quarantined {
	for i := range found.Record.Headers {
		if found.Record.Headers[i].Key == "ce_type" {
			found.Record.Headers[i].Value = []byte("dev.binnacle.event.v1")
		}
	}
	return found
}

func TestARecordThatCanBeReadNowIsAskedForAgainOnce(t *testing.T) {
	n := functionstest.NewNode(t)
	at := n.Poisoned(functionstest.Put("p", "1"))
	q := n.Quarantine()
	before, err := n.Log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Replay(t.Context(), n.QuarantinedAt(at), ""); events.KindOf(err) != events.Invalid {
		t.Fatalf("a record that can still not be read: got %v, want kind %s", err, events.Invalid)
	}
	if after, err := n.Log.Ends(t.Context()); err != nil || after[0].Next != before[0].Next {
		t.Errorf("something was appended: %v, %v", after, err)
	}
	outcome, err := q.Replay(t.Context(), cured(n.QuarantinedAt(at)), "the new release")
	if err != nil || len(outcome.Results) != 1 || outcome.Results[0].Disposition != events.Created {
		t.Fatalf("Replay = %+v, %v", outcome, err)
	}
	if s := n.QuarantinedAt(at).Settled; s == nil || s.By != outcome.Position || s.Discard ||
		s.Reason != "the new release" {
		t.Errorf("the record is settled as %+v", s)
	}
	if count, _, err := n.Index.Unsettled(t.Context()); err != nil || count != 0 {
		t.Errorf("%d records are open, %v", count, err)
	}
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "2"))
	for what, again := range map[string]func() (events.Outcome, error){
		"replay":  func() (events.Outcome, error) { return q.Replay(t.Context(), cured(n.QuarantinedAt(at)), "") },
		"discard": func() (events.Outcome, error) { return q.Discard(t.Context(), n.QuarantinedAt(at), "") },
	} {
		if _, err := again(); events.KindOf(err) != events.Conflict ||
			!strings.Contains(err.Error(), outcome.Position.String()) {
			t.Errorf("%s of a record that was handled: got %v, want kind %s and where it was handled", what, err,
				events.Conflict)
		}
	}
	if report := n.Verified(); report.Versions != 2 {
		t.Errorf("got %d versions, want 2", report.Versions)
	}
}

func TestAReplayNeverUndoesWhatCameLater(t *testing.T) {
	n := functionstest.NewNode(t)
	n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
	n.Must(201, "PUT", "/Patient/q", functionstest.Patient("q", "0"))
	changed, deleted, same := n.Poisoned(functionstest.Put("p", "old")), n.Poisoned(functionstest.Put("q", "old")),
		n.Poisoned(functionstest.Put("r", "1"))
	n.Must(200, "PUT", "/Patient/p", functionstest.Patient("p", "new"))
	n.Must(204, "DELETE", "/Patient/q", "")
	for _, at := range []events.Position{changed, deleted} {
		if _, err := n.Quarantine().Replay(t.Context(), cured(n.QuarantinedAt(at)),
			""); events.KindOf(err) != events.Conflict {
			t.Errorf("%v: got %v, want kind %s", at, err, events.Conflict)
		}
		if n.QuarantinedAt(at).Settled != nil {
			t.Errorf("%v: the record counts as handled", at)
		}
		if _, err := n.Quarantine().Discard(t.Context(), n.QuarantinedAt(at), "newer data is there"); err != nil {
			t.Errorf("%v: Discard: %v", at, err)
		}
	}
	if _, err := n.Quarantine().Replay(t.Context(), cured(n.QuarantinedAt(same)), ""); err != nil {
		t.Error(err)
	}
	if report := n.Verified(); report.Versions != 5 {
		t.Errorf("got %d versions, want 5", report.Versions)
	}
}

func TestAClientThatHasSentItsRequestAgainMakesTheReplayARepetition(t *testing.T) {
	n := functionstest.NewNode(t)
	event := events.Event{ID: functionstest.NewID(), Tenant: "main", IdempotencyKey: "k",
		Repeat: events.Repeat{Request: events.Hash{1}, Window: time.Hour},
		Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: "x",
			Content: []byte(functionstest.Patient("", "1")), Entry: -1}}}
	at := n.Poisoned(event)
	event.ID, event.Changes[0].ID = functionstest.NewID(), "y"
	if outcome, err := n.Write.Handle(t.Context(), event); err != nil || outcome.Refusal != nil {
		t.Fatalf("the client's second request: %+v, %v", outcome, err)
	}
	outcome, err := n.Quarantine().Replay(t.Context(), cured(n.QuarantinedAt(at)), "")
	if err != nil || outcome.Repeats == "" {
		t.Fatalf("Replay = %+v, %v; want a repetition", outcome, err)
	}
	if report := n.Verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

func TestADecisionAboutARecordThatNamesNoTenantComesAfterIt(t *testing.T) {
	n := functionstest.NewNode(t)
	at, err := n.Log.AppendRaw(events.RawRecord{Key: []byte{0xff}, Value: []byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	n.CaughtUp()
	outcome, err := n.Quarantine().Discard(t.Context(), n.QuarantinedAt(at), "a stray producer")
	if err != nil || outcome.Position.Partition != at.Partition || outcome.Position.Offset <= at.Offset {
		t.Fatalf("Discard = %+v, %v", outcome, err)
	}
	open := 0
	if err := n.Quarantine().Each(t.Context(), false,
		func(projections.Quarantined) error { open++; return nil }); err != nil || open != 0 {
		t.Errorf("%d records are open, %v", open, err)
	}
	if _, err := n.Quarantine().At(t.Context(), outcome.Position); events.KindOf(err) != events.NotFound {
		t.Errorf("a record that is not in quarantine: got %v", err)
	}
}

func TestDecisionsAboutTheQuarantineAreAFunctionOfTheLog(t *testing.T) {
	n := functionstest.NewNode(t)
	first, second := n.Poisoned(functionstest.Put("p", "1")), n.Poisoned(functionstest.Put("q", "1"))
	if _, err := n.Quarantine().Replay(t.Context(), cured(n.QuarantinedAt(first)), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Quarantine().Discard(t.Context(), n.QuarantinedAt(second), "b"); err != nil {
		t.Fatal(err)
	}
	var records []events.RawRecord
	if err := n.Log.Replay(t.Context(), events.Position{}, 4,
		func(some []events.RawRecord) error { records = append(records, some...); return nil }); err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(records); size++ { // the record and the decision about it in one chunk, and in two
		x := functionstest.NewIndex()
		p := functionstest.NewProject(x, memoryblobs.New())
		for rest := records; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if err := p.Handle(functionstest.Batch(rest[:min(size, len(rest))]...)); err != nil {
				t.Fatal(err)
			}
		}
		for i, at := range []events.Position{first, second} {
			found, err := (&functions.Quarantine{Index: x}).At(t.Context(), at)
			if err != nil || found.Settled == nil || *found.Settled != *n.QuarantinedAt(at).Settled ||
				found.Settled.Discard != (i == 1) {
				t.Errorf("batches of %d: the record at %v is settled as %+v, %v", size, at, found.Settled, err)
			}
		}
	}
}

// quarantinedElsewhere appends an event that this program reads and another one, which projects it, does not: its
// record is in quarantine with nothing known of it.
func quarantinedElsewhere(n *functionstest.Node, event events.Event) (at events.Position) {
	n.T.Helper()
	n.CaughtUp()
	n.Stop()
	positions, err := n.Log.Append(n.T.Context(), []events.Event{event})
	if err != nil {
		n.T.Fatal(err)
	}
	at = positions[0]
	state, err := n.Index.State(n.T.Context(), at.Partition)
	if err != nil {
		n.T.Fatal(err)
	}
	err = n.Log.Replay(n.T.Context(), at, at.Offset+1, func(records []events.RawRecord) error {
		origin := projections.Origin{Log: n.Project.LogID, Last: records[0].Fingerprint()}
		return n.Index.Commit(n.T.Context(), projections.Commit{Partition: at.Partition, Expect: state.Next,
			Next: at.Offset + 1, Time: records[0].Time, Origin: origin,
			Digest: state.Digest, Quarantined: []projections.Quarantined{{Record: records[0],
				Reason: "an older program can't read it"}}})
	})
	if err != nil {
		n.T.Fatal(err)
	}
	n.Stop = functionstest.Follow(n.T, n.Log, n.Project)
	return at
}

func TestARecordThatOnlyAnotherProgramCouldNotReadIsDecidedAndCounted(t *testing.T) {
	nothing := func(*functionstest.Node, events.Position) {}
	for name, c := range map[string]struct {
		handle   func(n *functionstest.Node, at events.Position)
		open     int64
		accepted int64 // beside the one before
		versions int64
	}{
		"nobody has handled it": {nothing, 1, 0, 1},
		"replayed": {func(n *functionstest.Node, at events.Position) {
			if _, err := n.Quarantine().Replay(n.T.Context(), n.QuarantinedAt(at), "upgraded"); err != nil {
				n.T.Error(err)
			}
		}, 0, 1, 2},
		"discarded": {func(n *functionstest.Node, at events.Position) {
			if _, err := n.Quarantine().Discard(n.T.Context(), n.QuarantinedAt(at), "not wanted"); err != nil {
				n.T.Error(err)
			}
		}, 0, 1, 1},
		"the same event came again, and could be read": {func(n *functionstest.Node, at events.Position) {
			if err := n.Log.Replay(n.T.Context(), at, at.Offset+1, func(records []events.RawRecord) error {
				_, err := n.Log.AppendRaw(records[0])
				return err
			}); err != nil {
				n.T.Error(err)
			}
			n.CaughtUp()
		}, 1, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := functionstest.NewNode(t)
			n.Must(201, "PUT", "/Patient/p", functionstest.Patient("p", "0"))
			at := quarantinedElsewhere(n, functionstest.Put("p", "1"))
			right := func(when string, r verify.Report) {
				t.Helper()
				if r.Quarantined != 1 || r.Open != c.open || r.Accepted != 1+c.accepted || r.Refused != 0 ||
					r.Events != r.Accepted || r.Versions != c.versions {
					t.Errorf("%s:\n%s", when, strings.Join(r.Lines(), "\n"))
				}
			}
			c.handle(n, at)
			right("live", n.Verified())
			before, feed := n.Index, functionstest.Recorded(t, n.Index)
			for when, g := range map[string]*functionstest.Generations{
				"rebuilt with the feed": functionstest.NewGenerations(before,
					functionstest.Catalog().Digest()),
				"rebuilt from what the live one decided": functionstest.NewGenerations(before,
					"other search parameters"),
			} {
				run := functionstest.RebuildOf(n, g, feed)
				if g.Catalogs[0] != functionstest.Catalog().Digest() {
					run.Feed = nil
				}
				if _, err := run.Handle(t.Context(), functionstest.NoProgress); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				n.Index = g.Active
				right(when, n.Verified())
				if got, want := g.Active.Dump(), before.Dump(); got != want {
					t.Errorf("%s: the generation differs: %s", when, functionstest.FirstDifference(got, want))
				}
			}
		})
	}
}
