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
	posted, patched, change := readChange(m.Change)
	v := projections.Version{
		Key:      projections.Key{Tenant: tenant, Type: resourceType, ID: m.ID},
		Sid:      m.Sid,
		Number:   m.Number,
		Position: events.Position{Partition: int32(m.Sid >> projections.SidBits), Offset: m.Offset},
		Change:   change,
		Posted:   posted,
		Patched:  patched,
		Time:     time.UnixMicro(m.At).UTC(),
		Deleted:  m.Deleted != 0,
	}
	copy(v.Hash[:], m.Hash)
	return v
}

// patchedBit stands in the column change of a version that a patch asked for, above every index of a change.
const patchedBit = 1 << 30

// ChangeColumn is what stands in the column change: the index of the version's change in its event, with patchedBit
// when it was patched, and the complement of it all when it was posted.
func ChangeColumn(v *projections.Version) int64 {
	column := int64(v.Change)
	if v.Patched {
		column |= patchedBit
	}
	if v.Posted {
		return ^column
	}
	return column
}

// readChange reads what ChangeColumn has written.
func readChange(column int64) (posted, patched bool, change int) {
	if posted = column < 0; posted {
		column = ^column
	}
	return posted, column&patchedBit != 0, int(column &^ patchedBit)
}
