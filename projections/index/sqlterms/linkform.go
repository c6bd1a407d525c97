package sqlterms

import "binnacle/projections/index/sql"

// linkForm are versions that refer to others, or that others refer to. What else an access has then finds those that
// contain what is described.
type linkForm struct {
	follow   *followed // nil: no reference is followed
	inner    bool      // versions have contained what may be described
	resolved bool      // the keys or Sids of the access are all that it finds
	few      bool      // resolved: so few that a version is held against them, and its references are not followed
	common   bool      // it finds more than are read before a search
	late     bool      // what it finds is looked up when a walk that asks each version has not filled the page
}

// size leaves out what follows references: that is no row of a version.
func (*linkForm) size() int { return 0 }

func (l *linkForm) rows(s *sql.Statement, before int64) []string {
	if l.follow == nil || l.resolved {
		return nil
	}
	return l.follow.rows(s, before)
}

func (l *linkForm) probe(s *sql.Statement, v probedVersion, before int64) []string {
	if l.follow == nil || l.few {
		return nil
	}
	return l.follow.probe(s, v.sid, before)
}
