package step

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"binnacle/events"
	"binnacle/projections"
	"binnacle/projections/index/keys"
)

// A Place is where a page ended: the Sid of its last version, from which everything else is looked up, so that a page
// token holds nothing of what is in the records. Its written form is, in base64url without padding:
//
//	1 byte    form, 1
//	1 byte    phase
//	varint    Sid
//	8 bytes   key of the coding, in phase byCoding alone
//	4 bytes   check: of what stands before, and of tenant, type and sort of the query
type Place struct {
	Phase  Phase
	Sid    int64
	Coding int64
}

// Phase is the part of an order that a page ended in.
type Phase byte

const (
	Start     Phase = iota // before the first page
	ByValue                // versions that have a value to be sorted by; all of them when the order needs none
	byCoding               // the same in an order by token
	ByMissing              // those that have none come last
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

func (p Place) Token(q *projections.Query) string {
	b := []byte{placeForm, byte(p.Phase)}
	b = binary.AppendUvarint(b, uint64(p.Sid))
	if p.Phase == byCoding {
		b = binary.LittleEndian.AppendUint64(b, uint64(p.Coding))
	}
	b = binary.LittleEndian.AppendUint32(b, placeCheck(q, b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParsePlace reads a page token of this query; an error is of kind Invalid.
func ParsePlace(q *projections.Query) (Place, error) {
	if q.Beyond != nil {
		if len(q.Sort) != 1 || q.Sort[0].Param != projections.ParamLastUpdated &&
			q.Sort[0].Param != projections.ParamID {
			return Place{}, events.Errorf(events.Invalid, "index.Search",
				"a page can begin behind a version of any type in an order by _lastUpdated or _id alone")
		}
		return Place{Phase: ByValue, Sid: q.Beyond.Sid}, nil
	}
	if q.After == "" {
		return Place{}, nil
	}
	bad := func() (Place, error) {
		return Place{}, events.Errorf(events.Invalid, "index.Search", "the page token is not one of this search; "+
			"take the link of the page before as it is, or start again without it")
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
	p := Place{Phase: Phase(body[1])}
	sid, n := binary.Uvarint(body[2:])
	if n <= 0 || int64(sid) <= 0 {
		return bad()
	}
	p.Sid = int64(sid)
	rest := body[2+n:]
	switch {
	case p.Phase == byCoding && len(rest) == 8:
		p.Coding = int64(binary.LittleEndian.Uint64(rest))
	case (p.Phase == ByValue || p.Phase == ByMissing) && len(rest) == 0:
	default:
		return bad()
	}
	if p.Token(q) != q.After { // base64 passes over line ends, varints have long forms
		return bad()
	}
	return p, nil
}
