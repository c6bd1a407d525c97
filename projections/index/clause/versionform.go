package clause

import (
	"binnacle/projections"
	"binnacle/projections/index/keys"
	"binnacle/projections/index/sets"
	"binnacle/projections/index/sql"
)

// versionForm are versions by their Sids.
type versionForm struct {
	ByID    bool
	Sids    []int64 // byID
	Current bool    // byID: each of them stands there once, and is current at the snapshot
}

func (f *versionForm) size() int { return len(f.Sids) }

func (f *versionForm) rows(s *sql.Statement, _ int64) []string {
	if len(f.Sids) == 0 {
		return nil
	}
	return []string{"select t.sid as sid from " + s.Table("version") + " t where t.sid " + s.In(f.Sids)}
}

func (f *versionForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	if len(f.Sids) == 0 {
		return nil
	}
	return []string{s.Among(v.sid, f.Sids)}
}

// timeForm are versions that were written at some times.
type timeForm struct {
	Ledger  int64           // of the versions
	Updated []sets.Interval // lastUpdated in one of these, microseconds
	Spans   []sets.Interval // the same as Sids, which ascend with the time
}

func (t *timeForm) size() int { return len(t.Updated) }

func (t *timeForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, u := range t.Updated {
		parts = append(parts, "select t.sid as sid from "+s.Table("version")+" t where t.ledger = "+s.Arg(t.Ledger)+
			" and t.at >= "+s.Arg(u.Low)+" and t.at <= "+s.Arg(u.High)+" and t.sid <= "+s.Arg(keys.SnapshotOf(before)))
	}
	return parts
}

func (t *timeForm) probe(s *sql.Statement, v probedVersion, _ int64) (parts []string) {
	for _, r := range t.Spans {
		parts = append(parts, v.sid+" between "+s.Arg(r.Low)+" and "+s.Arg(r.High))
	}
	return parts
}

// updatedIntervals are the times of lastUpdated that a value finds: a version's own range is [t, t+LastUpdatedWidth).
func updatedIntervals(v projections.Value) []sets.Interval {
	const width = projections.LastUpdatedWidth
	s, e := v.Start, v.End
	var found []sets.Interval
	lo, hi := projections.MinTime-width, projections.MaxTime+width
	switch v.Prefix {
	case projections.Ne:
		found = []sets.Interval{{Low: lo, High: s - 1}, {Low: max(s, e-width+1), High: hi}}
	case projections.Gt:
		found = []sets.Interval{{Low: e - width + 1, High: hi}}
	case projections.Lt:
		found = []sets.Interval{{Low: lo, High: s - 1}}
	case projections.Ge:
		found = []sets.Interval{{Low: min(s, e-width+1), High: hi}}
	case projections.Le:
		found = []sets.Interval{{Low: lo, High: max(s-1, e-width)}}
	case projections.Sa:
		found = []sets.Interval{{Low: e, High: hi}}
	case projections.Eb:
		found = []sets.Interval{{Low: lo, High: s - width}}
	case projections.Ap:
		found = []sets.Interval{{Low: s - width + 1, High: e - 1}}
	default:
		found = []sets.Interval{{Low: s, High: e - width}}
	}
	kept := found[:0]
	for _, i := range found {
		if i.Low <= i.High {
			kept = append(kept, i)
		}
	}
	return kept
}
