package search

import (
	"math"

	"binnacle/projections/index/sets"
)

// view is what the search sees of the sets; nil where they can't tell of its snapshot: one that is not committed would end what they know where nothing is, and they hold Sids as 32 bits.
func (x *search) view() *sets.View {
	if x.seen == nil && x.Sets != nil && x.committed && x.Snapshot >= x.Origin() && x.Snapshot-x.Origin() < math.MaxUint32 {
		x.seen = x.Sets.Open(&x.At)
	}
	return x.seen
}
