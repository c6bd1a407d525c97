package fhir

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Same tells whether two contents say the same: token by token they are equal, but for white space and for what the
// server says itself, which is id, meta.versionId and meta.lastUpdated, wherever they stand. A meta without anything
// else says nothing. So a client that reads a version and puts it back changes nothing. Everything else counts as it
// is written: the order of keys, the digits of a number, escapes. Both must have been parsed once; what is no
// resource is the same as nothing but equal bytes.
func Same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if _, err := findPlaces(a); err != nil {
		return false
	}
	if _, err := findPlaces(b); err != nil {
		return false
	}
	return sameMembers(saidOf(a, 0, "id"), saidOf(b, 0, "id"))
}

// said goes through the members of an object that the client says, and not the server.
type said struct {
	members
	root   bool
	server []string // keys of what the server says
}

func saidOf(data []byte, at int, server ...string) said {
	return said{members: objectAt(data, skipSpace(data, at)), root: server[0] == "id", server: server}
}

// meta returns what is said in the value at hand.
func (s *said) meta() said { return saidOf(s.data[:s.end], s.start, "versionId", "lastUpdated") }

// atMeta tells whether the member at hand is the resource's meta, as an object.
func (s *said) atMeta() bool { return s.root && s.is("meta") && s.data[s.start] == '{' }

// next goes to the next member that says something.
func (s *said) next() bool {
	for s.members.next() {
		if !s.silent() {
			return true
		}
	}
	return false
}

// silent tells whether the member at hand says nothing of the client's.
func (s *said) silent() bool {
	for _, key := range s.server {
		if s.is(key) {
			return true
		}
	}
	if s.atMeta() {
		meta := s.meta()
		return !meta.next() && !meta.bad
	}
	return s.root && s.is("meta") && string(s.data[s.start:s.end]) == "null"
}

func sameMembers(a, b said) bool {
	for a.next() {
		if !b.next() || !bytes.Equal(a.key, b.key) {
			return false
		}
		if a.atMeta() && b.atMeta() {
			if !sameMembers(a.meta(), b.meta()) {
				return false
			}
		} else if !sameTokens(a.data[a.start:a.end], b.data[b.start:b.end]) {
			return false
		}
	}
	return !b.next() && a.ended() && b.ended()
}

// ended tells whether nothing but white space follows the last member and its brace.
func (s *said) ended() bool {
	return !s.bad && skipSpace(s.data, skipSpace(s.data, s.at)+1) == len(s.data)
}

// sameTokens compares two values without the white space between their tokens.
func sameTokens(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	for i, j := 0, 0; ; {
		i, j = skipSpace(a, i), skipSpace(b, j)
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i] != b[j] {
			return false
		}
		if a[i] != '"' {
			i, j = i+1, j+1
			continue
		}
		endA, endB := skipString(a, i+1), skipString(b, j+1)
		if endA < 0 || endB < 0 || !bytes.Equal(a[i:endA], b[j:endB]) {
			return false
		}
		i, j = endA, endB
	}
}

// Sketch is a number that is the same for documents of which [Same] says so. For others it is another one as a rule; it
// is no hash that nobody can find a second document for. It looks at the kind of each value, its length and its first
// and last eight bytes, which takes a tenth of what parsing takes.
func (d *Document) Sketch() uint64 {
	if d.Root().Kind() != Object {
		return 0
	}
	var sum sketch
	for k, end := 1, d.tape[0].payload(); k < end; k = after(d.tape, k+1) {
		key, kind := text(d.data, d.tape[k]), d.tape[k+1].kind()
		switch {
		case key == "id", key == "meta" && kind == Null:
		case key == "meta" && kind == Object:
			sum = d.sketchMeta(sum, k)
		default:
			sum = sum.with(d, k, after(d.tape, k+1))
		}
	}
	return uint64(sum)
}

// sketchMeta adds the resource's meta, whose key is at k, unless it says nothing of the client's.
func (d *Document) sketchMeta(sum sketch, k int) sketch {
	said := sum.with(d, k, k+2)
	silent := true
	for m, end := k+2, d.tape[k+1].payload(); m < end; m = after(d.tape, m+1) {
		if key := text(d.data, d.tape[m]); key != "versionId" && key != "lastUpdated" {
			said, silent = said.with(d, m, after(d.tape, m+1)), false
		}
	}
	if silent {
		return sum
	}
	return said
}

type sketch uint64

// with adds the words of a part of the tape.
func (s sketch) with(d *Document, from, to int) sketch {
	const odd = 0x9e3779b97f4a7c15 // 2⁶⁴ divided by the golden ratio
	sum := uint64(s)
	for _, w := range d.tape[from:to] {
		kind := w.kind()
		sum = (bits.RotateLeft64(sum, 23) ^ uint64(kind)) * odd
		if kind >= Array {
			continue
		}
		start := w.start()
		if kind == String {
			start++
		}
		raw := d.data[start : start+w.payload()]
		first, last := ends(raw)
		sum = (bits.RotateLeft64(sum, 23) ^ first) * odd
		sum = (bits.RotateLeft64(sum, 23) ^ last ^ uint64(len(raw))<<40) * odd
	}
	return sketch(sum)
}

// ends are the first and the last eight bytes, as numbers; of fewer bytes, the same number twice.
func ends(raw []byte) (first, last uint64) {
	if n := len(raw); n >= 8 {
		return binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[n-8:])
	}
	for _, b := range raw {
		first = first<<8 | uint64(b)
	}
	return first, first
}
