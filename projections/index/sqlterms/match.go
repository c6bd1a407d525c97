package sqlterms

import (
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// match is a version found, with what its place in the order needs.
type match struct {
	sid, number, offset, change, at, deleted int64
	id                                       string
	hash                                     []byte
	phase                                    phase
	coding                                   int64
}

const matchColumns = "v.sid, v.id, v.number, v.log_offset, v.change, v.at, v.hash, v.deleted"

func (m *match) fields() []any {
	return []any{&m.sid, &m.id, &m.number, &m.offset, &m.change, &m.at, &m.hash, &m.deleted}
}

func (m *match) place() place {
	p := place{phase: m.phase, sid: m.sid, coding: m.coding}
	if p.phase == start {
		p.phase = byValue
	}
	return p
}

func (m *match) version(q *projections.Query) projections.Version {
	v := projections.Version{
		Key:      projections.Key{Tenant: q.Tenant, Type: q.Type, ID: m.id},
		Sid:      m.sid,
		Number:   m.number,
		Position: events.Position{Partition: int32(m.sid >> projections.SidBits), Offset: m.offset},
		Change:   int(m.change),
		Posted:   m.change < 0,
		Time:     time.UnixMicro(m.at).UTC(),
		Deleted:  m.deleted != 0,
	}
	if v.Posted {
		v.Change = int(^m.change)
	}
	copy(v.Hash[:], m.hash)
	return v
}

// ChangeColumn is what stands in the column change: the index of the version's change in its event, and its complement when it was posted.
func ChangeColumn(v *projections.Version) int64 {
	if v.Posted {
		return int64(^v.Change)
	}
	return int64(v.Change)
}

// matches runs a statement whose columns are matchColumns, then more integers that take is given.
func (x *search) matches(s *statement, sql string, phase phase, extra int, take func(m *match, extra []int64)) ([]match, error) {
	var found []match
	more := make([]int64, extra)
	err := x.query(s, sql, func(scan func(...any) error) error {
		m := match{phase: phase}
		into := m.fields()
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
