package search

import (
	"binnacle/projections/index/sets"
	"binnacle/projections/index/step"
)

// A version is held against many keys by looking for a row of each of them: a thousand references cost a millisecond
// for one version, and a walk that meets thousands ends with the time of the search. So a clause of many keys is read
// before the walk, where it is not itself the order that is merged.

// namedVersions is up to how many versions stand in a statement in place of the keys that found them.
const namedVersions = 20_000

// readManyKeys reads, for this search alone, the versions that clauses of many keys find, up to as many as are held of
// a key, and those whose strings contain something. Where there are more, many match, and a walk meets them soon.
func (x chooser) readManyKeys() error {
	for _, a := range x.Accesses {
		most := x.Bounds.Rows
		switch {
		case a.OnlyWords():
			most = 10 * x.Bounds.Many
		case !a.ManyKeys() || x.By == step.OrderMain && a.WalkKeys() != nil && x.Alone(a):
			continue
		}
		found, err := x.VersionsUpTo(a, most)
		if err != nil {
			return err
		}
		if found == nil {
			a.Dense = len(a.Texts) > 0
			continue
		}
		a.Held, a.Exact, a.Once = found, true, true
		a.Counts(int(found.GetCardinality()), false)
		if a.Count > namedVersions {
			continue
		}
		a.Keys, a.OnRow, a.Texts, a.ByID = nil, nil, nil, true
		a.Sids = sets.SidsIn(found, x.Origin())
	}
	return nil
}
