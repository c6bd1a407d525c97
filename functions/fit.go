package functions

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Times of Fit.
const (
	fitEvery = 5 * time.Second // between two checks of a running node
	// before a misfit is believed: brokers that have just changed places may tell less than they have
	fitAgain = time.Second
	fitBound = 10 * time.Second
)

// Fit holds that the log is the one that the projections were made from, and that it still has what they were made
// from. A log that was made anew, cut off, restored from an older backup, or that is another one altogether, is never
// projected from, or appended to.
type Fit struct {
	Log    events.Log
	Feed   events.Feed
	Index  FitIndex
	Name   string       // of the log, for people: "the topic binnacle"
	Logger *slog.Logger // nil: slog.Default()

	mu     sync.Mutex
	misfit error
	head   error
}

// FitIndex is the part of an index that Fit uses.
type FitIndex interface {
	// Partitions is projections.Auditor.Partitions.
	Partitions(ctx context.Context) (map[int32]projections.State, error)
}

// LogIdentity is the written form of a log's identity; "" when it does not tell.
func LogIdentity(ctx context.Context, log events.Log) (string, error) {
	identifier, ok := log.(events.Identifier)
	if !ok {
		return "", nil
	}
	identity, err := identifier.Identity(ctx)
	if err != nil {
		return "", err
	}
	return identity.String(), nil
}

// Err is why the log does not fit, as far as the last check has told; of kind Conflict. A nil Fit always fits.
func (f *Fit) Err() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.misfit
}

// Handle checks everything, also the records at the projections' and the feed's places. Kind Conflict: the log does not
// fit; the text has the numbers and the ways out. Other kinds: it could not be told.
func (f *Fit) Handle(ctx context.Context) error {
	err := f.check(ctx, true)
	if events.KindOf(err) == events.Conflict && sleep(ctx, fitAgain) {
		err = f.check(ctx, true)
	}
	if err == nil || events.KindOf(err) == events.Conflict {
		f.note(err)
	}
	f.lookAtHead(ctx)
	return err
}

// Watch checks identity, extent and settings of the log again and again until ctx ends. A check that fails for another
// reason changes nothing.
func (f *Fit) Watch(ctx context.Context) {
	for sleep(ctx, fitEvery) {
		bounded, cancel := context.WithTimeout(ctx, fitBound)
		err := f.check(bounded, false)
		if events.KindOf(err) == events.Conflict && sleep(bounded, fitAgain) {
			err = f.check(bounded, false)
		}
		f.lookAtHead(bounded)
		cancel()
		if err == nil || events.KindOf(err) == events.Conflict {
			f.note(err)
		}
	}
}

// note keeps the verdict on the log's fit.
func (f *Fit) note(err error) {
	f.keep(&f.misfit, err, "the log does not fit the projections: nothing is projected or appended",
		"the log fits the projections again")
}

// keep puts a verdict in the place of the one before, and tells the operator of each change.
func (f *Fit) keep(verdict *error, err error, bad, good string) {
	f.mu.Lock()
	before := *verdict
	*verdict = err
	f.mu.Unlock()
	logger := f.Logger
	if logger == nil {
		logger = slog.Default()
	}
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		logger.Error(bad, "error", err)
	case err == nil && before != nil:
		logger.Info(good)
	}
}

// check compares the states, as they were just before, with the log.
func (f *Fit) check(ctx context.Context, deep bool) error {
	states, err := f.Index.Partitions(ctx)
	if err != nil {
		return err
	}
	identity, err := LogIdentity(ctx, f.Log)
	if err != nil {
		return err
	}
	for _, partition := range slices.Sorted(maps.Keys(states)) {
		if err := f.sameLog(partition, states[partition].Origin.Log, identity); err != nil {
			return err
		}
	}
	ends, err := f.Log.Ends(ctx)
	if err != nil {
		return err
	}
	for _, end := range ends {
		state := states[end.Partition]
		if err := f.extent(end, state); err != nil {
			return err
		}
		if !deep {
			continue
		}
		if err := f.lastRecord(ctx, end, state); err != nil {
			return err
		}
		if err := f.feed(ctx, end); err != nil {
			return err
		}
	}
	return nil
}

// Ways out. A rebuild makes the projections from what the log has now; nothing else changes them to fit.
const (
	rebuildWay = "or, if it is right as it is, make the projections from it with \"binnacle rebuild\": what it does " +
		"not hold is gone then"
	feedWay = "; the decisions of the feed are about the other log: remove them first with \"binnacle drop --feed\""
)

func (f *Fit) misfitf(format string, args ...any) error {
	return events.Errorf(events.Conflict, "functions.Fit", "%s does not fit the projections: %s", f.Name,
		fmt.Sprintf(format, args...))
}

// sameLog compares the identity of the log that a state was made from with that of the log.
func (f *Fit) sameLog(partition int32, was, is string) error {
	if was == "" || is == "" || was == is {
		return nil
	}
	before, err := events.ParseIdentity(was)
	if err != nil {
		return err
	}
	now, err := events.ParseIdentity(is)
	if err != nil {
		return err
	}
	switch {
	case before.Cluster != now.Cluster:
		return f.misfitf("partition %d was projected from the Kafka cluster %s, and the brokers belong to the "+
			"cluster %s; give the brokers of the right cluster, %s%s", partition, before.Cluster, now.Cluster,
			rebuildWay, feedWay)
	case before.Log != now.Log:
		return f.misfitf("partition %d was projected from the log with the id %s, and this one has the id %s: it was "+
			"made anew, or is another one; bring back the log, %s%s", partition, before.Log, now.Log, rebuildWay,
			feedWay)
	default:
		return f.misfitf("it has %d partitions and had %d when partition %d was projected: the number places the "+
			"tenants, and their events would be in two places; use a log with %d partitions: Kafka cannot take "+
			"partitions away, so copy the first %d into a new topic",
			now.Partitions, before.Partitions, partition, before.Partitions, before.Partitions)
	}
}

// extent compares a stored position with what the log holds.
func (f *Fit) extent(end events.End, state projections.State) error {
	switch {
	case state.Next > end.Next:
		return f.misfitf("partition %d was projected up to offset %d, and the log ends at %d: the last %d records "+
			"are missing, as after restoring an older backup; bring them back, %s%s", end.Partition, state.Next,
			end.Next,
			state.Next-end.Next, rebuildWay, feedWay)
	case state.Next < end.First:
		return f.misfitf("partition %d was projected up to offset %d, and the log begins at %d: %d records between "+
			"are missing; bring back the log with all its records. A rebuild needs them too", end.Partition, state.Next,
			end.First,
			end.First-state.Next)
	}
	return nil
}

// lastRecord compares the record before a stored position with the one that was projected.
func (f *Fit) lastRecord(ctx context.Context, end events.End, state projections.State) error {
	last := events.Position{Partition: end.Partition, Offset: state.Next - 1}
	if state.Origin.Last == (events.Hash{}) || last.Offset < end.First {
		return nil
	}
	return f.Log.Replay(ctx, last, state.Next, func(records []events.RawRecord) error {
		for i := range records {
			if found := records[i].Fingerprint(); found != state.Origin.Last {
				return f.misfitf("the record at %s is another one than the one that was projected (%x… in place of "+
					"%x…); bring back the log, %s%s", last, found[:4], state.Origin.Last[:4], rebuildWay, feedWay)
			}
		}
		return nil
	})
}

// later asks for the extent of a partition again.
func (f *Fit) later(ctx context.Context, before events.End) (events.End, error) {
	ends, err := f.Log.Ends(ctx)
	for _, end := range ends {
		if end.Partition == before.Partition {
			return end, err
		}
	}
	return before, err
}

// feed compares the last decision of the feed with the record that it is about.
func (f *Fit) feed(ctx context.Context, end events.End) error {
	next, err := f.Feed.End(ctx, end.Partition)
	if err != nil || next == 0 {
		return err
	}
	if next > end.Next { // records may have been appended and decided since the log told its end
		if end, err = f.later(ctx, end); err != nil {
			return err
		}
	}
	if next > end.Next {
		return f.misfitf("the feed has decisions of partition %d up to offset %d, and the log ends at %d; bring back "+
			"the log, or remove the feed with \"binnacle drop --feed\": a rebuild decides everything anew then",
			end.Partition, next, end.Next)
	}
	at := events.Position{Partition: end.Partition, Offset: next - 1}
	if at.Offset < end.First {
		return nil
	}
	decided := ""
	if err := f.Feed.Decisions(ctx, at, next, func(decisions []events.Decision) error {
		decided = decisions[0].Outcome.EventID
		return nil
	}); err != nil || decided == "" {
		return err
	}
	return f.Log.Replay(ctx, at, next, func(records []events.RawRecord) error {
		for _, raw := range records {
			record, err := events.Decode(raw)
			if err != nil || record.Event.ID != decided {
				return f.misfitf("the feed's decision on %s is about the event %s, and the log has %q there; bring "+
					"back the log, or remove the feed with \"binnacle drop --feed\": a rebuild decides everything "+
					"anew then",
					at, decided, record.Event.ID)
			}
		}
		return nil
	})
}
