package keys

import "binnacle/projections"

// Slots is up to which number of values, of which more than one component is left, a version may have of a parameter
// that is searched.
const Slots = 64

// Part is the key of a component as a parameter: the dictionary of its codings and units.
func (h *Hasher) Part(param int64, at int) int64 {
	return h.Begin().Role(rolePart).Key(param).Key(int64(at)).Sum()
}

// CompositeOf is the key that a composite parameter with components of these kinds begins with.
func (h *Hasher) CompositeOf(param int64, kinds []projections.Kind) int64 {
	h.Begin().Role(roleComposite).Key(param)
	for _, k := range kinds {
		h.Role(Role(k))
	}
	return h.Sum()
}

// With adds what one more component says.
func (h *Hasher) With(key, part int64) int64 {
	return h.Begin().Role(roleComposite).Key(key).Key(part).Sum()
}

// Slot is the key of a component that is left, of the value in a slot.
func (h *Hasher) Slot(key int64, at, slot int) int64 {
	return h.Begin().Role(RoleSlot).Key(key).Key(int64(at)).Key(int64(slot)).Sum()
}

// IsEquality tells whether components of a kind are compared for equality, and so are part of the key.
func IsEquality(k projections.Kind) bool { return k == projections.Token || k == projections.Reference }
