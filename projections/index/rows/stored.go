package rows

import (
	"time"

	"binnacle/events"
	"binnacle/projections"
)

// Stored is what a version's row tells of it, apart from tenant and type, in the order of [StoredColumns].
type Stored struct {
	Sid, Number, Offset, Change, At, Deleted int64
	ID                                       string
	Hash                                     []byte
}

// StoredColumns are the columns of a Stored, of a version's row as v.
const StoredColumns = "v.sid, v.id, v.number, v.log_offset, v.change, v.at, v.hash, v.deleted"

// Fields are what the columns are scanned into.
func (m *Stored) Fields() []any {
	return []any{&m.Sid, &m.ID, &m.Number, &m.Offset, &m.Change, &m.At, &m.Hash, &m.Deleted}
}

// Version is the version, which is one of a tenant and type.
func (m *Stored) Version(tenant, resourceType string) projections.Version {
	v := projections.Version{
		Key:      projections.Key{Tenant: tenant, Type: resourceType, ID: m.ID},
		Sid:      m.Sid,
		Number:   m.Number,
		Position: events.Position{Partition: int32(m.Sid >> projections.SidBits), Offset: m.Offset},
		Change:   int(m.Change),
		Posted:   m.Change < 0,
		Time:     time.UnixMicro(m.At).UTC(),
		Deleted:  m.Deleted != 0,
	}
	if v.Posted {
		v.Change = int(^m.Change)
	}
	copy(v.Hash[:], m.Hash)
	return v
}

// ChangeColumn is what stands in the column change: the index of the version's change in its event, and its
// complement when it was posted.
func ChangeColumn(v *projections.Version) int64 {
	if v.Posted {
		return int64(^v.Change)
	}
	return int64(v.Change)
}
