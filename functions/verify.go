package functions

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/events/fhir"
	"binnacle/projections"
	"binnacle/projections/catalog"
)

// Bounds of Verify.
const (
	verifyBlobs    = 64  // contents that are read at once
	verifyReaders  = 4   // reads of contents side by side
	verifyProblems = 100 // problems that are told one by one
	verifyReport   = 250 * time.Millisecond
	verifyPatience = time.Second // without progress of a projector that is behind
)

// Verify compares what happened with what is: log ↔ index ↔ blobs.
type Verify struct {
	Log     events.Log
	Index   projections.Index
	Blobs   projections.Blobs
	Catalog *catalog.Catalog
}

// VerifyOptions say how deep to look. By default the index is read once and every content's hash is computed.
type VerifyOptions struct {
	Deep   bool // also read the log again: every event has its outcome, and the versions are those that the outcomes tell; and every content's terms can be extracted
	Repair bool // bring missing and wrong contents back from the log
}

// verifying is one run.
type verifying struct {
	*Verify
	options  VerifyOptions
	progress func(done, all int64)
	all      int64
	seed     maphash.Seed

	mu       sync.Mutex
	report   Report
	reported time.Time
	numbers  map[uint64]int64    // hash of a resource's key → its latest version; negative when that is a deletion
	hashes   map[uint64]struct{} // first bytes of every hash that a version has
}

// Handle verifies and calls progress, from one goroutine at a time, with the versions done and all. An error means that verifying could not be
// finished; what it found wrong is in the report. It may run beside a server that writes: what is written meanwhile is passed over.
func (v *Verify) Handle(ctx context.Context, options VerifyOptions, progress func(done, all int64)) (Report, error) {
	run := &verifying{Verify: v, options: options, progress: progress, seed: maphash.MakeSeed(), numbers: make(map[uint64]int64), hashes: make(map[uint64]struct{})}
	run.report.Types = make(map[string]TypeCount)
	started := time.Now()
	// Orphans are counted against the versions read afterwards: a content is there before its version is.
	var stored []uint64
	if err := v.Blobs.Each(ctx, func(hash events.Hash) error {
		stored = append(stored, prefix(hash))
		return nil
	}); err != nil {
		return Report{}, err
	}
	if err := run.partitions(ctx); err != nil {
		return Report{}, err
	}
	unused := make(map[uint64]struct{})
	for _, hash := range stored {
		if _, used := run.hashes[hash]; !used {
			unused[hash] = struct{}{}
		}
	}
	if err := run.orphans(ctx, unused); err != nil {
		return Report{}, err
	}
	if err := run.quarantine(ctx); err != nil {
		return Report{}, err
	}
	for _, n := range run.numbers {
		if n > 0 {
			run.report.Resources++
		}
	}
	r := &run.report
	r.OK = len(r.Problems) == 0
	r.Elapsed = time.Since(started)
	return *r, nil
}

// problem notes what is wrong.
func (v *verifying) problem(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.report.Problems) < verifyProblems {
		v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
	} else {
		v.report.MoreProblems++
	}
}

// partitions compares the places, then reads the versions of each.
func (v *verifying) partitions(ctx context.Context) error {
	wanted, states, err := v.settled(ctx)
	if err != nil {
		return err
	}
	ends, err := v.Log.Ends(ctx)
	if err != nil {
		return err
	}
	sizes, err := v.Index.Sizes(ctx)
	if err != nil {
		return err
	}
	v.all = sizes.Versions
	known := make(map[int32]bool)
	for _, end := range ends {
		known[end.Partition] = true
		state := states[end.Partition]
		switch {
		case state.Next > end.Next:
			v.problem("partition %d: %d records are projected, but the log ends at offset %d: the log has lost records, or it is another log", end.Partition, state.Next, end.Next)
		case state.Next < end.First && end.First < end.Next:
			v.problem("partition %d: the log begins at offset %d, but the projector is at %d: records are lost", end.Partition, end.First, state.Next)
		case state.Next < wanted[end.Partition]:
			v.problem("partition %d: %d records of the log are not projected yet; if no server is running start one, then verify again", end.Partition, wanted[end.Partition]-state.Next)
		}
		count, err := v.versions(ctx, end.Partition, state)
		if err != nil {
			return err
		}
		v.report.Partitions = append(v.report.Partitions, PartitionReport{Partition: end.Partition, First: end.First, Next: end.Next, Projected: state.Next, Versions: count})
		if v.options.Deep {
			if err := v.log(ctx, end, state, count); err != nil {
				return err
			}
		}
	}
	for _, partition := range slices.Sorted(maps.Keys(states)) {
		if !known[partition] {
			v.problem("the index has a partition %d, the log has none", partition)
		}
	}
	return nil
}

// settled gives the ends that the log has now and the states of an index that has reached them, or that makes no progress for a while: a
// server that writes meanwhile is always a few records behind.
func (v *verifying) settled(ctx context.Context) (wanted map[int32]int64, states map[int32]projections.State, err error) {
	ends, err := v.Log.Ends(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted = make(map[int32]int64, len(ends))
	for _, end := range ends {
		wanted[end.Partition] = end.Next
	}
	before := int64(-1)
	for progress := time.Now(); ; {
		if states, err = v.Index.Partitions(ctx); err != nil {
			return nil, nil, err
		}
		missing := int64(0)
		for partition, next := range wanted {
			missing += max(0, next-states[partition].Next)
		}
		if missing != before {
			before, progress = missing, time.Now()
		}
		if missing == 0 || time.Since(progress) > verifyPatience {
			return wanted, states, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// versions reads all versions of a partition up to a state and has their contents checked.
func (v *verifying) versions(ctx context.Context, partition int32, state projections.State) (count int64, err error) {
	group, checks := errgroup.WithContext(ctx)
	group.SetLimit(verifyReaders)
	var batch []projections.Version
	next := int64(partition)<<projections.SidBits | 1
	err = v.Index.Scan(checks, partition, func(version projections.Version, _ events.Hash) error {
		if state.NextSid > 0 && version.Sid >= state.NextSid {
			return nil // written since
		}
		count++
		if version.Sid != next {
			v.problem("%s is version number %d of partition %d by its sid, expected is %d", describe(version), version.Sid&(1<<projections.SidBits-1), partition, next&(1<<projections.SidBits-1))
		}
		next = version.Sid + 1
		v.count(version)
		if version.Deleted {
			return nil
		}
		if batch = append(batch, version); len(batch) == verifyBlobs {
			full := batch
			batch = nil
			group.Go(func() error { return v.contents(checks, full) })
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		group.Go(func() error { return v.contents(checks, batch) })
	}
	if failed := group.Wait(); failed != nil {
		return count, failed // a check that fails ends the scan, not the other way round
	}
	if err == nil && state.NextSid > 0 && next != state.NextSid {
		v.problem("partition %d: %d versions are missing at the end", partition, state.NextSid-next)
	}
	return count, err
}

func describe(v projections.Version) string {
	return fmt.Sprintf("%s/%s version %d of tenant %s (record %v, change %d)", v.Type, v.ID, v.Number, v.Tenant, v.Position, v.Change)
}

func prefix(hash events.Hash) uint64 { return binary.BigEndian.Uint64(hash[:8]) }

// count checks that the versions of each resource are counted 1, 2, 3 …
func (v *verifying) count(version projections.Version) {
	key := maphash.Comparable(v.seed, version.Key)
	v.mu.Lock()
	before := v.numbers[key]
	number := version.Number
	if version.Deleted {
		number = -number
	} else {
		v.hashes[prefix(version.Hash)] = struct{}{}
	}
	v.numbers[key] = number
	v.report.Versions++
	t := v.report.Types[version.Type]
	t.Versions++
	if before <= 0 && number > 0 {
		t.Resources++
	} else if before > 0 && number < 0 {
		t.Resources--
	}
	v.report.Types[version.Type] = t
	tell := time.Since(v.reported) > verifyReport
	done := v.report.Versions
	if tell {
		v.reported = time.Now()
	}
	v.mu.Unlock()
	if before = max(before, -before); version.Number != before+1 {
		v.problem("%s follows version %d", describe(version), before)
	}
	if tell {
		v.progress(done, max(done, v.all))
	}
}

// contents checks that the contents of versions are there and right.
func (v *verifying) contents(ctx context.Context, versions []projections.Version) error {
	hashes := make([]events.Hash, len(versions))
	for i, version := range versions {
		hashes[i] = version.Hash
	}
	contents, err := v.Blobs.Get(ctx, hashes)
	if err != nil {
		return err
	}
	for i, content := range contents {
		version := versions[i]
		switch {
		case content == nil:
			err = v.lost(ctx, version, &v.report.Missing, "is missing")
		case sha256.Sum256(content) != version.Hash:
			err = v.lost(ctx, version, &v.report.Wrong, "has another hash")
		default:
			v.good(version, content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// good counts a right content; with Deep its terms must be extractable too.
func (v *verifying) good(version projections.Version, content []byte) {
	v.mu.Lock()
	v.report.Contents++
	v.report.Bytes += int64(len(content))
	v.mu.Unlock()
	if !v.options.Deep {
		return
	}
	doc, err := fhir.Parse(content)
	if err == nil {
		err = v.Catalog.Check(doc.Root())
	}
	if err != nil {
		v.problem("%s cannot be indexed any more: %v; it stays out of a rebuild", describe(version), err)
	}
}

// lost counts a content that is not what it should be, and brings it back if asked for.
func (v *verifying) lost(ctx context.Context, version projections.Version, counter *int64, what string) error {
	v.mu.Lock()
	*counter++
	v.mu.Unlock()
	if !v.options.Repair {
		v.problem("the content of %s %s; --repair brings it back from the log", describe(version), what)
		return nil
	}
	if what != "is missing" {
		if err := v.Blobs.Delete(ctx, []events.Hash{version.Hash}); err != nil {
			return err
		}
	}
	heal := Heal{Log: v.Log, Index: v.Index, Blobs: v.Blobs, Catalog: v.Catalog}
	content, err := heal.Handle(ctx, version)
	switch {
	case err == nil:
		v.mu.Lock()
		v.report.Repaired++
		v.mu.Unlock()
		v.good(version, content)
	case events.KindOf(err) == events.Transient:
		return err
	default:
		v.problem("the content of %s %s and could not be repaired: %v", describe(version), what, err)
	}
	return nil
}

// quarantine counts the records in quarantine.
func (v *verifying) quarantine(ctx context.Context) error {
	sizes, err := v.Index.Sizes(ctx)
	v.report.Quarantined = sizes.Quarantined
	return err
}

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
