package sqlterms

import "binnacle/projections/index/sql"

// choiceForm are the versions that one of some groups of clauses finds.
type choiceForm struct{ choice []*group }

func (c *choiceForm) size() int { return len(c.choice) }

func (c *choiceForm) rows(s *sql.Statement, before int64) (parts []string) {
	for _, g := range c.choice {
		parts = append(parts, g.rows(s, before))
	}
	return parts
}

func (c *choiceForm) probe(s *sql.Statement, v probedVersion, before int64) (parts []string) {
	for _, g := range c.choice {
		parts = append(parts, g.probe(s, v.sid, v.ref, v.main, before))
	}
	return parts
}
