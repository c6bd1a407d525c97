package sqlterms

import (
	"binnacle/projections/index/sets"
)

// A version is held against many keys by looking for a row of each of them: a thousand references cost a millisecond for one version, and a walk that meets thousands ends
// with the time of the search. So a clause of many keys is read before the walk, where it is not itself the order that is merged.

// namedVersions is up to how many versions stand in a statement in place of the keys that found them.
const namedVersions = 20_000

// readManyKeys reads, for this search alone, the versions that clauses of many keys find, up to as many as are held of a key, and those whose strings contain something. Where there
// are more, many match, and a walk meets them soon.
func (x ask) readManyKeys() error {
	for _, a := range x.accesses {
		most := x.Bounds.Rows
		switch {
		case a.onlyWords():
			most = 10 * x.Bounds.Many
		case !a.manyKeys() || x.by == orderMain && a.walkKeys() != nil && x.alone(a):
			continue
		}
		found, err := x.versionsUpTo(a, most)
		if err != nil {
			return err
		}
		if found == nil {
			a.dense = len(a.texts) > 0
			continue
		}
		a.held, a.exact, a.once = found, true, true
		a.counts(int(found.GetCardinality()), false)
		if a.count > namedVersions {
			continue
		}
		a.keys, a.onRow, a.texts, a.byID = nil, nil, nil, true
		a.sids = sets.SidsIn(found, x.Origin())
	}
	return nil
}
