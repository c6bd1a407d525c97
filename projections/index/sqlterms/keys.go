package sqlterms

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// A key is the xxhash64 of what a row stands for: tenant, type, parameter, role and value. Every part is preceded by its length, so
// two different lists of parts never hash the same bytes. Sixty-four bits leave collisions improbable, not impossible: tenant and
// type are checked again on the version row, through the ledger table, which holds their names.
type hasher struct{ buffer []byte }

func (h *hasher) begin() *hasher {
	h.buffer = h.buffer[:0]
	return h
}

func (h *hasher) text(s string) *hasher {
	h.buffer = binary.AppendUvarint(h.buffer, uint64(len(s)))
	h.buffer = append(h.buffer, s...)
	return h
}

func (h *hasher) key(k int64) *hasher {
	h.buffer = binary.LittleEndian.AppendUint64(h.buffer, uint64(k))
	return h
}

func (h *hasher) role(r role) *hasher {
	h.buffer = append(h.buffer, byte(r))
	return h
}

func (h *hasher) sum() int64 { return int64(xxhash.Sum64(h.buffer)) }

// role keeps the keys of one parameter apart that stand for different things.
type role byte

const (
	roleLedger      role = 1 + iota // a type of a tenant: the type list
	_                               // was: the list of its versions by lastUpdated
	roleParam                       // a parameter: the dictionary of its codings, or of its target types
	roleValue                       // a token, a relative reference, an absolute one
	roleUnversioned                 // a canonical reference with version, without it
	roleIdentifiers                 // the dictionary of a reference's identifiers
	roleIdentifier                  // a Reference.identifier
	roleShort                       // a range of at most shortSpan, or a point
	roleLong                        // a longer range, by its start
	roleEnd                         // a longer range, by its end
	roleUnits                       // the dictionary of a quantity's units by code
	rolePrinted                     // the dictionary of a quantity's units as printed
	roleUnit                        // a quantity in one unit; short, long and end are derived from it
	roleText                        // a string or a uri
	roleShape                       // a set of parameters
	roleUnaligned                   // the mark of a date parameter that is not the main date of its type
	roleResource                    // a resource, whatever its version
	rolePart                        // a component of a composite parameter
	roleComposite                   // a composite parameter, and what some of its components say together
	roleSlot                        // the place of a composite value among those of its version
	roleSeveral                     // the mark of a date parameter of which some version has more than one value
	roleMarked                      // the mark of a partition whose versions have set roleSeveral from the first one on
	roleInside                      // the mark of a name of contained resources
)

// Ledger is the key of a type of a tenant. Every version row carries it.
func Ledger(tenant, resourceType string) int64 {
	var h hasher
	return h.ledgerOf(tenant, resourceType)
}

func (h *hasher) ledgerOf(tenant, resourceType string) int64 {
	return h.begin().role(roleLedger).text(tenant).text(resourceType).sum()
}

func (h *hasher) param(ledger int64, code string) int64 {
	return h.begin().role(roleParam).key(ledger).text(code).sum()
}

// of derives the key of a role from the one it belongs to.
func (h *hasher) of(key int64, r role) int64 { return h.begin().role(r).key(key).sum() }

func (h *hasher) value(param int64, r role, system, code string) int64 {
	return h.begin().role(r).key(param).text(system).text(code).sum()
}

// resource is the key of a resource: the rows of all its versions have it.
func (h *hasher) resource(ledger int64, id string) int64 {
	return h.begin().role(roleResource).key(ledger).text(id).sum()
}

// refer is the key of a parameter's reference to a resource. Unlike other keys it is made of two by a step that SQL can do, too, so that
// a statement can go from a resource to what refers to it and back; see statement.refer.
func refer(param, resource int64) int64 { return param ^ resource }

func (h *hasher) unit(param int64, system, code, printed string) int64 {
	return h.begin().role(roleUnit).key(param).text(system).text(code).text(printed).sum()
}

// ordered maps a float to an integer of the same order: -0 is 0, the infinities are the outermost, NaN is not asked.
func ordered(f float64) int64 {
	bits := int64(math.Float64bits(f + 0)) // -0 + 0 is 0
	if bits < 0 {
		return math.MinInt64 - bits
	}
	return bits
}

// isID tells whether a reference's code can be the id of a resource; otherwise it is a URL.
func isID(code string) bool {
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

// shortSpan is the width up to which a date range counts as short, in microseconds: a day. A short range is found from its start
// alone, because its end is near.
const shortSpan = 24 * 3_600 * 1_000_000
