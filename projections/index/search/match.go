package search

import (
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// match is a version found, with what its place in the order needs.
type match struct {
	rows.Stored
	phase  phase
	coding int64
}

func (m *match) place() place {
	p := place{phase: m.phase, sid: m.Sid, coding: m.coding}
	if p.phase == start {
		p.phase = byValue
	}
	return p
}

// matches runs a statement whose columns are storedColumns, then more integers that take is given.
func (x *search) matches(s *sql.Statement, sql string, phase phase, extra int, take func(m *match, extra []int64)) ([]match, error) {
	var found []match
	more := make([]int64, extra)
	err := x.Query(s, sql, func(scan func(...any) error) error {
		m := match{phase: phase}
		into := m.Fields()
		for i := range more {
			into = append(into, &more[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		if take != nil {
			take(&m, more)
		}
		found = append(found, m)
		return nil
	})
	return found, err
}
