package keys

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Hasher makes keys. A key is the xxhash64 of what a row stands for: tenant, type, parameter, role and value. Every
// text is preceded by its length, so two different lists of parts never hash the same bytes. Sixty-four bits leave
// collisions improbable, not impossible: tenant and type are checked again on the version row, through the ledger
// table, which holds their names.
type Hasher struct{ Buffer []byte }

func (h *Hasher) Begin() *Hasher {
	h.Buffer = h.Buffer[:0]
	return h
}

func (h *Hasher) Text(s string) *Hasher {
	h.Buffer = binary.AppendUvarint(h.Buffer, uint64(len(s)))
	h.Buffer = append(h.Buffer, s...)
	return h
}

func (h *Hasher) Key(k int64) *Hasher {
	h.Buffer = binary.LittleEndian.AppendUint64(h.Buffer, uint64(k))
	return h
}

func (h *Hasher) Role(r Role) *Hasher {
	h.Buffer = append(h.Buffer, byte(r))
	return h
}

func (h *Hasher) Sum() int64 { return int64(xxhash.Sum64(h.Buffer)) }

// Role keeps the keys of one parameter apart that stand for different things.
type Role byte

const (
	roleLedger      Role = 1 + iota // a type of a tenant: the type list
	_                               // was: the list of its versions by lastUpdated
	roleParam                       // a parameter: the dictionary of its codings, or of its target types
	RoleValue                       // a token, a relative reference, an absolute one
	RoleUnversioned                 // a canonical reference with version, without it
	RoleIdentifiers                 // the dictionary of a reference's identifiers
	RoleIdentifier                  // a Reference.identifier
	RoleShort                       // a range of at most ShortSpan, or a point
	RoleLong                        // a longer range, by its start
	RoleEnd                         // a longer range, by its end
	RoleUnits                       // the dictionary of a quantity's units by code
	RolePrinted                     // the dictionary of a quantity's units as printed
	roleUnit                        // a quantity in one unit; short, long and end are derived from it
	RoleText                        // a string or a uri
	RoleShape                       // a set of parameters
	RoleUnaligned                   // the mark of a date parameter that is not the main date of its type
	roleResource                    // a resource, whatever its version
	rolePart                        // a component of a composite parameter
	roleComposite                   // a composite parameter, and what some of its components say together
	RoleSlot                        // the place of a composite value among those of its version
	RoleSeveral                     // the mark of a date parameter of which some version has more than one value
	RoleMarked                      // the mark of a partition that has set RoleSeveral from its first version on
	roleInside                      // the mark of a name of contained resources
)

// Ledger is the key of a type of a tenant. Every version row carries it.
func Ledger(tenant, resourceType string) int64 {
	var h Hasher
	return h.LedgerOf(tenant, resourceType)
}

func (h *Hasher) LedgerOf(tenant, resourceType string) int64 {
	return h.Begin().Role(roleLedger).Text(tenant).Text(resourceType).Sum()
}

func (h *Hasher) Param(ledger int64, code string) int64 {
	return h.Begin().Role(roleParam).Key(ledger).Text(code).Sum()
}

// Of derives the key of a role from the one it belongs to.
func (h *Hasher) Of(key int64, r Role) int64 { return h.Begin().Role(r).Key(key).Sum() }

func (h *Hasher) Value(param int64, r Role, system, code string) int64 {
	return h.Begin().Role(r).Key(param).Text(system).Text(code).Sum()
}

// Resource is the key of a resource: the rows of all its versions have it.
func (h *Hasher) Resource(ledger int64, id string) int64 {
	return h.Begin().Role(roleResource).Key(ledger).Text(id).Sum()
}

// Refer is the key of a parameter's reference to a resource. Unlike other keys it is made of two by a step that SQL
// can do, too, so that a statement can go from a resource to what refers to it and back; see sql.Statement.Refer.
func Refer(param, resource int64) int64 { return param ^ resource }

func (h *Hasher) Unit(param int64, system, code, printed string) int64 {
	return h.Begin().Role(roleUnit).Key(param).Text(system).Text(code).Text(printed).Sum()
}

// Ordered maps a float to an integer of the same order: -0 is 0, the infinities are the outermost, NaN is not asked.
func Ordered(f float64) int64 {
	bits := int64(math.Float64bits(f + 0)) // -0 + 0 is 0
	if bits < 0 {
		return math.MinInt64 - bits
	}
	return bits
}

// IsID tells whether a reference's code can be the id of a resource; otherwise it is a URL.
func IsID(code string) bool {
	if len(code) == 0 || len(code) > 64 {
		return false
	}
	for i := range len(code) {
		c := code[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

// ShortSpan is the width up to which a date range counts as short, in microseconds: a day. A short range is found
// from its start alone, because its end is near.
const ShortSpan = 24 * 3_600 * 1_000_000
