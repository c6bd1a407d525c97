package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/projections"
)

// compare holds the generation against the live one at the same positions: with the same catalog both were given the
// same versions with the same terms, or the digests of their partitions differ. Kind Conflict tells the first
// difference. Partitions that are not at the same position are passed over.
func (r *rebuilding) compare(ctx context.Context) error {
	if !r.sameMeaning() {
		return nil
	}
	compared := int64(0)
	for partition, live := range r.reached {
		built, err := r.lines[partition].State(ctx)
		if err != nil {
			return err
		}
		if built.Next != live.Next {
			continue
		}
		if live.NextSid > 0 {
			compared += live.NextSid - int64(partition)<<projections.SidBits - 1
		}
		if built.Digest == live.Digest {
			continue
		}
		what, err := r.firstDifference(ctx, partition, live, built)
		if err != nil {
			return err
		}
		if r.AcceptDifference {
			r.logger.Warn("the rebuilt generation holds something else than the live one, which was accepted",
				"partition", partition, "offset", live.Next, "difference", what)
			continue
		}
		return events.Errorf(events.Conflict, "rebuild.Index", "generation %d differs from the live one, generation "+
			"%d, at position %d:%d, although their search parameters are the same; nothing was switched. The first "+
			"difference: %s. "+
			"Find out which of them is right (binnacle verify --deep checks the live one); --accept-difference "+
			"switches nevertheless", r.building.Number(), r.live.Number, partition, live.Next, what)
	}
	r.summary.Compared = compared
	return nil
}

// scanned is a version as a generation has it.
type scanned struct {
	version projections.Version
	terms   events.Hash
}

// errFound ends a scan early.
var errFound = errors.New("the difference is found")

// firstDifference reads both generations side by side, in the order of their Sids.
func (r *rebuilding) firstDifference(
	ctx context.Context, partition int32, live, built projections.State,
) (what string, err error) {
	r.tell("looking for the first difference", 0, 0)
	group, ctx := errgroup.WithContext(ctx)
	scan := func(index projections.Auditor, end int64) <-chan scanned {
		versions := make(chan scanned, 1_000)
		group.Go(func() error {
			defer close(versions)
			return index.Scan(ctx, partition, func(v projections.Version, terms events.Hash) error {
				if v.Sid >= end {
					return nil
				}
				return give(ctx, versions, scanned{v, terms})
			})
		})
		return versions
	}
	group.Go(func() error {
		left, right := scan(r.Generations.Auditor(r.live.Number), live.NextSid), scan(r.building, built.NextSid)
		for {
			a, more := <-left
			b, moreToo := <-right
			if !more && !moreToo {
				return nil
			}
			if what = difference(partition, a, b); what != "" {
				return errFound
			}
		}
	})
	if err := group.Wait(); err != nil && !errors.Is(err, errFound) {
		return "", err
	}
	if what == "" {
		what = "none in the rows of versions and terms; what was written at some time differs, as the digests tell"
	}
	return what, nil
}

// difference tells how a version differs; "" when it does not. The zero Sid stands for none.
func difference(partition int32, live, built scanned) string {
	name := func(v projections.Version) string {
		state := fmt.Sprintf("hash %x", v.Hash[:8])
		if v.Deleted {
			state = "a deletion"
		}
		return fmt.Sprintf("%s/%s version %d of tenant %s, from %v change %d at %s, %s", v.Type, v.ID, v.Number,
			v.Tenant, v.Position, v.Change, v.Time.UTC().Format(time.RFC3339Nano), state)
	}
	at := fmt.Sprintf("partition %d, sid %d: ", partition,
		max(live.version.Sid, built.version.Sid)&(1<<projections.SidBits-1))
	switch {
	case live.version.Sid == 0:
		return at + "the rebuilt one has a version more: " + name(built.version)
	case built.version.Sid == 0:
		return at + "the live one has a version more: " + name(live.version)
	case live.version != built.version:
		return at + "the version rows differ: the live one has " + name(live.version) + "; the rebuilt one " +
			name(built.version)
	// what is swept can't be compared
	case live.terms != built.terms && live.terms != (events.Hash{}) && built.terms != (events.Hash{}):
		return at + "the term rows of " + name(live.version) + " differ"
	}
	return ""
}
