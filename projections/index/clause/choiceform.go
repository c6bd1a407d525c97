package clause

import "binnacle/projections/index/sql"

// choiceForm are the versions that one of some groups of clauses finds.
type choiceForm struct{ Choice []*Group }

func (c *choiceForm) size() int { return len(c.Choice) }

func (c *choiceForm) Rows(s *sql.Statement, before int64) (parts []string) {
	for _, g := range c.Choice {
		parts = append(parts, g.Rows(s, before))
	}
	return parts
}

func (c *choiceForm) Probe(s *sql.Statement, v probedVersion, before int64) (parts []string) {
	for _, g := range c.Choice {
		parts = append(parts, g.Probe(s, v.sid, v.ref, v.main, before))
	}
	return parts
}
