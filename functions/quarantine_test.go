package functions_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/functions/verify"
	"binnacle/projections"
	memoryblobs "binnacle/projections/blobs/memory"
)

// poisoned appends an event in a form that nobody knows; cure makes its record one that can be read.
func (n *node) poisoned(event events.Event) (at events.Position) {
	n.t.Helper()
	headers, value, err := events.Encode(event)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := range headers {
		if headers[i].Key == "ce_type" {
			headers[i].Value = []byte("dev.binnacle.event.v99")
		}
	}
	at, err = n.log.AppendRaw(events.RawRecord{Key: []byte(event.Tenant), Headers: headers, Value: value})
	if err != nil {
		n.t.Fatal(err)
	}
	n.caughtUp()
	return at
}

// cured is what an index says of a record, as a later release would read it.
func cured(found projections.Quarantined) projections.Quarantined {
	for i := range found.Record.Headers {
		if found.Record.Headers[i].Key == "ce_type" {
			found.Record.Headers[i].Value = []byte("dev.binnacle.event.v1")
		}
	}
	return found
}

func put(id, identifier string) events.Event {
	return events.Event{ID: newID(), Tenant: "main", Changes: []events.Change{{Operation: events.Update, Type: "Patient", ID: id, Content: []byte(patient(id, identifier)), Entry: -1}}}
}

func (n *node) quarantine() *functions.Quarantine {
	try := func(record events.RawRecord) (events.Event, error) { return project.Try(theDialects(), record) }
	return &functions.Quarantine{Index: n.index, Ask: n.write.Handle, Try: try, Partitions: 1, Now: time.Now, NewID: newID}
}

func (n *node) quarantinedAt(at events.Position) projections.Quarantined {
	n.t.Helper()
	found, err := n.quarantine().At(n.t.Context(), at)
	if err != nil {
		n.t.Fatal(err)
	}
	return found
}

func TestARecordThatCanBeReadNowIsAskedForAgainOnce(t *testing.T) {
	n := newNode(t)
	at := n.poisoned(put("p", "1"))
	q := n.quarantine()
	before, err := n.log.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Replay(t.Context(), n.quarantinedAt(at), ""); events.KindOf(err) != events.Invalid {
		t.Fatalf("a record that can still not be read: got %v, want kind %s", err, events.Invalid)
	}
	if after, err := n.log.Ends(t.Context()); err != nil || after[0].Next != before[0].Next {
		t.Errorf("something was appended: %v, %v", after, err)
	}
	outcome, err := q.Replay(t.Context(), cured(n.quarantinedAt(at)), "the new release")
	if err != nil || len(outcome.Results) != 1 || outcome.Results[0].Disposition != events.Created {
		t.Fatalf("Replay = %+v, %v", outcome, err)
	}
	if s := n.quarantinedAt(at).Settled; s == nil || s.By != outcome.Position || s.Discard || s.Reason != "the new release" {
		t.Errorf("the record is settled as %+v", s)
	}
	if count, _, err := n.index.Unsettled(t.Context()); err != nil || count != 0 {
		t.Errorf("%d records are open, %v", count, err)
	}
	n.must(200, "PUT", "/Patient/p", patient("p", "2"))
	for what, again := range map[string]func() (events.Outcome, error){
		"replay":  func() (events.Outcome, error) { return q.Replay(t.Context(), cured(n.quarantinedAt(at)), "") },
		"discard": func() (events.Outcome, error) { return q.Discard(t.Context(), n.quarantinedAt(at), "") },
	} {
		if _, err := again(); events.KindOf(err) != events.Conflict || !strings.Contains(err.Error(), outcome.Position.String()) {
			t.Errorf("%s of a record that was handled: got %v, want kind %s and where it was handled", what, err, events.Conflict)
		}
	}
	if report := n.verified(); report.Versions != 2 {
		t.Errorf("got %d versions, want 2", report.Versions)
	}
}

func TestAReplayNeverUndoesWhatCameLater(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	n.must(201, "PUT", "/Patient/q", patient("q", "0"))
	changed, deleted, same := n.poisoned(put("p", "old")), n.poisoned(put("q", "old")), n.poisoned(put("r", "1"))
	n.must(200, "PUT", "/Patient/p", patient("p", "new"))
	n.must(204, "DELETE", "/Patient/q", "")
	for _, at := range []events.Position{changed, deleted} {
		if _, err := n.quarantine().Replay(t.Context(), cured(n.quarantinedAt(at)), ""); events.KindOf(err) != events.Conflict {
			t.Errorf("%v: got %v, want kind %s", at, err, events.Conflict)
		}
		if n.quarantinedAt(at).Settled != nil {
			t.Errorf("%v: the record counts as handled", at)
		}
		if _, err := n.quarantine().Discard(t.Context(), n.quarantinedAt(at), "newer data is there"); err != nil {
			t.Errorf("%v: Discard: %v", at, err)
		}
	}
	if _, err := n.quarantine().Replay(t.Context(), cured(n.quarantinedAt(same)), ""); err != nil {
		t.Error(err)
	}
	if report := n.verified(); report.Versions != 5 {
		t.Errorf("got %d versions, want 5", report.Versions)
	}
}

func TestAClientThatHasSentItsRequestAgainMakesTheReplayARepetition(t *testing.T) {
	n := newNode(t)
	event := events.Event{ID: newID(), Tenant: "main", IdempotencyKey: "k", Repeat: events.Repeat{Request: events.Hash{1}, Window: time.Hour},
		Changes: []events.Change{{Operation: events.Create, Type: "Patient", ID: "x", Content: []byte(patient("", "1")), Entry: -1}}}
	at := n.poisoned(event)
	event.ID, event.Changes[0].ID = newID(), "y"
	if outcome, err := n.write.Handle(t.Context(), event); err != nil || outcome.Refusal != nil {
		t.Fatalf("the client's second request: %+v, %v", outcome, err)
	}
	outcome, err := n.quarantine().Replay(t.Context(), cured(n.quarantinedAt(at)), "")
	if err != nil || outcome.Repeats == "" {
		t.Fatalf("Replay = %+v, %v; want a repetition", outcome, err)
	}
	if report := n.verified(); report.Versions != 1 {
		t.Errorf("got %d versions, want 1", report.Versions)
	}
}

func TestADecisionAboutARecordThatNamesNoTenantComesAfterIt(t *testing.T) {
	n := newNode(t)
	at, err := n.log.AppendRaw(events.RawRecord{Key: []byte{0xff}, Value: []byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	n.caughtUp()
	outcome, err := n.quarantine().Discard(t.Context(), n.quarantinedAt(at), "a stray producer")
	if err != nil || outcome.Position.Partition != at.Partition || outcome.Position.Offset <= at.Offset {
		t.Fatalf("Discard = %+v, %v", outcome, err)
	}
	open := 0
	if err := n.quarantine().Each(t.Context(), false, func(projections.Quarantined) error { open++; return nil }); err != nil || open != 0 {
		t.Errorf("%d records are open, %v", open, err)
	}
	if _, err := n.quarantine().At(t.Context(), outcome.Position); events.KindOf(err) != events.NotFound {
		t.Errorf("a record that is not in quarantine: got %v", err)
	}
}

func TestDecisionsAboutTheQuarantineAreAFunctionOfTheLog(t *testing.T) {
	n := newNode(t)
	first, second := n.poisoned(put("p", "1")), n.poisoned(put("q", "1"))
	if _, err := n.quarantine().Replay(t.Context(), cured(n.quarantinedAt(first)), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.quarantine().Discard(t.Context(), n.quarantinedAt(second), "b"); err != nil {
		t.Fatal(err)
	}
	var records []events.RawRecord
	if err := n.log.Replay(t.Context(), events.Position{}, 4, func(some []events.RawRecord) error { records = append(records, some...); return nil }); err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(records); size++ { // the record and the decision about it in one chunk, and in two
		x := newIndex()
		p := newProject(x, memoryblobs.New())
		for rest := records; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if err := p.Handle(batch(rest[:min(size, len(rest))]...)); err != nil {
				t.Fatal(err)
			}
		}
		for i, at := range []events.Position{first, second} {
			found, err := (&functions.Quarantine{Index: x}).At(t.Context(), at)
			if err != nil || found.Settled == nil || *found.Settled != *n.quarantinedAt(at).Settled || found.Settled.Discard != (i == 1) {
				t.Errorf("batches of %d: the record at %v is settled as %+v, %v", size, at, found.Settled, err)
			}
		}
	}
}

// quarantinedElsewhere appends an event that this program reads and another one, which projects it, does not: its record is in quarantine
// with nothing known of it.
func (n *node) quarantinedElsewhere(event events.Event) (at events.Position) {
	n.t.Helper()
	n.caughtUp()
	n.stop()
	positions, err := n.log.Append(n.t.Context(), []events.Event{event})
	if err != nil {
		n.t.Fatal(err)
	}
	at = positions[0]
	state, err := n.index.State(n.t.Context(), at.Partition)
	if err != nil {
		n.t.Fatal(err)
	}
	err = n.log.Replay(n.t.Context(), at, at.Offset+1, func(records []events.RawRecord) error {
		origin := projections.Origin{Log: n.project.LogID, Last: records[0].Fingerprint()}
		return n.index.Commit(n.t.Context(), projections.Commit{Partition: at.Partition, Expect: state.Next, Next: at.Offset + 1, Time: records[0].Time, Origin: origin,
			Digest: state.Digest, Quarantined: []projections.Quarantined{{Record: records[0], Reason: "an older program can't read it"}}})
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.stop = follow(n.t, n.log, n.project)
	return at
}

func TestARecordThatOnlyAnotherProgramCouldNotReadIsDecidedAndCounted(t *testing.T) {
	nothing := func(*node, events.Position) {}
	for name, c := range map[string]struct {
		handle   func(n *node, at events.Position)
		open     int64
		accepted int64 // beside the one before
		versions int64
	}{
		"nobody has handled it": {nothing, 1, 0, 1},
		"replayed": {func(n *node, at events.Position) {
			if _, err := n.quarantine().Replay(n.t.Context(), n.quarantinedAt(at), "upgraded"); err != nil {
				n.t.Error(err)
			}
		}, 0, 1, 2},
		"discarded": {func(n *node, at events.Position) {
			if _, err := n.quarantine().Discard(n.t.Context(), n.quarantinedAt(at), "not wanted"); err != nil {
				n.t.Error(err)
			}
		}, 0, 1, 1},
		"the same event came again, and could be read": {func(n *node, at events.Position) {
			if err := n.log.Replay(n.t.Context(), at, at.Offset+1, func(records []events.RawRecord) error {
				_, err := n.log.AppendRaw(records[0])
				return err
			}); err != nil {
				n.t.Error(err)
			}
			n.caughtUp()
		}, 1, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.must(201, "PUT", "/Patient/p", patient("p", "0"))
			at := n.quarantinedElsewhere(put("p", "1"))
			right := func(when string, r verify.Report) {
				t.Helper()
				if r.Quarantined != 1 || r.Open != c.open || r.Accepted != 1+c.accepted || r.Refused != 0 || r.Events != r.Accepted || r.Versions != c.versions {
					t.Errorf("%s:\n%s", when, strings.Join(r.Lines(), "\n"))
				}
			}
			c.handle(n, at)
			right("live", n.verified())
			before, feed := n.index, recorded(t, n.index)
			for when, g := range map[string]*generations{
				"rebuilt with the feed":                  newGenerations(before, theCatalog().Digest()),
				"rebuilt from what the live one decided": newGenerations(before, "other search parameters"),
			} {
				run := rebuildOf(n, g, feed)
				if g.catalogs[0] != theCatalog().Digest() {
					run.Feed = nil
				}
				if _, err := run.Handle(t.Context(), noProgress); err != nil {
					t.Fatalf("%s: %v", when, err)
				}
				n.index = g.live
				right(when, n.verified())
				if got, want := g.live.dump(), before.dump(); got != want {
					t.Errorf("%s: the generation differs: %s", when, firstDifference(got, want))
				}
			}
		})
	}
}

// logWithout has lost a record.
type logWithout struct {
	events.Log
	lost events.Position
}

func (l logWithout) Replay(ctx context.Context, from events.Position, to int64, handle func([]events.RawRecord) error) error {
	return l.Log.Replay(ctx, from, to, func(records []events.RawRecord) error {
		return handle(slices.DeleteFunc(slices.Clone(records), func(raw events.RawRecord) bool { return raw.Position == l.lost }))
	})
}

func TestVerifyTellsOfRecordsThatNothingWasDecidedAbout(t *testing.T) {
	n := newNode(t)
	n.must(201, "PUT", "/Patient/p", patient("p", "0"))
	at := n.poisoned(put("p", "1"))
	var log events.Log
	for name, c := range map[string]struct {
		says   string
		change func()
	}{
		"a record that can't be read and is not in quarantine": {"the record at " + at.String() + " can't be read", func() { n.index.quarantined = nil }},
		"a decision about no record":                           {"there is a decision on " + at.String() + ", and the log has no such record", func() { log = logWithout{n.log, at} }},
		"the outcome of another event": {"is about the event", func() {
			for id, outcome := range n.index.outcomes {
				other := *outcome
				other.EventID = "another"
				delete(n.index.outcomes, id)
				n.index.outcomes[other.EventID] = &other
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			quarantined, outcomes := slices.Clone(n.index.quarantined), maps.Clone(n.index.outcomes)
			log = n.log
			c.change()
			storage := &verify.Storage{Log: log, Index: n.index, Blobs: n.blobs, Dialects: theDialects()}
			report, err := storage.Handle(t.Context(), verify.Options{Deep: true}, func(int64, int64) {})
			if err != nil || report.OK || !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("%v, the problems don't tell of %q: %q", err, c.says, report.Problems)
			}
			n.index.quarantined, n.index.outcomes = quarantined, outcomes
		})
	}
}
