package sqlterms

import "binnacle/projections"

// slots is up to which number of values, of which more than one component is left, a version may have of a parameter that is searched.
const slots = 64

// part is the key of a component as a parameter: the dictionary of its codings and units.
func (h *hasher) part(param int64, at int) int64 {
	return h.begin().role(rolePart).key(param).key(int64(at)).sum()
}

// compositeOf is the key that a composite parameter with components of these kinds begins with.
func (h *hasher) compositeOf(param int64, kinds []projections.Kind) int64 {
	h.begin().role(roleComposite).key(param)
	for _, k := range kinds {
		h.role(role(k))
	}
	return h.sum()
}

// with adds what one more component says.
func (h *hasher) with(key, part int64) int64 {
	return h.begin().role(roleComposite).key(key).key(part).sum()
}

// slot is the key of a component that is left, of the value in a slot.
func (h *hasher) slot(key int64, at, slot int) int64 {
	return h.begin().role(roleSlot).key(key).key(int64(at)).key(int64(slot)).sum()
}

// isEquality tells whether components of a kind are compared for equality, and so are part of the key.
func isEquality(k projections.Kind) bool { return k == projections.Token || k == projections.Reference }
