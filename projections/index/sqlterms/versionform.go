package sqlterms

import "binnacle/projections/index/sql"

// versionForm are versions by their Sids.
type versionForm struct {
	byID    bool
	sids    []int64 // byID
	current bool    // byID: each of them stands there once, and is current at the snapshot
}

func (f *versionForm) size() int { return len(f.sids) }

func (f *versionForm) rows(s *sql.Statement, _ int64) []string {
	if len(f.sids) == 0 {
		return nil
	}
	return []string{"select t.sid as sid from " + s.Table("version") + " t where t.sid " + s.In(f.sids)}
}

func (f *versionForm) probe(s *sql.Statement, v probedVersion, _ int64) []string {
	if len(f.sids) == 0 {
		return nil
	}
	return []string{s.Among(v.sid, f.sids)}
}
