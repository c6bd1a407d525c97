package sqlterms

import (
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Stored is what a version's row tells of it, apart from tenant and type, in the order of [storedColumns].
type Stored struct {
	sid, number, offset, change, at, deleted int64
	id                                       string
	hash                                     []byte
}

// storedColumns are the columns of a Stored, of a version's row as v.
const storedColumns = "v.sid, v.id, v.number, v.log_offset, v.change, v.at, v.hash, v.deleted"

// fields are what the columns are scanned into.
func (m *Stored) fields() []any {
	return []any{&m.sid, &m.id, &m.number, &m.offset, &m.change, &m.at, &m.hash, &m.deleted}
}

// version is the version, which is one of a tenant and type.
func (m *Stored) version(tenant, resourceType string) projections.Version {
	v := projections.Version{
		Key:      projections.Key{Tenant: tenant, Type: resourceType, ID: m.id},
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
