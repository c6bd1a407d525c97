package clause

import "binnacle/projections/index/sql"

// linkForm are versions that refer to others, or that others refer to. What else an access has then finds those that
// contain what is described.
type linkForm struct {
	Follow   *followed // nil: no reference is followed
	inner    bool      // versions have contained what may be described
	Resolved bool      // the keys or Sids of the access are all that it finds
	Few      bool      // of Resolved: so few that a version is held against them, and its references are not followed
	Common   bool      // it finds more than are read before a search
	Late     bool      // what it finds is looked up when a walk that asks each version has not filled the page
}

// size leaves out what follows references: that is no row of a version.
func (*linkForm) size() int { return 0 }

func (l *linkForm) rows(s *sql.Statement, before int64) []string {
	if l.Follow == nil || l.Resolved {
		return nil
	}
	return l.Follow.Rows(s, before)
}

func (l *linkForm) probe(s *sql.Statement, v probedVersion, before int64) []string {
	if l.Follow == nil || l.Few {
		return nil
	}
	return l.Follow.probe(s, v.sid, before)
}

// choiceForm are the versions that one of some groups of clauses finds.
type choiceForm struct{ Choice []*Group }

func (c *choiceForm) size() int { return len(c.Choice) }

func (c *choiceForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, g := range c.Choice {
		parts = append(parts, g.rows(s, before))
	}
	return parts
}

func (c *choiceForm) probe(s *sql.Statement, v probedVersion, before int64) (parts []string) {
	for _, g := range c.Choice {
		parts = append(parts, g.probe(s, v.sid, v.ref, v.main, before))
	}
	return parts
}
