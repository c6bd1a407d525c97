package rebuild

import (
	"context"
	"slices"
	"sync/atomic"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// missing is a blob store that is given only what it lacked at the start.
type missing struct {
	projections.Blobs
	stored []uint64 // first bytes of the hashes that were there, sorted: two of a billion contents share them
	put    atomic.Int64
}

// newMissing asks the store for its hashes; contents are not read.
func newMissing(ctx context.Context, blobs projections.Blobs) (*missing, error) {
	m := &missing{Blobs: blobs}
	if err := blobs.Each(ctx, func(hash events.Hash) error {
		m.stored = append(m.stored, hash.Prefix())
		return nil
	}); err != nil {
		return nil, err
	}
	slices.Sort(m.stored)
	return m, nil
}

// lacks tells whether a content was not there.
func (m *missing) lacks(hash events.Hash) bool {
	_, found := slices.BinarySearch(m.stored, hash.Prefix())
	return !found
}

// Put puts what is missing.
func (m *missing) Put(ctx context.Context, blobs []projections.Blob) error {
	lacking := make([]projections.Blob, 0, len(blobs))
	for _, b := range blobs {
		if m.lacks(b.Hash) {
			lacking = append(lacking, b)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	m.put.Add(int64(len(lacking)))
	return m.Blobs.Put(ctx, lacking)
}

// Contents brings the contents back that a blob store has lost, all of them at most, from the log: what each change
// became stands in the live index. What is there stays untouched. It may run beside servers, and again after it was
// interrupted.
type Contents struct {
	Log   events.Log
	Index projections.Index
	Blobs projections.Blobs
	Heal  *functions.Heal // finds what the links of a change led to when the index does not tell
}

// ContentsSummary is what Contents did.
type ContentsSummary struct {
	Records  int64 `json:"records"`  // of the log, that were read
	Contents int64 `json:"contents"` // that the store was given; one that several versions have may count for each
	Failed   int64 `json:"failed"`   // that the log does not give any more; verify names them
}

// Handle refills and calls progress with the records done and all.
func (r *Contents) Handle(ctx context.Context, progress func(done, all int64)) (summary ContentsSummary, err error) {
	blobs, err := newMissing(ctx, r.Blobs)
	if err != nil {
		return summary, err
	}
	states, err := r.Index.Partitions(ctx)
	if err != nil {
		return summary, err
	}
	ends, err := r.Log.Ends(ctx)
	if err != nil {
		return summary, err
	}
	all := int64(0)
	for _, end := range ends {
		all += max(0, min(end.Next, states[end.Partition].Next)-end.First)
	}
	for _, end := range ends {
		to := min(end.Next, states[end.Partition].Next)
		if to <= end.First {
			continue
		}
		if err := r.Log.Replay(ctx, events.Position{Partition: end.Partition, Offset: end.First}, to,
			func(records []events.RawRecord) error {
				failed, err := r.batch(ctx, blobs, records)
				summary.Records += int64(len(records))
				summary.Failed += failed
				progress(summary.Records, max(all, summary.Records))
				return err
			}); err != nil {
			return summary, err
		}
	}
	summary.Contents = blobs.put.Load()
	return summary, nil
}

// batch puts the missing contents of some records.
func (r *Contents) batch(ctx context.Context, blobs *missing, records []events.RawRecord) (failed int64, err error) {
	decoded := make([]events.Event, len(records))
	if err := functions.Parallel(ctx, len(records), func(n int) error {
		if record, err := events.Decode(records[n]); err == nil {
			decoded[n] = record.Event
		}
		return nil // what cannot be read is in quarantine
	}); err != nil {
		return 0, err
	}
	ids := make([]string, len(records))
	for n := range decoded {
		ids[n] = decoded[n].ID
	}
	outcomes, err := r.Index.Outcomes(ctx, ids)
	if err != nil {
		return 0, err
	}
	found := make([][]projections.Blob, len(records))
	var lost atomic.Int64
	if err := functions.Parallel(ctx, len(records), func(n int) error {
		outcome := outcomes[n]
		if outcome == nil || outcome.Position != records[n].Position ||
			len(outcome.Results) != len(decoded[n].Changes) {
			return nil
		}
		dialect, _ := r.Heal.Dialects.Of(&decoded[n]) // without one, what has no links is made all the same
		for c := range outcome.Results {
			result, change := &outcome.Results[c], &decoded[n].Changes[c]
			if (result.Disposition != events.Created && result.Disposition != events.Updated) ||
				!blobs.lacks(result.Hash) {
				continue
			}
			content, err := recordedContent(dialect, change, result)
			if err == nil {
				found[n] = append(found[n], projections.Blob{Hash: result.Hash, Content: content})
				continue
			}
			version := projections.Version{Key: projections.Key{Tenant: outcome.Tenant, Type: result.Type,
				ID: result.ID}, Number: result.Version, Position: outcome.Position, Change: c, Time: result.Time,
				Hash: result.Hash}
			switch _, err := r.Heal.Handle(ctx, version); {
			case err == nil:
				blobs.put.Add(1)
			case events.KindOf(err) == events.Transient:
				return err
			default:
				lost.Add(1)
			}
		}
		return nil
	}); err != nil {
		return 0, err
	}
	var put []projections.Blob
	for _, blobsOfRecord := range found {
		put = append(put, blobsOfRecord...)
	}
	return lost.Load(), blobs.Put(ctx, put)
}
