package node

import (
	"strings"
	"time"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/functions/project"
	"binnacle/infra/parts"
	"binnacle/projections"
	"binnacle/projections/projectionstest"
)

// everyByte is a key as long as keys may be, of all bytes that there are.
func everyByte() []byte {
	key := make([]byte, 1<<10)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func thing(operation events.Operation, key []byte, value string) events.Change {
	change := events.Change{Operation: operation, ID: projectionstest.OpaqueID(key)}
	if operation != events.Delete {
		change.Content = []byte(value)
	}
	return change
}

func things(changes ...events.Change) events.Event {
	return projectionstest.OpaqueEvent(NewID(), parts.DefaultTenant, changes...)
}

// write asks for changes of things, and returns what became of them.
func (w *thingWalk) write(changes ...events.Change) events.Outcome {
	w.Helper()
	outcome, err := w.writer.Handle(w.Context(), things(changes...))
	if err != nil {
		w.Fatal(err)
	}
	return outcome
}

// became asks for one change, holds what became of it, and returns where it stands.
func (w *thingWalk) became(change events.Change, disposition events.Disposition, version int64) events.Position {
	w.Helper()
	outcome := w.write(change)
	if outcome.Refusal != nil || outcome.Results[0].Disposition != disposition ||
		outcome.Results[0].Version != version {
		w.Fatalf("got %+v, %+v, want %s %d", outcome.Refusal, outcome.Results, disposition, version)
	}
	return outcome.Position
}

// refused asks for one change, which must be refused.
func (w *thingWalk) refused(change events.Change, kind events.Kind) {
	w.Helper()
	if outcome := w.write(change); outcome.Refusal == nil || outcome.Refusal.Kind != kind {
		w.Fatalf("got %+v, %+v, want a refusal of kind %s", outcome.Refusal, outcome.Results, kind)
	}
}

// read returns the current version of a thing, with its content.
func (w *thingWalk) read(key []byte) (projections.Version, string) {
	w.Helper()
	versions, err := w.Generations.Live().Current(w.Context(), []projections.Key{w.named(key)})
	if err != nil {
		w.Fatal(err)
	}
	if versions[0].Number == 0 || versions[0].Deleted {
		return versions[0], ""
	}
	return versions[0], string(w.content(versions[0]))
}

func (w *thingWalk) named(key []byte) projections.Key {
	return projections.Key{Tenant: parts.DefaultTenant, Type: projectionstest.OpaqueType,
		ID: projectionstest.OpaqueID(key)}
}

func (w *thingWalk) content(version projections.Version) []byte {
	w.Helper()
	contents, err := w.Blobs.Get(w.Context(), []events.Hash{version.Hash})
	if err != nil {
		w.Fatal(err)
	}
	return contents[0]
}

// holds tells that a thing has a version and a value; "": it is deleted, or was never there.
func (w *thingWalk) holds(key []byte, number int64, value string) {
	w.Helper()
	if version, got := w.read(key); version.Number != number || got != value ||
		version.Deleted != (value == "" && number > 0) {
		w.Fatalf("got version %d, deleted %v, %q; want %d, %q", version.Number, version.Deleted, got, number, value)
	}
}

// asking is what an operator does about quarantine.
type asking struct {
	*functions.Quarantine
	w *thingWalk
}

func (w *thingWalk) asked() asking {
	try := func(record events.RawRecord) (events.Event, error) { return project.Try(w.Dialects, record) }
	return asking{&functions.Quarantine{Index: w.Generations.Live(), Ask: w.writer.Handle, Try: try,
		Partitions: w.Partitions, Now: time.Now, NewID: NewID}, w}
}

// found returns the open records in quarantine whose reason has some words.
func (a asking) found(words string) (found []projections.Quarantined) {
	a.w.Helper()
	if err := a.Each(a.w.Context(), false, func(q projections.Quarantined) error {
		if strings.Contains(q.Reason, words) {
			found = append(found, q)
		}
		return nil
	}); err != nil {
		a.w.Fatal(err)
	}
	return found
}

func (w *thingWalk) quarantined(words string, count int) {
	w.Helper()
	if found := w.asked().found(words); len(found) != count {
		w.Fatalf("%d records are in quarantine because %q, want %d", len(found), words, count)
	}
}
