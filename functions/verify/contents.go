package verify

import (
	"context"
	"crypto/sha256"
	"slices"

	"golang.org/x/sync/errgroup"

	"binnacle/events"
	"binnacle/functions"
	"binnacle/projections"
)

// scanned is a version as the index has it.
type scanned struct {
	version projections.Version
	terms   events.Hash
}

// checked is a version on its way through a check.
type checked struct {
	scanned
	supersedes int64 // Sid of the version before; 0: none
}

// contents checks that the contents of versions are there and right and, with Deep, that the index has the terms that
// they give.
func (v *verifying) contents(ctx context.Context, batch []checked) error {
	var hashes []events.Hash
	for _, one := range batch {
		if !one.version.Deleted {
			hashes = append(hashes, one.version.Hash)
		}
	}
	contents, err := v.Blobs.Get(ctx, hashes)
	if err != nil {
		return err
	}
	right := make([][]byte, len(batch))
	group, heals := errgroup.WithContext(ctx)
	group.SetLimit(healsAtOnce)
	for i, one := range batch {
		if one.version.Deleted {
			continue
		}
		stored := contents[0]
		contents = contents[1:]
		if v.isRight(one.version, stored) {
			right[i] = stored
			continue
		}
		group.Go(func() error {
			var err error
			right[i], err = v.wrong(heals, one.version, stored)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var wanted []projections.Row
	var found []scanned
	for i, one := range batch {
		content := right[i]
		if !v.options.Deep || !one.version.Deleted && content == nil {
			continue
		}
		row := projections.Row{Version: one.version, Supersedes: one.supersedes, MainDate: projections.MinTime}
		if !one.version.Deleted {
			dialect, err := v.Dialects.OfType(row.Type)
			if err == nil {
				err = functions.Extract(dialect, &row, content)
			}
			if err != nil {
				v.problem("%s cannot be indexed any more: %v; it stays out of a rebuild", describe(one.version), err)
				continue
			}
		}
		wanted, found = append(wanted, row), append(found, one.scanned)
	}
	if len(wanted) > 0 && !v.OtherReading {
		v.terms(wanted, found)
	}
	return nil
}

// isRight tells whether what the blobs gave is the content of a version, and counts it.
func (v *verifying) isRight(version projections.Version, stored []byte) bool {
	if stored == nil || sha256.Sum256(stored) != version.Hash {
		return false
	}
	v.good(stored)
	return true
}

// wrong returns the right content in place of what the blobs gave: what the log gives, if anybody wants it; nil:
// nothing does.
func (v *verifying) wrong(ctx context.Context, version projections.Version, stored []byte) ([]byte, error) {
	_, there := slices.BinarySearch(v.stored, version.Hash.Prefix())
	switch {
	case stored != nil:
		return v.lost(ctx, version, &v.report.Wrong, "has another hash")
	case there: // a store gives nothing in place of other bytes
		return v.lost(ctx, version, &v.report.Wrong, "is damaged")
	}
	return v.lost(ctx, version, &v.report.Missing, "is missing")
}

// good counts a right content.
func (v *verifying) good(content []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Contents++
	v.report.Bytes += int64(len(content))
}

// terms holds the rows that versions should have become against those that they have.
func (v *verifying) terms(wanted []projections.Row, found []scanned) {
	different := int64(0)
	for i, digest := range v.Index.Digests(wanted) {
		// the zero one: they may be swept
		if version := found[i].version; digest != found[i].terms && found[i].terms != (events.Hash{}) {
			different++
			v.problem("partition %d, sid %d: the search terms of %s in the index are not those that its content "+
				"gives: searches may miss it or find it wrongly; binnacle rebuild makes them anew",
				version.Sid>>projections.SidBits, version.Sid&(1<<projections.SidBits-1), describe(version))
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.TermsCompared += int64(len(wanted))
	v.report.TermsDiffer += different
}

// lost counts a content that is not what it should be, and brings it back if asked for. It returns the right one if
// terms are to be compared, too.
func (v *verifying) lost(
	ctx context.Context, version projections.Version, counter *int64, what string,
) ([]byte, error) {
	v.mu.Lock()
	*counter++
	v.mu.Unlock()
	heal := functions.Heal{Log: v.Log, Index: v.Index, Dialects: v.Dialects}
	if !v.options.Repair {
		v.problem("the content of %s %s; --repair brings it back from the log", describe(version), what)
		if !v.options.Deep {
			return nil, nil
		}
		content, err := heal.Handle(ctx, version)
		if err != nil && events.KindOf(err) != events.Transient {
			return nil, nil // that it is lost has been told
		}
		return content, err
	}
	if what != "is missing" {
		if err := v.Blobs.Delete(ctx, []events.Hash{version.Hash}); err != nil {
			return nil, err
		}
	}
	heal.Blobs = v.Blobs
	content, err := heal.Handle(ctx, version)
	switch {
	case err == nil:
		v.mu.Lock()
		v.report.Repaired++
		v.mu.Unlock()
		v.good(content)
		return content, nil
	case events.KindOf(err) == events.Transient:
		return nil, err
	}
	v.problem("the content of %s %s and could not be repaired: %v", describe(version), what, err)
	return nil, nil
}
