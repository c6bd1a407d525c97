package functions

import (
	"context"
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// orphans looks at the contents that no version has: searches that are kept for their further pages are none, and are deleted with
// Repair when their life is over. unused holds the first bytes of the hashes.
func (v *verifying) orphans(ctx context.Context, unused map[uint64]struct{}) error {
	if len(unused) == 0 {
		return nil
	}
	var batch, expired []events.Hash
	look := func() error {
		contents, err := v.Blobs.Get(ctx, batch)
		if err != nil {
			return err
		}
		for n, content := range contents {
			kept, is := projections.ParseKeptSearch(content)
			switch {
			case content == nil: // deleted meanwhile
			case !is:
				v.report.Orphans++
			case kept.Expired(time.Now()):
				expired = append(expired, batch[n])
			}
		}
		batch = batch[:0]
		return nil
	}
	if err := v.Blobs.Each(ctx, func(hash events.Hash) error {
		if _, is := unused[prefix(hash)]; !is {
			return nil
		}
		if batch = append(batch, hash); len(batch) < verifyBlobs {
			return nil
		}
		return look()
	}); err != nil {
		return err
	}
	if err := look(); err != nil {
		return err
	}
	if !v.options.Repair || len(expired) == 0 {
		return nil
	}
	return v.Blobs.Delete(ctx, expired)
}
