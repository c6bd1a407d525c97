package verify

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// Bounds of a run.
const (
	keysAtOnce  = 2_000 // of one look-up
	blobsAtOnce = 64    // contents that are read at once
	readers     = 4     // reads of contents side by side
	// lost contents of one such read that are brought back side by side: each waits for the log and the blob store, and
	// holds its whole event
	healsAtOnce  = 4
	problemsTold = 100 // problems that are told one by one
	reportEvery  = 250 * time.Millisecond
	patience     = time.Second // without progress of a projector that is behind
	// the same when a server has decided more and holds the commits back, which it does for ten seconds at the most
	heldPatience = 15 * time.Second
)

// Storage is what is compared: what happened with what is, log ↔ index ↔ blobs.
type Storage struct {
	Log      events.Log
	Index    projections.Index
	Blobs    projections.Blobs
	Dialects *projections.Dialects // that the index was made with

	// tells whether a server that runs has decided records and holds their commits back; nil: none does so
	Held func() (bool, error)

	// OtherReading: the definitions are those that the index was made with, but the program that made it extracted
	// other terms from them. Then terms are not compared.
	OtherReading bool
}

// Options say how deep to look. By default the index is read once and every content's hash is computed.
type Options struct {
	// Deep: also read the log again: every event has its outcome, and the versions are those that the outcomes tell.
	// And extract every content's terms anew: they must be those that the index has.
	Deep   bool
	Repair bool // bring missing and wrong contents back from the log
}

// latest is what a run remembers of a resource: it grows with their number and not with that of the versions.
type latest struct {
	number int64 // of its version, negative when that is a deletion
	sid    int64
}

// verifying is one run.
type verifying struct {
	*Storage
	options  Options
	progress func(done, all int64)
	all      int64
	seed     maphash.Seed
	stored   []uint64 // first bytes of every hash that the blobs have something under, ascending

	mu       sync.Mutex
	report   Report
	reported time.Time
	latest   map[uint64]latest // hash of a resource's key → its latest version
	living   map[projections.Ledger]int64
	hashes   map[uint64]struct{} // first bytes of every hash that a version has
}

// Handle verifies and calls progress, from one goroutine at a time, with the versions done and all. An error means that
// verifying could not be finished; what it found wrong is in the report. It may run beside a server that writes: what
// is written meanwhile is passed over.
func (v *Storage) Handle(ctx context.Context, options Options, progress func(done, all int64)) (Report, error) {
	run := &verifying{Storage: v, options: options, progress: progress, seed: maphash.MakeSeed(),
		latest: make(map[uint64]latest), living: make(map[projections.Ledger]int64), hashes: make(map[uint64]struct{})}
	run.report.Types = make(map[string]TypeCount)
	started := time.Now()
	// Orphans are counted against the versions read afterwards: a content is there before its version is.
	if err := v.Blobs.Each(ctx, func(hash events.Hash) error {
		run.stored = append(run.stored, hash.Prefix())
		return nil
	}); err != nil {
		return Report{}, err
	}
	slices.Sort(run.stored)
	if err := run.partitions(ctx); err != nil {
		return Report{}, err
	}
	for _, hash := range run.stored {
		if _, used := run.hashes[hash]; !used {
			run.report.Orphans++
		}
	}
	if err := run.quarantine(ctx); err != nil {
		return Report{}, err
	}
	for _, l := range run.latest {
		if l.number > 0 {
			run.report.Resources++
		}
	}
	r := &run.report
	r.TermsSkipped = options.Deep && v.OtherReading
	r.OK = len(r.Problems) == 0
	r.Elapsed = time.Since(started)
	return *r, nil
}

// problem notes what is wrong.
func (v *verifying) problem(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.report.Problems) < problemsTold {
		v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
	} else {
		v.report.MoreProblems++
	}
}

// partitions compares the places, then reads the versions of each.
func (v *verifying) partitions(ctx context.Context) error {
	wanted, states, held, err := v.settled(ctx)
	if err != nil {
		return err
	}
	audit, err := v.Index.Audit(ctx)
	if err != nil {
		return err
	}
	for partition, next := range audit.Next { // as of one moment: versions and counters are compared
		state := states[partition]
		state.Next, state.NextSid = next, audit.NextSid[partition]
		states[partition] = state
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
			v.problem("partition %d: %d records are projected, but the log ends at offset %d: the log has lost "+
				"records, or it is another log", end.Partition, state.Next, end.Next)
		case state.Next < end.First && end.First < end.Next:
			v.problem("partition %d: the log begins at offset %d, but the projector is at %d: records are lost",
				end.Partition, end.First, state.Next)
		case state.Next < wanted[end.Partition] && held:
			v.problem("partition %d: %d records of the log are not in the index, although a server has decided some and "+
				"should have committed them: see that it runs, then verify again", end.Partition,
				wanted[end.Partition]-state.Next)
		case state.Next < wanted[end.Partition]:
			v.problem("partition %d: %d records of the log are not projected yet; if no server is running start one, "+
				"then verify again", end.Partition, wanted[end.Partition]-state.Next)
		}
		if end.First > 0 {
			v.problem("the log's %s; a rebuild can't make again what they said: bring the log back from its copy",
				functions.HeadGone(end))
		}
		count, err := v.versions(ctx, end.Partition, state)
		if err != nil {
			return err
		}
		v.report.Partitions = append(v.report.Partitions, PartitionReport{Partition: end.Partition, First: end.First,
			Next: end.Next, Projected: state.Next, Versions: count})
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
	v.audit(audit)
	return nil
}

// audit holds what the index tells of itself against the versions that were read.
func (v *verifying) audit(audit projections.Audit) {
	for _, what := range audit.Lacks {
		v.problem("the index lacks %s: somebody has removed it; binnacle rebuild makes all of it anew", what)
	}
	v.mu.Lock()
	living := maps.Clone(v.living)
	v.mu.Unlock()
	for ledger := range audit.Living {
		living[ledger] += 0
	}
	byName := func(a, b projections.Ledger) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Type, b.Type))
	}
	for _, ledger := range slices.SortedFunc(maps.Keys(living), byName) {
		if found, counted := living[ledger], audit.Living[ledger]; found != counted {
			v.problem("the index counts %d resources of type %s of tenant %q, and has %d: totals are wrong; binnacle "+
				"rebuild makes it anew", counted, ledger.Type, ledger.Tenant, found)
		}
	}
}

// settled gives the ends that the log has now and the states of an index that has reached them, or that makes no
// progress for a while: a server that writes meanwhile is always a few records behind. It tells whether a server still
// holds commits back then.
func (v *verifying) settled(
	ctx context.Context,
) (wanted map[int32]int64, states map[int32]projections.State, held bool, err error) {
	ends, err := v.Log.Ends(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	wanted = make(map[int32]int64, len(ends))
	for _, end := range ends {
		wanted[end.Partition] = end.Next
	}
	before := int64(-1)
	for progress := time.Now(); ; {
		if states, err = v.Index.Partitions(ctx); err != nil {
			return nil, nil, false, err
		}
		missing := int64(0)
		for partition, next := range wanted {
			missing += max(0, next-states[partition].Next)
		}
		if missing != before {
			before, progress = missing, time.Now()
		}
		if missing == 0 {
			return wanted, states, false, nil
		}
		if stood := time.Since(progress); stood > patience {
			if held, err = v.held(); err != nil || !held || stood > heldPatience {
				return wanted, states, held, err
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, false, ctx.Err()
		}
	}
}

func (v *verifying) held() (bool, error) {
	if v.Held == nil {
		return false, nil
	}
	return v.Held()
}

// versions reads all versions of a partition up to a state and has their contents and terms checked.
func (v *verifying) versions(ctx context.Context, partition int32, state projections.State) (count int64, err error) {
	group, checks := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var batch []checked
	next := int64(partition)<<projections.SidBits | 1
	err = v.Index.Scan(checks, partition, func(version projections.Version, terms events.Hash) error {
		if state.NextSid > 0 && version.Sid >= state.NextSid {
			return nil // written since
		}
		count++
		if version.Sid != next {
			v.problem("%s is version number %d of partition %d by its sid, expected is %d", describe(version),
				version.Sid&(1<<projections.SidBits-1), partition, next&(1<<projections.SidBits-1))
		}
		next = version.Sid + 1
		before := v.count(version)
		if version.Deleted && !v.options.Deep {
			return nil
		}
		if batch = append(batch, checked{scanned{version, terms}, before}); len(batch) == blobsAtOnce {
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
	return fmt.Sprintf("%s/%s version %d of tenant %s (record %v, change %d)", v.Type, v.ID, v.Number, v.Tenant,
		v.Position, v.Change)
}

// count checks that the versions of each resource are counted 1, 2, 3 …, and returns the Sid of the one before; 0:
// there is none.
func (v *verifying) count(version projections.Version) (supersedes int64) {
	key := maphash.Comparable(v.seed, version.Key)
	v.mu.Lock()
	before := v.latest[key].number
	supersedes = v.latest[key].sid
	number := version.Number
	if version.Deleted {
		number = -number
	} else {
		v.hashes[version.Hash.Prefix()] = struct{}{}
	}
	v.latest[key] = latest{number, version.Sid}
	v.report.Versions++
	t := v.report.Types[version.Type]
	t.Versions++
	ledger := projections.Ledger{Tenant: version.Tenant, Type: version.Type}
	if before <= 0 && number > 0 {
		t.Resources++
		v.living[ledger]++
	} else if before > 0 && number < 0 {
		t.Resources--
		v.living[ledger]--
	}
	v.report.Types[version.Type] = t
	tell := time.Since(v.reported) > reportEvery
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
	return supersedes
}
