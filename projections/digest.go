package projections

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"binnacle/events"
)

// Digest is a SHA-256 over everything that a row says: the version and its terms. The order of the terms doesn't
// count, nor how often one comes. Posted and Patched are left out: older rows don't say them, and a rebuild that tells
// them must have the same digest.
func (r *Row) Digest() events.Hash {
	var d Digester
	return d.Digest(r)
}

// Digester makes the digests of many rows in the same memory: every row that is written comes here.
type Digester struct {
	said  []byte
	order []*Term
}

// Digest is [Row.Digest].
func (d *Digester) Digest(r *Row) events.Hash {
	b := appendText(d.said[:0], r.Tenant, r.Type, r.ID)
	b = appendNumbers(b, r.Sid, r.Number, int64(r.Position.Partition), r.Position.Offset, int64(r.Change),
		r.Time.UnixMilli(), r.Supersedes, r.MainDate)
	b = append(b, r.Hash[:]...)
	if r.Deleted {
		b = append(b, 1)
	}
	terms := d.order[:0]
	for i := range r.Terms {
		terms = append(terms, &r.Terms[i])
	}
	slices.SortFunc(terms, compareTerms)
	for i := range terms {
		if i == 0 || compareTerms(terms[i-1], terms[i]) != 0 {
			b = appendTerm(b, terms[i])
		}
	}
	d.said, d.order = b, terms
	return sha256.Sum256(b)
}

// Roll is the digest of a partition after one more row. It doesn't depend on how rows were divided into commits.
func Roll(before, row events.Hash) events.Hash {
	var both [2 * len(events.Hash{})]byte
	copy(both[:], before[:])
	copy(both[len(before):], row[:])
	return sha256.Sum256(both[:])
}

func appendText(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return b
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func appendTerm(b []byte, t *Term) []byte {
	identifier := byte(0)
	if t.Identifier {
		identifier = 1
	}
	if t.Shared {
		identifier |= 2
	}
	b = append(b, byte(t.Kind), identifier)
	b = appendText(b, t.Param, t.System, t.Code, t.Text)
	b = appendNumbers(b, t.Start, t.End, int64(math.Float64bits(t.Low)), int64(math.Float64bits(t.High)),
		int64(len(t.Parts)))
	for i := range t.Parts {
		b = appendTerm(b, &t.Parts[i])
	}
	return b
}

// compareTerms orders terms. What tells most of them apart comes first, and nothing is compared that need not be.
func compareTerms(a, b *Term) int {
	if c := strings.Compare(a.Param, b.Param); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	if c := strings.Compare(a.System, b.System); c != 0 {
		return c
	}
	if c := strings.Compare(a.Code, b.Code); c != 0 {
		return c
	}
	if c := strings.Compare(a.Text, b.Text); c != 0 {
		return c
	}
	if c := cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Low, b.Low),
		cmp.Compare(a.High, b.High)); c != 0 {
		return c
	}
	if a.Identifier != b.Identifier {
		if b.Identifier {
			return -1
		}
		return 1
	}
	for i := range min(len(a.Parts), len(b.Parts)) {
		if c := compareTerms(&a.Parts[i], &b.Parts[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a.Parts), len(b.Parts))
}
