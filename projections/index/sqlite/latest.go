package sqlite

import (
	"context"

	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/rows"
)

// The index by type, id and number would take its rows in a random order. While a generation is built from nothing it
// is therefore not there, and the writer remembers which version of each resource is the latest: all that a build asks,
// and all that the index would refuse. The index is made at the end, or as soon as that doesn't do any more.

// findLatest reads what an earlier process has committed; nil when the index is there, or more than can be remembered.
func (w *writer) findLatest(ctx context.Context) (*rows.Latest, error) {
	there, name := 0, prefix(w.number)+identity().name
	if err := w.file.Write.QueryRowContext(ctx, "select count(*) from sqlite_schema where name = ?", name).Scan(
		&there); err != nil || there != 0 {
		return nil, err
	}
	found, err := w.file.Read.QueryContext(ctx, "select resource, sid from "+prefix(w.number)+"version order by sid")
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }() // the error of the rows is told below
	l := rows.NewLatest()
	for found.Next() {
		var resource, sid int64
		if err := found.Scan(&resource, &sid); err != nil {
			return nil, err
		}
		if l.Set(resource, sid); l.Full() {
			_ = found.Close() // it reads no more
			return nil, w.createIndex(ctx, identity())
		}
	}
	return l, found.Err()
}

// identify makes the index by type, id and number, and forgets what stands in for it. To do it again is cheap.
func (w *writer) identify(ctx context.Context) error {
	if w.staged == nil || w.staged.latest == nil {
		return nil
	}
	if err := w.createIndex(ctx, identity()); err != nil {
		return err
	}
	w.staged.latest = nil
	return nil
}

// identified is identify for who doesn't hold the writer.
func (w *writer) identified(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	return w.identify(ctx)
}

// remembered returns the Sids of the latest versions of resources, 0 for none; nil when the index has to be asked.
func (w *writer) remembered(ctx context.Context, wanted []projections.Key) ([]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.prepare(ctx); err != nil || w.staged == nil || w.staged.latest == nil {
		return nil, err
	}
	var h keys.Hasher
	sids := make([]int64, len(wanted))
	for i, k := range wanted {
		sids[i] = w.staged.latest.Sid(h.Resource(h.LedgerOf(k.Tenant, k.Type), k.ID))
	}
	return sids, nil
}

// Current returns the current version of each key.
func (b *building) Current(ctx context.Context, wanted []projections.Key) ([]projections.Version, error) {
	sids, err := b.g.writer.remembered(ctx, wanted)
	if err != nil {
		return nil, err
	}
	if sids == nil {
		return b.Reads.Current(ctx, wanted)
	}
	places, asked := map[int64][]int{}, make([]int64, 0, len(sids))
	for i, sid := range sids {
		if sid == 0 {
			continue
		}
		if places[sid] == nil {
			asked = append(asked, sid)
		}
		places[sid] = append(places[sid], i)
	}
	found := make([]projections.Version, len(wanted))
	if len(asked) == 0 {
		return found, nil
	}
	var h keys.Hasher
	var ledger int64
	var m rows.Stored
	err = b.g.reader.Query(ctx, "select v.ledger, "+rows.StoredColumns+" from json_each($1) k cross join "+
		prefix(b.g.number)+"version v where v.sid = k.value", []any{jsonOf(asked)},
		func(scan func(...any) error) error {
			if err := scan(append([]any{&ledger}, m.Fields()...)...); err != nil {
				return err
			}
			for _, i := range places[m.Sid] {
				// another resource with the same key: this one was never there, or follows had told
				if k := wanted[i]; k.ID == m.ID && h.LedgerOf(k.Tenant, k.Type) == ledger {
					found[i] = m.Version(k.Tenant, k.Type)
				}
			}
			return nil
		})
	return found, err
}
