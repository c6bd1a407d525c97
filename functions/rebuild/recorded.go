package rebuild

import (
	"context"
	"log/slog"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Bounds of applying.
const (
	applyChanges = 4_000         // changes of one commit; an event is never divided
	applyBytes   = 8 << 20       // content of one commit
	applyCost    = 8_000         // cost of one commit; see cost
	applyFlight  = 3 * applyCost // of the records that are read, prepared and committed at a time
	applyKept    = 50_000        // current versions that are remembered at the least, to know what an update supersedes
	applyKeys    = 2_000         // keys of one look-up
)

// decisionSource calls handle with the decisions on the records in [from.Offset, to) of a partition, in batches:
// events.Feed.Decisions.
type decisionSource func(ctx context.Context, from events.Position, to int64,
	handle func([]events.Decision) error) error

// applier brings records of one partition into an index whose decisions stand in a feed (ADR 22): nothing is decided
// again, so neither a change of the search parameters nor one of the deciding code gives another history. Records are
// read, resolved, held against their recorded hash and taken apart on all cores, while chunks before are committed.
type applier struct {
	log       events.Log
	index     projections.Writer
	blobs     *missing
	dialects  *projections.Dialects // of the generation that is built
	logger    *slog.Logger
	partition int32
	identity  string              // of the log
	done      func(records int64) // told after each commit

	state     projections.State
	current   functions.Recent[projections.Key, superseded] // the latest versions of resources
	names     map[string]string                             // tenants and types, each once
	flight    *semaphore.Weighted                           // what the records cost that are in memory
	unindexed int64                                         // versions whose terms could not be extracted
}

// superseded is what a version needs to know of the one before.
type superseded struct {
	number, sid int64
	deleted     bool
}

// applied is one record with its decision.
type applied struct {
	raw      events.RawRecord
	decision *events.Decision // nil: there is none, the record must repeat an event
	event    events.Event     // without its changes
	rows     []projections.Row
	contents [][]byte // of the rows
	patches  []toPatch
	failures []error // of extracting terms
	cost     int64
	ready    chan struct{} // closed when it is prepared
	err      error         // of preparing it
}

// applyChunk is what one commit takes.
type applyChunk struct {
	items   []*applied
	changes int
	bytes   int
	cost    int64
}

// run applies the records in [state.Next, to).
func (a *applier) run(ctx context.Context, source decisionSource, to int64) (err error) {
	if a.state, err = a.index.State(ctx, a.partition); err != nil {
		return err
	}
	if a.state.Next >= to {
		return nil
	}
	a.names, a.flight = make(map[string]string), semaphore.NewWeighted(applyFlight)
	a.current.Least = applyKept
	from := events.Position{Partition: a.partition, Offset: a.state.Next}
	group, within := errgroup.WithContext(ctx)
	decisions := make(chan []events.Decision)
	group.Go(func() error {
		defer close(decisions)
		return source(within, from, to, func(batch []events.Decision) error { return give(within, decisions, batch) })
	})
	// the semaphore bounds what is in these; they are as long as it may ever be
	ordered, open := make(chan *applied, applyFlight), make(chan *applied, applyFlight)
	group.Go(func() error {
		defer close(ordered)
		defer close(open)
		return a.read(within, from, to, decisions, ordered, open)
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for i := range open {
				if within.Err() == nil {
					i.err = a.prepare(within, i)
				}
				close(i.ready)
			}
			return nil
		})
	}
	chunks := make(chan *applyChunk)
	group.Go(func() error {
		defer close(chunks)
		return a.gather(within, ordered, chunks)
	})
	group.Go(func() error {
		for chunk := range chunks {
			last := chunk.items[len(chunk.items)-1].raw.Position.Offset
			if err := a.commit(within, chunk, last+1); err != nil {
				return err
			}
			a.flight.Release(chunk.cost)
		}
		return within.Err()
	})
	err = group.Wait()
	if ctx.Err() != nil && events.KindOf(err) != events.Transient {
		err = events.Wrap(events.Transient, "rebuild.Index", ctx.Err(), "the rebuild was stopped")
	}
	if err != nil {
		return err
	}
	if a.state.Next < to { // the last offsets hold no record
		return a.commit(ctx, &applyChunk{}, to)
	}
	return nil
}

func give[T any](ctx context.Context, to chan<- T, what T) error {
	select {
	case to <- what:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cost is what a record takes of the memory: 1 for each change, and for each 2 KiB that its contents may have. They are
// compressed to a sixteenth.
func cost(raw *events.RawRecord, decision *events.Decision) int64 {
	changes := 1
	if decision != nil {
		made := 0
		for i := range decision.Outcome.Results {
			made += 1 + len(decision.Outcome.Results[i].Removed)
		}
		changes = max(changes, made)
	}
	return min(int64(changes+16*len(raw.Value)/(2<<10)), applyCost)
}

// read pairs records with their decisions. It sends each one to be prepared, and in their order.
func (a *applier) read(
	ctx context.Context, from events.Position, to int64, decisions <-chan []events.Decision, ordered, open chan<- *applied,
) error {
	var ahead []events.Decision
	next := func() (*events.Decision, error) {
		for len(ahead) == 0 {
			select {
			case batch, open := <-decisions:
				if !open {
					return nil, ctx.Err()
				}
				ahead = batch
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return &ahead[0], nil
	}
	return a.log.Replay(ctx, from, to, func(records []events.RawRecord) error {
		for _, raw := range records {
			item := &applied{raw: raw, ready: make(chan struct{})}
			decision, err := next()
			if err != nil {
				return err
			}
			switch {
			case decision == nil || decision.Outcome.Position.Offset > raw.Position.Offset:
			case decision.Outcome.Position.Offset < raw.Position.Offset:
				return a.foreign(decision.Outcome.Position, "there is a decision on it, and the log has no such record")
			default:
				item.decision = decision
				ahead = ahead[1:]
			}
			item.cost = cost(&item.raw, item.decision)
			if err := a.flight.Acquire(ctx, item.cost); err != nil {
				return err
			}
			ordered <- item
			open <- item
		}
		return nil
	})
}

// gather makes chunks of the records, in their order. One that is being gathered costs less than two commits, so that
// there always comes room for the record that fills it.
func (a *applier) gather(ctx context.Context, ordered <-chan *applied, chunks chan<- *applyChunk) error {
	chunk := &applyChunk{}
	for i := range ordered {
		select {
		case <-i.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if i.err != nil {
			return i.err
		}
		chunk.items = append(chunk.items, i)
		chunk.changes += len(i.rows)
		chunk.cost += i.cost
		for _, content := range i.contents {
			chunk.bytes += len(content)
		}
		if chunk.changes >= applyChanges || chunk.bytes >= applyBytes || chunk.cost >= applyCost {
			if err := give(ctx, chunks, chunk); err != nil {
				return err
			}
			chunk = &applyChunk{}
		}
	}
	if len(chunk.items) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	return give(ctx, chunks, chunk)
}

// foreign is the error of a feed that does not fit the log.
func (a *applier) foreign(position events.Position, format string, args ...any) error {
	return events.Errorf(events.Conflict, "rebuild.Index",
		"the feed does not fit the log at "+position.String()+": "+format+
			"; nothing was switched. Is it the feed of another log, or has it lost decisions?", args...)
}

// prepare makes the rows of a record as its decision tells them. It is safe for records side by side.
func (a *applier) prepare(ctx context.Context, i *applied) error {
	record, err := events.Decode(i.raw)
	i.event = record.Event
	i.event.Changes = nil // their content goes with the rows
	d := i.decision
	if d == nil {
		return nil
	}
	if d.Quarantined != "" || d.Outcome.Refusal != nil {
		return nil
	}
	position := i.raw.Position
	if err != nil {
		return a.foreign(position, "it was accepted, and it cannot be read: %v", err)
	}
	if d.Outcome.EventID != record.Event.ID {
		return a.foreign(position, "the decision is on the event %.64q, and the record holds %.64q", d.Outcome.EventID,
			record.Event.ID)
	}
	if len(d.Outcome.Results) == 0 {
		return nil // it repeats a request: it took no effect of its own
	}
	if len(d.Outcome.Results) != len(record.Event.Changes) {
		return a.foreign(position, "the decision tells of %d changes, and the record has %d", len(d.Outcome.Results),
			len(record.Event.Changes))
	}
	dialect, unknown := a.dialects.Of(&record.Event)
	i.rows = make([]projections.Row, 0, len(d.Outcome.Results))
	i.contents = make([][]byte, 0, len(d.Outcome.Results))
	for n := range d.Outcome.Results {
		result, change := &d.Outcome.Results[n], &record.Event.Changes[n]
		row := projections.Row{MainDate: projections.MinTime, Version: projections.Version{
			Key: projections.Key{Tenant: d.Outcome.Tenant, Type: result.Type, ID: result.ID}, Number: result.Version,
			Position: position, Change: n, Time: result.Time, Hash: result.Hash,
			Posted: change.Operation == events.Create, Patched: change.Operation == events.Patch,
		}}
		switch {
		case !result.Writes():
		case result.Disposition == events.Deleted:
			row.Deleted, row.Hash = true, events.Hash{}
			i.rows, i.contents = append(i.rows, row), append(i.contents, nil)
		default:
			content, err := a.recorded(ctx, dialect, change, result)
			if err == nil && content == nil {
				i.patches = append(i.patches, toPatch{len(i.rows), change, dialect, result.Links})
				i.rows, i.contents = append(i.rows, row), append(i.contents, nil)
				continue
			}
			if events.KindOf(err) == events.Transient {
				return err
			} else if err != nil {
				return a.foreign(position, "change %d (%s/%s): %v", n, result.Type, result.ID, err)
			}
			// History is not rewritten by dialects that cannot read it: such a version stays without terms.
			err = unknown
			if err == nil {
				err = functions.Extract(dialect, &row, content)
			}
			if err != nil {
				i.failures = append(i.failures, err)
			}
			i.rows, i.contents = append(i.rows, row), append(i.contents, content)
		}
		for _, removed := range result.Removed {
			row := projections.Row{MainDate: projections.MinTime, Version: projections.Version{
				Key:    projections.Key{Tenant: d.Outcome.Tenant, Type: removed.Type, ID: removed.ID},
				Number: removed.Version, Position: position, Change: n, Time: d.Outcome.Time, Deleted: true}}
			i.rows, i.contents = append(i.rows, row), append(i.contents, nil)
		}
	}
	return nil
}

// recordedContent is the content that a change became, with its links as they were resolved. An error tells that the
// record does not give the content that was decided.
func recordedContent(dialect projections.Dialect, change *events.Change, result *events.Result) ([]byte, error) {
	content, hash, err := functions.FinalContent(dialect, change, result.Links)
	if err != nil {
		return nil, err
	}
	if hash != result.Hash {
		return nil, events.Errorf(events.Conflict, "rebuild.Index",
			"its content has another hash than the one recorded, %x", result.Hash[:8])
	}
	return content, nil
}

// commit brings a chunk into the index.
func (a *applier) commit(ctx context.Context, chunk *applyChunk, next int64) error {
	if err := a.patch(ctx, chunk.items); err != nil {
		return err
	}
	commit := projections.Commit{Partition: a.partition, Expect: a.state.Next, Next: next,
		Rows: make([]projections.Row, 0, chunk.changes)}
	state := a.state
	var blobs []projections.Blob
	seen := make(map[events.Hash]bool)
	var undecided []*applied
	beside, err := newBeside(ctx, a.index, chunk.items)
	if err != nil {
		return err
	}
	decided := make(map[string]bool)
	for _, i := range chunk.items {
		state.Time = functions.Later(state.Time, i.raw.Time)
		d := i.decision
		if d == nil {
			if i.event.ID == "" {
				return a.foreign(i.raw.Position, "there is no decision on it")
			}
			if !decided[i.event.ID] {
				undecided = append(undecided, i)
			}
			continue
		}
		if d.Quarantined != "" {
			commit.Quarantined = append(commit.Quarantined,
				projections.Quarantined{Record: i.raw, Reason: d.Quarantined})
		}
		beside.add(i, state)
		if d.Outcome.EventID != "" {
			commit.Outcomes = append(commit.Outcomes, d.Outcome)
			decided[d.Outcome.EventID] = true
		}
		for _, err := range i.failures {
			if a.unindexed++; a.unindexed <= 10 {
				a.logger.Warn("a version can't be indexed with these search parameters; it is there, and no search "+
					"finds it", "position", i.raw.Position.String(), "error", err)
			}
		}
		for n := range i.rows {
			commit.Rows = append(commit.Rows, i.rows[n])
			if hash, content := i.rows[n].Hash, i.contents[n]; content != nil && a.blobs.lacks(hash) && !seen[hash] {
				seen[hash] = true
				blobs = append(blobs, projections.Blob{Hash: hash, Content: content})
			}
		}
	}
	beside.into(&commit)
	if err := a.repeated(ctx, undecided); err != nil {
		return err
	}
	if err := a.supersede(ctx, commit.Rows, &state); err != nil {
		return err
	}
	digest, err := functions.Rolled(ctx, state.Digest, commit.Rows)
	if err != nil {
		return err
	}
	commit.Origin = projections.Origin{Log: a.identity, Last: state.Origin.Last}
	if n := len(chunk.items); n > 0 {
		commit.Origin.Last = chunk.items[n-1].raw.Fingerprint()
	}
	state.Origin = commit.Origin
	state.Next, state.Digest, commit.Digest, commit.Time = next, digest, digest, state.Time
	commit.Contents, commit.Store = blobs, a.blobs.Put
	if err := a.index.Commit(ctx, commit); err != nil {
		return err
	}
	a.state = state
	a.done(int64(len(chunk.items)))
	return nil
}

// repeated makes sure that records without a decision repeat events that took effect, or were refused, before.
func (a *applier) repeated(ctx context.Context, items []*applied) error {
	ids := make([]string, len(items))
	for n, i := range items {
		ids[n] = i.event.ID
	}
	if len(ids) == 0 {
		return nil
	}
	outcomes, err := a.index.Outcomes(ctx, ids)
	if err != nil {
		return err
	}
	for n, outcome := range outcomes {
		if outcome == nil {
			return a.foreign(items[n].raw.Position, "there is no decision on it, and it repeats no event")
		}
	}
	return nil
}

// supersede gives the rows their Sids and finds the versions that they supersede.
func (a *applier) supersede(ctx context.Context, rows []projections.Row, state *projections.State) error {
	before := make(map[projections.Key]superseded)
	var missing []projections.Key
	for n := range rows {
		key := rows[n].Key
		if _, asked := before[key]; asked || rows[n].Number == 1 {
			continue
		}
		version, have := a.current.Get(key)
		if !have {
			missing = append(missing, key)
		}
		before[key] = version
	}
	for len(missing) > 0 {
		some := missing[:min(len(missing), applyKeys)]
		versions, err := a.index.Current(ctx, some)
		if err != nil {
			return err
		}
		for n, version := range versions {
			before[some[n]] = superseded{version.Number, version.Sid, version.Deleted}
		}
		missing = missing[len(some):]
	}
	for n := range rows {
		row := &rows[n]
		row.Sid = state.NextSid
		state.NextSid++
		earlier := before[row.Key]
		if earlier.number != row.Number-1 {
			return a.foreign(row.Position, "it makes version %d of %s/%s, and version %d is the one before", row.Number,
				row.Type, row.ID, earlier.number)
		}
		row.Supersedes, row.Revives = earlier.sid, earlier.deleted
		latest := superseded{row.Number, row.Sid, row.Deleted}
		before[row.Key] = latest
		// names are views of the record, which goes
		a.current.Set(projections.Key{Tenant: a.name(row.Tenant), Type: a.name(row.Type), ID: strings.Clone(row.ID)},
			latest)
	}
	return nil
}

// name is a tenant or a type in memory of its own.
func (a *applier) name(text string) string {
	name, known := a.names[text]
	if !known {
		name = strings.Clone(text)
		a.names[name] = name
	}
	return name
}
