package sqlterms

// view is what the search sees of the sets; nil where they can't tell of its snapshot: one that is not committed would end what they know where nothing is.
func (x *search) view() *setView {
	if x.seen == nil && x.Sets != nil && x.committed && x.holdable() {
		x.seen = x.Sets.open(&x.at)
	}
	return x.seen
}
