package sqlterms

import (
	"slices"

	"binnacle/projections"
)

// kept are the parameters under which the terms of one stand.
func (h *hasher) kept(ledger int64, code string, shares []projections.Share) []int64 {
	if len(shares) == 0 || shares[0].Types != nil {
		return []int64{h.param(ledger, code)}
	}
	params := make([]int64, len(shares))
	for i, s := range shares {
		params[i] = h.param(ledger, s.Param)
	}
	return params
}

// keptFor is the parameter under which a reference's relative references to a type stand.
func (h *hasher) keptFor(ledger int64, code string, shares []projections.Share, target string) int64 {
	for _, s := range shares {
		if s.Types == nil || slices.Contains(s.Types, target) {
			return h.param(ledger, s.Param)
		}
	}
	return h.param(ledger, code)
}

// insideMark marks a name of contained resources in the dictionary.
func (h *hasher) insideMark(ledger int64, name string) int64 {
	return h.of(h.param(ledger, name), roleInside)
}
