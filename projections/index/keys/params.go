package keys

import (
	"slices"

	"binnacle/projections"
)

// Kept are the parameters under which the terms of one stand.
func (h *Hasher) Kept(ledger int64, code string, shares []projections.Share) []int64 {
	if len(shares) == 0 || shares[0].Types != nil {
		return []int64{h.Param(ledger, code)}
	}
	params := make([]int64, len(shares))
	for i, s := range shares {
		params[i] = h.Param(ledger, s.Param)
	}
	return params
}

// KeptFor is the parameter under which a reference's relative references to a type stand.
func (h *Hasher) KeptFor(ledger int64, code string, shares []projections.Share, target string) int64 {
	for _, s := range shares {
		if s.Types == nil || slices.Contains(s.Types, target) {
			return h.Param(ledger, s.Param)
		}
	}
	return h.Param(ledger, code)
}

// InsideMark marks a name of contained resources in the dictionary.
func (h *Hasher) InsideMark(ledger int64, name string) int64 {
	return h.Of(h.Param(ledger, name), roleInside)
}
