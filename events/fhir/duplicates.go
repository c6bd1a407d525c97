package fhir

import (
	"bytes"
	"hash/maphash"

	"binnacle/events"
)

// fewKeys is up to how many keys comparing each with each is cheaper than a table.
const fewKeys = 16

// checkKeys looks for two equal keys in the object of f, which is complete but for its end word. Keys are compared
// unescaped: "id" and "\u0069d" are the same.
func (p *parser) checkKeys(f *frame) *events.Error {
	if f.count > fewKeys {
		return p.checkManyKeys(f)
	}
	var keys [fewKeys]word
	n := 0
	for k := f.open + 1; k < len(p.tape); k = after(p.tape, k+1) {
		for _, other := range keys[:n] {
			if p.sameKey(p.tape[k], other) {
				return p.duplicate(f, k)
			}
		}
		keys[n] = p.tape[k]
		n++
	}
	return nil
}

// checkManyKeys uses a table with open addressing, eight bytes a slot and seeded anew for each object: no choice of
// keys makes it slow.
func (p *parser) checkManyKeys(f *frame) *events.Error {
	type slot struct {
		hash uint32
		key  uint32 // tape index; 0 is an empty slot, because a key is never first on the tape
	}
	size := 2 * fewKeys
	for size < 2*f.count {
		size *= 2
	}
	table, seed := make([]slot, size), maphash.MakeSeed()
	for k := f.open + 1; k < len(p.tape); k = after(p.tape, k+1) {
		w := p.tape[k]
		var hash uint64
		if w.escaped() {
			hash = maphash.String(seed, text(p.data, w))
		} else {
			hash = maphash.Bytes(seed, inside(p.data, w))
		}
		at := int(hash>>32) & (size - 1)
		for table[at].key != 0 {
			if table[at].hash == uint32(hash) && p.sameKey(w, p.tape[table[at].key]) {
				return p.duplicate(f, k)
			}
			at = (at + 1) & (size - 1)
		}
		table[at] = slot{uint32(hash), uint32(k)}
	}
	return nil
}

func (p *parser) sameKey(a, b word) bool {
	if a.escaped() || b.escaped() {
		return text(p.data, a) == text(p.data, b)
	}
	return bytes.Equal(inside(p.data, a), inside(p.data, b))
}

func (p *parser) duplicate(f *frame, key int) *events.Error {
	f.key = key
	return p.fail(p.tape[key].start(), "duplicate key")
}
