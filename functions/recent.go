package functions

// Recent remembers what was set last: the last Least values at the least, and twice as many at the most. The zero
// Recent but for Least is ready. Its methods must not be called side by side.
type Recent[K comparable, V any] struct {
	Least int

	young, old map[K]V
}

// Set remembers a value.
func (r *Recent[K, V]) Set(key K, value V) {
	if r.young == nil || len(r.young) >= r.Least {
		r.young, r.old = make(map[K]V), r.young
	}
	r.young[key] = value
}

// Get returns the value that was set last, when it is remembered.
func (r *Recent[K, V]) Get(key K) (value V, remembered bool) {
	if value, remembered = r.young[key]; !remembered {
		value, remembered = r.old[key]
	}
	return value, remembered
}

// Delete forgets one value.
func (r *Recent[K, V]) Delete(key K) {
	delete(r.young, key)
	delete(r.old, key)
}

// Clear forgets all values.
func (r *Recent[K, V]) Clear() { r.young, r.old = nil, nil }
