package clause

import "binnacle/projections/index/sql"

// versionForm are versions by their Sids.
type versionForm struct {
	ByID    bool
	Sids    []int64 // byID
	Current bool    // byID: each of them stands there once, and is current at the snapshot
}

func (f *versionForm) size() int { return len(f.Sids) }

func (f *versionForm) Rows(s *sql.Statement, _ int64) []string {
	if len(f.Sids) == 0 {
		return nil
	}
	return []string{"select t.sid as sid from " + s.Table("version") + " t where t.sid " + s.In(f.Sids)}
}

func (f *versionForm) Probe(s *sql.Statement, v probedVersion, _ int64) []string {
	if len(f.Sids) == 0 {
		return nil
	}
	return []string{s.Among(v.sid, f.Sids)}
}
