package search

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// A place is where a page ended: the Sid of its last version, from which everything else is looked up, so that a page token holds
// nothing of what is in the records. Its written form is, in base64url without padding:
//
//	1 byte    form, 1
//	1 byte    phase
//	varint    Sid
//	8 bytes   key of the coding, in phase byCoding alone
//	4 bytes   check: of what stands before, and of tenant, type and sort of the query
type place struct {
	phase  phase
	sid    int64
	coding int64
}

// phase is the part of an order that a page ended in.
type phase byte

const (
	start     phase = iota // before the first page
	byValue                // versions that have a value to be sorted by; all of them when the order needs none
	byCoding               // the same in an order by token
	byMissing              // those that have none come last
)

const placeForm = 1

func placeCheck(q *projections.Query, written []byte) uint32 {
	var h keys.Hasher
	h.Begin().Text(string(written)).Text(q.Tenant).Text(q.Type)
	for _, k := range q.Sort {
		h.Text(k.Param).Role(keys.Role(k.Kind))
		if k.Descending {
			h.Text("-")
		}
	}
	return uint32(xxhash.Sum64(h.Buffer))
}

func (p place) token(q *projections.Query) string {
	b := []byte{placeForm, byte(p.phase)}
	b = binary.AppendUvarint(b, uint64(p.sid))
	if p.phase == byCoding {
		b = binary.LittleEndian.AppendUint64(b, uint64(p.coding))
	}
	b = binary.LittleEndian.AppendUint32(b, placeCheck(q, b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parsePlace reads a page token of this query; an error is of kind Invalid.
func parsePlace(q *projections.Query) (place, error) {
	if q.Beyond != nil {
		if len(q.Sort) != 1 || q.Sort[0].Param != projections.ParamLastUpdated && q.Sort[0].Param != projections.ParamID {
			return place{}, events.Errorf(events.Invalid, "index.Search", "a page can begin behind a version of any type in an order by _lastUpdated or _id alone")
		}
		return place{phase: byValue, sid: q.Beyond.Sid}, nil
	}
	if q.After == "" {
		return place{}, nil
	}
	bad := func() (place, error) {
		return place{}, events.Errorf(events.Invalid, "index.Search", "the page token is not one of this search; take the link of the page before as it is, or start again without it")
	}
	if len(q.After) > 64 {
		return bad()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	if err != nil || len(b) < 7 || b[0] != placeForm {
		return bad()
	}
	body := b[:len(b)-4]
	if binary.LittleEndian.Uint32(b[len(body):]) != placeCheck(q, body) {
		return bad()
	}
	p := place{phase: phase(body[1])}
	sid, n := binary.Uvarint(body[2:])
	if n <= 0 || int64(sid) <= 0 {
		return bad()
	}
	p.sid = int64(sid)
	rest := body[2+n:]
	switch {
	case p.phase == byCoding && len(rest) == 8:
		p.coding = int64(binary.LittleEndian.Uint64(rest))
	case (p.phase == byValue || p.phase == byMissing) && len(rest) == 0:
	default:
		return bad()
	}
	if p.token(q) != q.After { // base64 passes over line ends, varints have long forms
		return bad()
	}
	return p, nil
}
