package step

import (
	"binnacle/projections/index/rows"
	"binnacle/projections/index/sql"
)

// Match is a version found, with what its place in the order needs.
type Match struct {
	rows.Stored
	Phase  Phase
	Coding int64
}

func (m *Match) Place() Place {
	p := Place{Phase: m.Phase, Sid: m.Sid, Coding: m.Coding}
	if p.Phase == Start {
		p.Phase = ByValue
	}
	return p
}

// matches runs a statement whose columns are rows.StoredColumns, then more integers that take is given.
func (x *Whole) matches(
	s *sql.Statement, sql string, phase Phase, extra int, take func(m *Match, extra []int64),
) ([]Match, error) {
	var found []Match
	more := make([]int64, extra)
	err := x.Query(s, sql, func(scan func(...any) error) error {
		m := Match{Phase: phase}
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
